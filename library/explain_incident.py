#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the cause of a rollback and its fix, written down and signed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: explain_incident
short_description: Add the cause of a rollback, and its fix, to the incident, and sign it
description:
  - Adds O(cause) with its commit, and O(fix) with the test that shows it, to the C(incident.json) of a run. What is left out stays
    as it is.
  - Signs cause and incident with C(ssh-keygen -Y sign) over C(tickbox/rollback.close.root_cause), for M(check_incident); whether
    the test shows the fix, M(check_fix) says. An earlier signature is replaced.
  - Runs where the key is, on the controller.
options:
  directory:
    description: Folder of the run that took the release back.
    type: path
    required: true
  repository:
    description: The bare copy of the repository, as M(build_artifact) keeps it.
    type: path
    required: true
  cause:
    description: What the cause was. Needed until one is named.
    type: str
  commit:
    description: Tag, branch or commit that brought the cause; the commit that was taken back where left out.
    type: str
  fix:
    description: Tag, branch or commit that has the fix.
    type: str
  test:
    description: The test that fails without the fix, as C(file::name). Needed with O(fix).
    type: str
  days:
    description: How long the signature holds.
    type: float
    default: 90
  key:
    description: Private key to sign with, or the public half of one that the agent holds.
    type: path
    required: true
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Investigate root cause
  explain_incident:
    directory: reports/20260103t101112z_77aa
    repository: .tickbox/build/shop/repository.git
    cause: Migration 0004 dropped the column that the worker of v2.0.0 still wrote to
    fix: v2.1.1
    test: tests/integration/test_worker.py::test_a_row_of_the_old_worker
    key: ~/.ssh/id_ed25519
"""

RETURN = r"""
incident:
  description: What C(incident.json) holds now.
  returned: always
  type: dict
"""

import re
import secrets
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import incident
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.attestation import BadAttestation, says_nothing, times, write_record
from ansible.module_utils.tickbox.source import SourceError, commit_of

ITEM = "rollback.close.root_cause"
TEST = re.compile(r"[^:\s]+::\S.*")


class BadAnswer(Exception):
    """What was given does not explain anything; the message names the argument."""


def commit_named(mirror: Path, argument: str, version: str) -> str:
    """The full hash of a commit that was given."""
    try:
        found: str = commit_of(mirror, version)
    except SourceError as error:
        raise BadAnswer(f"{argument}: {str(error).removeprefix('app_version: ')}") from None
    return found


def explained(before: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The incident with what was given."""
    mirror, found = Path(given["repository"]), dict(before)
    if given["cause"] is not None:
        if says_nothing(given["cause"]):
            raise BadAnswer(f"cause: {given['cause'].strip()[:40]!r} says nothing")
        commit = commit_named(mirror, "commit", given["commit"] or before["commit"])
        found["cause"] = {"text": " ".join(given["cause"].split()), "commit": commit, "at": incident.now()}
    if not found["cause"]:
        raise BadAnswer("cause: nobody has named it yet, so say what it was")
    if given["fix"]:
        if not TEST.fullmatch(given["test"] or ""):
            raise BadAnswer(f"test: {given['test']!r} is no test that shows the fix, as file::name")
        found["fix"] = {"commit": commit_named(mirror, "fix", given["fix"]), "test": given["test"], "at": incident.now()}
    return found


def sign(directory: Path, found: dict[str, Any], days: float, key: Path) -> None:
    cause = found["cause"]["text"]
    about = {name: found[name] for name in ("application", "environment", "commit", "run")}
    said = {"item": ITEM, "statement": cause, "cause": cause, "findings": [], "nonce": secrets.token_hex(16)}
    record = {**about, **said, **times(days), "incident": incident.sha256(incident.as_json(found))}
    # Signed first: an incident that could not be signed stays as it was.
    write_record(directory / f"{ITEM}.json", record, key)
    incident.write(directory, found)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "repository": {"type": "path", "required": True},
            **{name: {"type": "str"} for name in ("cause", "commit", "fix", "test")},
            "days": {"type": "float", "default": 90},
            "key": {"type": "path", "required": True, "no_log": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    directory = Path(given["directory"])
    try:
        found = explained(incident.read(directory), given)
        if not module.check_mode:
            sign(directory, found, given["days"], Path(given["key"]))
    except (BadAnswer, BadAttestation, CouldNotLook, OSError) as error:
        module.fail_json(msg=str(error))
    except KeyError as error:
        module.fail_json(msg=f"{directory / incident.FILE} lacks {error}")
    module.exit_json(changed=True, incident=found)


if __name__ == "__main__":
    main()

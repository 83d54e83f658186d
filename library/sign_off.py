#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a person's sign-off of a run or of a staged release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sign_off
short_description: Sign for a role what a run came to, or a release before it goes live
description:
  - Signs the digest that ended a run's record, or a release with its commit, over C(tickbox/signoff.<role>), as M(attest) does.
  - Signs nothing that would not count. It fails for a run that has not ended or whose record is broken, for a key that
    O(signatories) and O(allowed_signers) do not allow for the role, one that wrote the commit, or one that has signed for
    another role.
  - In check mode it says what would be signed, and signs nothing.
  - Runs where the key and the records are, on the controller.
extends_documentation_fragment: [signoff]
options:
  role:
    description: The role that is signed for.
    type: str
    choices: [project_manager, lead_developer, qa_lead, devops_engineer, security_officer]
    required: true
  key:
    description: Private key to sign with, or the public half of one that the agent holds.
    type: path
    required: true
  statement:
    description: What the signer says; by default what the run came to.
    type: str
    default: ""
  reports:
    description: Folder that holds the records of all runs.
    type: path
    required: true
  run:
    description: Id of the run; by default the newest deployment that went live.
    type: str
    default: ""
  release:
    description: Id of a staged release, to sign that release instead of a run.
    type: str
    default: ""
  path:
    description: Folder of the sign-offs of releases. Needed with O(release).
    type: path
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Sign off
  sign_off:
    role: qa_lead
    key: ~/.ssh/id_ed25519
    reports: reports
    application: shop
    environment: production
    allowed_signers: /etc/tickbox/attestors
    signatories: {qa_lead: [quentin@example.com]}
    repository: .tickbox/build/shop/repository.git
"""

RETURN = r"""
run:
  description: Id of the run that is signed, or that staged the release.
  returned: success
  type: str
lines:
  description: What is signed, a line each.
  returned: success
  type: list
  elements: str
summary:
  description: Who has signed, and what.
  returned: when something was signed
  type: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.attestation import BadAttestation
from ansible.module_utils.tickbox.record import BrokenRecord, ended
from ansible.module_utils.tickbox.runs import NoRun, find
from ansible.module_utils.tickbox.signoff import (
    ROLES,
    SIGNOFF_SPEC,
    Subject,
    release_files,
    run_files,
    sign,
    stated,
    subject_of_run,
    terms_of,
    told,
)


def signed(module: AnsibleModule) -> dict[str, Any]:
    given = module.params
    release = given["release"]
    directory = find(Path(given["reports"]), given["run"], release)
    end = ended(directory)
    subject, files, lines = subject_of_run(end), run_files(directory), told(end)
    if release:
        if end.facts.get("to_release") != release:
            raise NoRun(f"signoff_release: the record of {end.opened['id']} is of {end.facts.get('to_release')}, not of {release}")
        subject, files = Subject(subject.commit, {"release": release}), release_files(Path(given["path"]), release)
        lines = [f"release {release}, before it goes live", *lines]
    result = {"run": str(end.opened["id"]), "lines": lines}
    if module.check_mode:
        return result
    role = given["role"]
    found = sign(role, files, subject, terms_of(given), Path(given["key"]), given["statement"] or stated(role, end, release))
    return {**result, "summary": found.summary}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SIGNOFF_SPEC,
            "role": {"type": "str", "choices": list(ROLES), "required": True},
            "key": {"type": "path", "required": True, "no_log": False},
            "statement": {"type": "str", "default": ""},
            "reports": {"type": "path", "required": True},
            "run": {"type": "str", "default": ""},
            "release": {"type": "str", "default": ""},
            "path": {"type": "path"},
        },
        supports_check_mode=True,
    )
    if module.params["release"] and module.params["run"]:
        module.fail_json(
            msg="signoff_run and signoff_release: name one of the two, a run is signed by its record, a release by its id"
        )
    if module.params["release"] and not module.params["path"]:
        module.fail_json(msg="app_attestations_path is not set: it is the folder of the sign-offs of releases")
    try:
        module.exit_json(changed=True, **signed(module))
    except (NoRun, BadAttestation, BrokenRecord, CouldNotLook, OSError) as reason:
        module.fail_json(msg=f"Nothing was signed: {reason}")


if __name__ == "__main__":
    main()

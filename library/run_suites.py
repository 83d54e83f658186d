#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the application's own suites."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_suites
short_description: Run an application's tests and analyses once for each commit
description:
  - Lays the source at O(commit) and the built tree into a scratch folder, makes an environment with O(setup), and runs those of
    O(suites) that have no good result for this commit, these lock files, this build and these commands.
  - Keeps of each a report and a JSON beside it, which says what was run on what and carries the report's digest. A suite that
    fails, or cannot be run here, leaves that as its result; M(check_suites) judges it.
  - Runs on the controller. The cache is never reported as a change, and is kept in check mode too.
options:
  repository:
    description: The bare copy of the repository, as M(build_artifact) keeps it.
    type: path
    required: true
  commit:
    description: Full hash of the commit.
    type: str
    required: true
  archive:
    description: The packed tree that M(build_artifact) made, laid over the source.
    type: path
  build:
    description: Digest of that tree.
    type: str
    default: ""
  locks:
    description: Paths of the lock files below the root of the source.
    type: list
    elements: str
    default: []
  setup:
    description: Commands that make the suites' environment in C({venv}), run in the root of the source without a shell.
    type: list
    elements: str
    default: []
  suites:
    description: The suites by name. What more is said of one is for M(check_suites).
    type: dict
    required: true
    suboptions:
      commands:
        description: Commands, run without a shell in the root of the source. The report is what is written to C({report}), or the
          standard output of the last command where that does not name it.
        type: list
        elements: str
        required: true
      needs:
        description: Programs that the controller must have. Where one is missing the suite is not run.
        type: list
        elements: str
      accept:
        description: Exit codes of the last command that are no failure.
        type: list
        elements: int
        default: [0]
      planted:
        description: Files that are laid into the source for this suite alone, by path, each with its C(content). An analysis has
          to find the faults in them, which shows that it can see.
        type: dict
      timeout:
        description: Seconds after which a command is ended.
        type: float
        default: 600
  results:
    description: Folder for the results, one below it for each commit.
    type: path
    required: true
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Run the tests of the release
  run_suites:
    repository: .tickbox/build/shop/repository.git
    commit: "{{ release_commit }}"
    locks: [requirements.lock]
    setup:
      - uv venv {venv}
      - uv pip sync --require-hashes --python {venv}/bin/python requirements.lock
    suites:
      unit: {commands: ["pytest tests/unit --junit-xml={report}"]}
    results: .tickbox/build/shop/suites
  delegate_to: localhost
"""

RETURN = r"""
ran:
  description: Seconds that each suite took that was run now.
  returned: always
  type: dict
kept:
  description: Suites whose good results were there already.
  returned: always
  type: list
  elements: str
"""

import json
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.source import SourceError
from ansible.module_utils.tickbox.suites import Subject, Workshop, in_order, lock_digests, suite_key


def has_good_result(folder: Path, name: str, key: str) -> bool:
    try:
        about = json.loads((folder / f"{name}.json").read_text())
        return isinstance(about, dict) and about.get("key") == key and in_order(about)
    except (OSError, ValueError):
        return False


def work(params: dict[str, Any]) -> dict[str, Any]:
    mirror, place = Path(params["repository"]), Path(params["results"]).absolute() / params["commit"]
    subject = Subject(params["commit"], lock_digests(mirror, params["commit"], params["locks"]), params["build"])
    suites: dict[str, dict[str, Any]] = params["suites"]
    kept = [name for name, suite in suites.items() if has_good_result(place, name, suite_key(subject, params["setup"], suite))]
    archive = Path(params["archive"]) if params["archive"] else None
    ran = {}
    with Workshop(mirror, subject, archive, params["setup"], place) as workshop:
        for name, suite in suites.items():
            if name not in kept:
                begun = time.monotonic()
                workshop.run(name, suite)
                ran[name] = round(time.monotonic() - begun, 1)
    return {"ran": ran, "kept": kept}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "repository": {"type": "path", "required": True},
            "commit": {"type": "str", "required": True},
            "archive": {"type": "path"},
            "build": {"type": "str", "default": ""},
            "locks": {"type": "list", "elements": "str", "default": []},
            "setup": {"type": "list", "elements": "str", "default": []},
            "suites": {"type": "dict", "required": True},
            "results": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    for name, suite in module.params["suites"].items():
        if not isinstance(suite, dict) or not isinstance(suite.get("commands"), list) or not suite["commands"]:
            module.fail_json(msg=f"suites: {name} has no list of commands")
    try:
        result = work(module.params)
    except (SourceError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()

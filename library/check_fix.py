#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the fix for what a release was taken back for."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_fix
short_description: Whether the fix of an incident is shown by a test that fails without it
description:
  - Reads which fix and which test the incident of a run names, and runs that test twice, in scratch folders that hold the source at
    the commit that was taken back and at the fix's. The file of the test is the fix's in both.
  - C(rollback.close.fix) is ticked when the test fails at the first, with a verdict of its own and not because it cannot run there,
    and passes at the second.
  - It is C(pending) as long as the incident names no fix.
  - Runs on the controller. The reports are kept in the folder C(fix) of the run.
extends_documentation_fragment: [look]
options:
  directory:
    description: Folder of the run that took the release back.
    type: path
    required: true
  repository:
    description: The bare copy of the repository, as M(build_artifact) keeps it. Needed for a fix that is named.
    type: path
  setup:
    description: Commands that make the environment of tests in C({venv}), as M(run_suites) takes them.
    type: list
    elements: str
    default: []
  command:
    description: Command that runs the test C({test}) and writes a JUnit report to C({report}); without a shell, in the root of the
      source. Needed for a fix that is named.
    type: str
  needs:
    description: Programs that the controller must have for it.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds after which it is ended.
    type: float
    default: 600
requirements: [junitparser on the controller]
attributes:
  check_mode:
    support: partial
    details: Runs no test, and says so as C(unverifiable).
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Develop fix for next deployment
  check_fix:
    directory: reports/20260103t101112z_77aa
    repository: .tickbox/build/shop/repository.git
    setup:
      - uv venv {venv}
      - uv pip sync --require-hashes --python {venv}/bin/python requirements-dev.lock
    command: python -m pytest {test} --junit-xml={report}
  delegate_to: localhost
"""

RETURN = r"""
assertions:
  description: The one for C(rollback.close.fix), with item, status (passed, failed, unverifiable or pending), summary, expected,
    observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox import fix, incident
from ansible.module_utils.tickbox.assertion import FAILED, PENDING, CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.repository import History
from ansible.module_utils.tickbox.source import SourceError
from ansible.module_utils.tickbox.test_reports import JUNITPARSER

ITEM = "rollback.close.fix"


def look(params: dict[str, Any], check_mode: bool) -> Verdict:
    directory = Path(params["directory"])
    found = incident.read(directory)
    try:
        run, named, failed_at = found["run"], found["fix"], found["commit"]
        if named is None:
            return Verdict(PENDING, f"there is no fix yet: playbooks/incident.yml -e incident_run={run} -e incident_fix=...")
        test, fixed_at = str(named["test"]), str(named["commit"])
    except (KeyError, TypeError) as error:
        return Verdict(FAILED, f"the incident lacks what it should say of the fix: {error}")
    if lacking := [name for name in ("repository", "command") if not params[name]]:
        raise CouldNotLook(f"not given: {', '.join(lacking)}")
    if "{test}" not in params["command"] or "{report}" not in params["command"]:
        raise CouldNotLook("the command does not name {test} and {report}")
    if check_mode:
        raise CouldNotLook("no test is run in check mode")
    mirror, file = Path(params["repository"]), fix.test_file(test)
    history = History(mirror)
    if not history.has(f"{fixed_at}:{file}"):
        return Verdict(FAILED, f"the fix {fixed_at[:12]} has no {file}")
    suite = {
        "commands": fix.commands(params["command"], test),
        "needs": params["needs"],
        "timeout": params["timeout"],
        "planted": {file: {"content": history.text(fixed_at, file)}},
    }
    try:
        before, after = (fix.try_at(mirror, commit, params["setup"], suite, directory / "fix") for commit in (failed_at, fixed_at))
    except SourceError as error:
        raise CouldNotLook(str(error)) from None
    return fix.judge_fix(test, failed_at, fixed_at, before, after)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "repository": {"type": "path"},
            "setup": {"type": "list", "elements": "str", "default": []},
            "command": {"type": "str"},
            "needs": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float", "default": 600},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not JUNITPARSER:
        module.fail_json(msg=missing_required_lib("junitparser"))
    exit_with(module, [examine(ITEM, lambda: look(module.params, module.check_mode))])


if __name__ == "__main__":
    main()

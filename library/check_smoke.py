#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the smoke tests."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_smoke
short_description: Whether the application answered its smoke requests itself, and rightly
description:
  - C(deploy.verification.smoke_tests) is ticked when each answer of M(smoke_requests) is as defined, none came from a cache,
    and each request's id was found in the application's log by M(check_release) on the hosts of the application.
  - Runs on the controller, after both.
extends_documentation_fragment: [look]
options:
  answers:
    description: The answers that M(smoke_requests) returned.
    type: list
    elements: dict
    required: true
  logged:
    description: The request ids that M(check_release) found, from all hosts together.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Run smoke tests
  check_smoke:
    answers: "{{ smoke.answers }}"
    logged: "{{ groups['app'] | map('extract', hostvars) | map(attribute='looked') | map(attribute='logged') | flatten }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
assertions:
  description: The one for C(deploy.verification.smoke_tests), with item, status (passed, failed or unverifiable), summary,
    expected, observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import examine, exit_with
from ansible.module_utils.tickbox.smoke import judge_smoke


def main() -> None:
    answer_spec = {
        "name": {"type": "str", "required": True},
        "request_id": {"type": "str", "required": True},
        "status": {"type": "int", "required": True},
        "seconds": {"type": "float", "required": True},
        "problems": {"type": "list", "elements": "str", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "answers": {"type": "list", "elements": "dict", "required": True, "options": answer_spec},
            "logged": {"type": "list", "elements": "str", "required": True},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    answers, logged = module.params["answers"], set(module.params["logged"])
    exit_with(module, [examine("deploy.verification.smoke_tests", lambda: judge_smoke(answers, logged))])


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: input validation."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_input_validation
short_description: Whether a release refused every request that it must refuse
description:
  - C(pre.security.input_validation) is ticked when the release refused each request that M(input_cases) made and M(ask_release)
    sent. An error of the server, a lost connection, a request that was taken, SQL that a database ran, and input without a limit
    are no refusals. Where nobody looked at the input, as no session was open or there were too many requests, the statement is
    unverifiable.
  - Runs on the controller, after both.
extends_documentation_fragment: [look]
options:
  made:
    description: What M(input_cases) returned.
    type: dict
    required: true
  asked:
    description: What M(ask_release) returned.
    type: dict
    required: true
  requests:
    description: The example requests that it sent first.
    type: list
    elements: dict
    required: true
  borne:
    description: Input without a limit that is meant so, as C(operation place), for example C(POST /api/notes body.text).
    type: list
    elements: str
    default: []
requirements: [schemathesis and openapi-spec-validator on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Input validation is thorough
  check_input_validation:
    made: "{{ faulty }}"
    asked: "{{ answered }}"
    requests: "{{ app_api_requests }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
assertions:
  description: The one for C(pre.security.input_validation), with item, status (passed, failed or unverifiable), summary, expected,
    observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.exchange import sessions
from ansible.module_utils.tickbox.input_validation import judge_inputs, sessions_opened


def look(params: dict[str, Any]) -> Verdict:
    made, asked, requests = params["made"], params["asked"], params["requests"]
    if doubt := made.get("doubt") or asked.get("doubt"):
        raise CouldNotLook(doubt)
    try:
        cases, operations, problems = made["cases"], made["operations"], made["problems"]
        answers, outcomes = asked["answers"], asked["outcomes"]
    except KeyError as error:
        raise CouldNotLook(f"nothing was asked: {error} is missing") from None
    sessions_opened(requests, answers)
    logins = [request["operation"] for request in sessions(requests)]
    return judge_inputs(cases, outcomes, operations, without(problems, params["borne"]), logins)


def without(problems: dict[str, list[str]], borne: list[str]) -> dict[str, list[str]]:
    """What is without a limit, less what is meant so."""
    places = set(borne)
    return {name: [one for one in found if f"{name} {one.partition(' ')[0]}" not in places] for name, found in problems.items()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "made": {"type": "dict", "required": True},
            "asked": {"type": "dict", "required": True},
            "requests": {"type": "list", "elements": "dict", "required": True},
            "borne": {"type": "list", "elements": "str", "default": []},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    exit_with(module, [examine("pre.security.input_validation", lambda: look(module.params))])


if __name__ == "__main__":
    main()

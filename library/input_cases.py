#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: requests that an application must refuse."""

from __future__ import annotations

DOCUMENTATION = r"""
module: input_cases
short_description: Make requests that an application must refuse, from its OpenAPI document
description:
  - Makes for each operation bodies that are cut short, of wrong types, too long, beyond their bounds or in a wrong encoding, SQL in
    each text, addresses that are none, and what schemathesis thinks of.
  - Runs on the controller.
options:
  interface:
    description: What the application's code says of itself, as JSON with C(openapi), its OpenAPI document, and C(routes).
    type: str
    required: true
  requests:
    description: A request for each operation that it takes, as M(ask_release) has them.
    type: list
    elements: dict
    required: true
  refused:
    description: Requests that the application must refuse, whatever its document says, each with C(operation) and what is other
      in it than in that operation's request of O(requests), as C(body), C(path) or C(query).
    type: list
    elements: dict
    default: []
  generated:
    description: How many requests schemathesis makes for each operation that takes something.
    type: int
    default: 12
  seed:
    description: Begins the generation, so that the same seed gives the same requests.
    type: str
    default: ""
  kept:
    description: Folder in which what schemathesis thought of is kept, and found again where it would come to the same.
    type: path
requirements: [schemathesis and openapi-spec-validator on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Make faulty requests
  input_cases:
    interface: "{{ described.stdout }}"
    requests: "{{ app_api_requests }}"
    seed: "{{ release_commit }}"
  delegate_to: localhost
  run_once: true
  register: faulty
"""

RETURN = r"""
cases:
  description: The requests.
  returned: always
  type: list
  elements: dict
  sample: [{operation: POST /api/orders, kind: body, what: a body cut short, method: POST, path: /api/orders}]
problems:
  description: By operation, what its description lets in without a limit.
  returned: always
  type: dict
operations:
  description: The operations of the document.
  returned: always
  type: list
  elements: str
doubt:
  description: Why no requests could be made; empty where they were.
  returned: always
  type: str
"""

import hashlib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.input_cases import SCHEMATHESIS, make
from ansible.module_utils.tickbox.openapi import OPENAPI, interface_of


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interface": {"type": "str", "required": True},
            "requests": {"type": "list", "elements": "dict", "required": True},
            "refused": {"type": "list", "elements": "dict", "default": []},
            "generated": {"type": "int", "default": 12},
            "seed": {"type": "str", "default": ""},
            "kept": {"type": "path"},
        },
        supports_check_mode=True,
    )
    for found, name in ((SCHEMATHESIS, "schemathesis"), (OPENAPI, "openapi-spec-validator")):
        if not found:
            module.fail_json(msg=missing_required_lib(name))
    given = module.params
    kept = Path(given["kept"]) if given["kept"] else None
    begin = int(hashlib.sha256(given["seed"].encode()).hexdigest()[:8], 16)
    try:
        api, _ = interface_of(given["interface"])
        cases = make(api, given["requests"], given["refused"], given["generated"], begin, kept)
        problems = {name: found for name in api.operations if (found := api.unbounded(name))}
        operations = list(api.operations)
    except CouldNotLook as reason:
        module.exit_json(changed=False, cases=[], problems={}, operations=[], doubt=str(reason))
    module.exit_json(changed=False, cases=cases, problems=problems, operations=operations, doubt="")


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the application's smoke requests, sent as a visitor would."""

from __future__ import annotations

DOCUMENTATION = r"""
module: smoke_requests
short_description: Send the application's smoke requests, each with an id of its own
description:
  - Sends O(requests) to the site and says what was wrong with each answer. Whether the application itself answered shows in its log
    (M(check_release)); M(check_smoke) judges both.
  - Runs on the controller.
extends_documentation_fragment: [site]
options:
  addresses:
    description: Where the site is asked, instead of the addresses of its name. Each address gets each request.
    type: list
    elements: str
    default: []
  requests:
    description: The requests, and what must come back.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the request is called in the report; its method and path where left out.
        type: str
      method:
        description: Method.
        type: str
        default: GET
      path:
        description: Path below the site's root.
        type: str
        required: true
      headers:
        description: Headers to send.
        type: dict
      body:
        description: Body; what is not a string is sent as JSON.
        type: raw
      status:
        description: Status of the answer.
        type: int
        default: 200
      contains:
        description: Text that the answer holds.
        type: str
      json:
        description: What the answer's JSON says; objects may hold more.
        type: raw
  request_id_header:
    description: Header in which the id is sent, and in which the application returns it.
    type: str
    default: X-Request-ID
  bypass_header:
    description: Header in which the operator's token is sent.
    type: str
    default: X-Maintenance-Bypass
  bypass_token:
    description: The token that passes maintenance mode.
    type: str
  in_order:
    description: Send each once the one before it was answered, as one person would.
    type: bool
    default: false
requirements: [httpx on the controller]
attributes:
  check_mode:
    support: none
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Send the smoke requests
  smoke_requests:
    url: https://shop.example.com
    requests:
      - {name: front page, path: /, contains: <div id="app">}
      - {name: order, path: /api/orders, method: POST, body: {article: 1}, status: 201, json: {state: open}}
    bypass_token: "{{ maintenance_bypass_token }}"
  delegate_to: localhost
  run_once: true
  register: smoke
"""

RETURN = r"""
answers:
  description: For each request its name, request_id, status, seconds and the list of problems.
  returned: always
  type: list
  elements: dict
  sample: [{name: front page, request_id: 1f0c..., status: 200, seconds: 0.02, problems: []}]
request_ids:
  description: The ids, in the same order.
  returned: always
  type: list
  elements: str
"""

import time
import uuid
from itertools import product
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.site import HTTPX, SITE_SPEC, Site, together
from ansible.module_utils.tickbox.smoke import answer_problems


def send(params: dict[str, Any]) -> list[dict[str, Any]]:
    site = Site(params["url"], params["addresses"], params["ca_path"])
    bypass = {params["bypass_header"]: params["bypass_token"]} if params["bypass_token"] else {}
    id_header = params["request_id_header"]

    def ask(what: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        address, request = what
        request_id = uuid.uuid4().hex
        method = request["method"].upper()
        headers = {**(request["headers"] or {}), **bypass, id_header: request_id}
        began = time.monotonic()
        answer = site.ask(address, request["path"], method, headers, request["body"])
        name = request["name"] or f"{method} {request['path']}"
        return {
            "name": f"{name} at {address}" if len(site.addresses) > 1 else name,
            "request_id": request_id,
            "status": answer.status,
            "seconds": round(time.monotonic() - began, 3),
            "problems": answer_problems(request, answer, request_id, id_header),
        }

    asked = product(site.addresses, params["requests"])
    return list(map(ask, asked) if params["in_order"] else together(ask, asked))


def main() -> None:
    request_spec = {
        "name": {"type": "str"},
        "method": {"type": "str", "default": "GET"},
        "path": {"type": "str", "required": True},
        "headers": {"type": "dict"},
        "body": {"type": "raw"},
        "status": {"type": "int", "default": 200},
        "contains": {"type": "str"},
        "json": {"type": "raw"},
    }
    module = AnsibleModule(
        argument_spec={
            **SITE_SPEC,
            "requests": {"type": "list", "elements": "dict", "required": True, "options": request_spec},
            "request_id_header": {"type": "str", "default": "X-Request-ID"},
            "bypass_header": {"type": "str", "default": "X-Maintenance-Bypass"},
            "in_order": {"type": "bool", "default": False},
            "bypass_token": {"type": "str", "no_log": True},
        },
    )
    if not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    try:
        answers = send(module.params)
    except CouldNotLook as reason:
        module.fail_json(msg=str(reason))
    module.exit_json(changed=False, answers=answers, request_ids=[answer["request_id"] for answer in answers])


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the operations of the API."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_api_endpoints
short_description: Whether every operation of an API answers as its OpenAPI document says
description:
  - Sends O(requests) to the site one after the other, as one person's browser would, through maintenance mode where
    O(bypass_token) is given. What they ask of the site is done by the site, so that they ought to take back what they make.
  - C(deploy.verification.api_endpoints) is ticked when each operation of the document was asked, answered with the status that its
    request names, and with a body of the type and schema that the document gives for that status. The document must be the one that
    the site serves.
  - Operations that are closed to visitors (O(requests[].inside=true)) are judged by O(answers), what the process answered to
    M(ask_release) on its own host.
  - Runs on the controller.
extends_documentation_fragment: [look, site, api_requests]
options:
  addresses:
    description: Where the site is asked, instead of the addresses of its name. The first that there is.
    type: list
    elements: str
    default: []
  interface:
    description: What the release's code says of itself, as JSON with C(openapi) and C(routes). Without it the document that the
      site serves is taken.
    type: str
  openapi_path:
    description: Where the site serves its OpenAPI document; empty where it does not.
    type: str
    default: /openapi.json
  requests:
    description: A request for each operation that it takes. One for an operation that this version does not have is left out.
    required: true
  answers:
    description: What M(ask_release) returned of the operations that are closed to visitors.
    type: list
    elements: dict
    default: []
  bypass_header:
    description: Header in which the operator's token is sent.
    type: str
    default: X-Maintenance-Bypass
  bypass_token:
    description: The token that passes maintenance mode.
    type: str
requirements: [httpx and openapi-spec-validator on the controller]
attributes:
  check_mode:
    support: none
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Verify API endpoints
  check_api_endpoints:
    url: https://shop.example.com
    requests:
      - {operation: POST /api/login, body: {name: probe, password: "{probe_password}"}, session: true}
      - {operation: POST /api/orders, body: {article: 1}, status: 201, keep: {order_id: id}}
      - {operation: "GET /api/orders/{order_id}"}
      - {operation: "DELETE /api/orders/{order_id}", status: 204}
    secrets: {probe_password: "{{ vault_probe_password }}"}
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
assertions:
  description: The one for C(deploy.verification.api_endpoints), with item, status (passed, failed or unverifiable), summary,
    expected, observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.answers import Answer
from ansible.module_utils.tickbox.api_endpoints import judge_endpoints
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.exchange import REQUEST_SPEC, Exchange
from ansible.module_utils.tickbox.openapi import OPENAPI, Api, interface_of
from ansible.module_utils.tickbox.site import HTTPX, SITE_SPEC, Site


def look(params: dict[str, Any]) -> Verdict:
    site = Site(params["url"], params["addresses"], params["ca_path"])
    bypass = {params["bypass_header"]: params["bypass_token"]} if params["bypass_token"] else {}
    slowest = 0.0

    def send(method: str, path: str, headers: Mapping[str, str], body: Any) -> Answer:
        nonlocal slowest
        began = time.monotonic()
        answer: Answer = site.ask(site.addresses[0], path, method, {**headers, **bypass}, body)
        slowest = max(slowest, time.monotonic() - began)
        return answer

    served = None
    if params["openapi_path"]:
        document = send("GET", params["openapi_path"], {}, None)
        served = document.json()
        if served is None:
            raise CouldNotLook(f"{params['openapi_path']} is no OpenAPI document: {document.outcome}")
    if not params["interface"] and served is None:
        raise CouldNotLook("there is no OpenAPI document: neither interface nor openapi_path is given")
    api: Api = interface_of(params["interface"])[0] if params["interface"] else Api(served)
    exchange = Exchange(send, params["secrets"])
    inside = {given["operation"]: given for given in params["answers"]}
    asked: list[tuple[dict[str, Any], Answer | None]] = []
    for request in params["requests"]:
        name = request["operation"]
        if name not in api.operations:
            continue
        if request["inside"]:
            given = inside.get(name)
            asked.append(
                (request, Answer(given["status"], {"content-type": given["type"]}, given["body"].encode()) if given else None)
            )
            continue
        try:
            asked.append((request, exchange.ask(request)))
        except CouldNotLook:
            asked.append((request, None))
    return judge_endpoints(api, served, asked, slowest)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SITE_SPEC,
            "interface": {"type": "str"},
            "openapi_path": {"type": "str", "default": "/openapi.json"},
            "requests": {"type": "list", "elements": "dict", "required": True, "options": REQUEST_SPEC},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "answers": {"type": "list", "elements": "dict", "default": []},
            "bypass_header": {"type": "str", "default": "X-Maintenance-Bypass"},
            "bypass_token": {"type": "str", "no_log": True},
            "report_only": {"type": "bool", "default": False},
        },
    )
    for found, name in ((HTTPX, "httpx"), (OPENAPI, "openapi-spec-validator")):
        if not found:
            module.fail_json(msg=missing_required_lib(name))
    exit_with(module, [examine("deploy.verification.api_endpoints", lambda: look(module.params))])


if __name__ == "__main__":
    main()

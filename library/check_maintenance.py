#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: maintenance mode as visitors and operators meet it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_maintenance
short_description: Whether a site is closed to everybody but the operator, or open again
description:
  - Asks O(routes) and a route that does not exist, with GET and POST, at each address, as a visitor would. Changes nothing itself;
    what O(routes) ask of an open site is done by the site.
  - C(deploy.maintenance.enable) and C(rollback.initiate.maintenance) are ticked when every request without the right token
    answers 503 with C(Retry-After), C(Cache-Control) C(no-store) and the page that holds O(page), and requests with the token
    get through. Tokens that are empty, cut short or too long must not.
  - C(deploy.go_live.disable_maintenance) and C(rollback.close.maintenance) are ticked when every request gets its normal
    answer; with O(operator_maintenance=true) when the site is still closed, as the operator left it.
  - A request that a rate limit refuses (429) is sent again, for some seconds.
  - Runs on the controller.
extends_documentation_fragment: [look, site]
options:
  item:
    description: The item to answer for.
    type: str
    required: true
    choices:
      - deploy.maintenance.enable
      - rollback.initiate.maintenance
      - deploy.go_live.disable_maintenance
      - rollback.close.maintenance
  routes:
    description: What to ask, with O(routes[].status) as the normal answer. The form is that of smoke requests, of which more is
      not used.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Path below the site's root.
        type: str
        required: true
      method:
        description: Method.
        type: str
        default: GET
      status:
        description: Status of the normal answer.
        type: int
        default: 200
      body:
        description: Body; what is not a string is sent as JSON.
        type: raw
      name:
        description: Not used.
        type: str
      headers:
        description: Headers to send.
        type: dict
      contains:
        description: Not used.
        type: str
      json:
        description: Not used.
        type: raw
  operations:
    description: Operations of the API, each by its method and path, that are asked besides with nothing that they could act on. Any
      answer below 500 is a normal one.
    type: list
    elements: str
    default: []
  page:
    description: Text that only the maintenance page holds.
    type: str
    required: true
  bypass_header:
    description: Header in which the operator's token is sent.
    type: str
    default: X-Maintenance-Bypass
  bypass_token:
    description: The operator's token.
    type: str
    required: true
  bypass_path:
    description: What the operator asks for.
    type: str
    default: /
  bypass_status:
    description: Status that the operator may get. A site without a release behind it answers 502 once the page is passed.
    type: list
    elements: int
    default: [200]
  operator_maintenance:
    description: Whether an operator had closed the site by hand before, so that it has to stay closed.
    type: bool
    default: false
requirements: [httpx on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: The site is closed
  check_maintenance:
    item: deploy.maintenance.enable
    url: https://shop.example.com
    routes:
      - {path: /}
      - {path: /api/orders, method: POST, body: {}}
    operations: ["GET /api/orders/{id}", "DELETE /api/orders/{id}"]
    page: Back in a few minutes
    bypass_token: "{{ maintenance_bypass_token }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
assertions:
  description: The one for O(item), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

import secrets
from dataclasses import replace
from itertools import product
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.maintenance import Asked, judge_closed, judge_open
from ansible.module_utils.tickbox.operations import named
from ansible.module_utils.tickbox.routes import of_operations
from ansible.module_utils.tickbox.site import HTTPX, SITE_SPEC, Site, patiently, together

CLOSING = ("deploy.maintenance.enable", "rollback.initiate.maintenance")
OPENING = ("deploy.go_live.disable_maintenance", "rollback.close.maintenance")
PATIENCE = 7.0  # seconds for one request that the site refuses as one too many: visitors wait meanwhile
SHORTEST_TOKEN = 8  # a shorter one could be guessed, and would be masked all over the output


def look(params: dict[str, Any]) -> Verdict:
    token = params["bypass_token"]
    if len(token) < SHORTEST_TOKEN:
        raise CouldNotLook(f"bypass_token has {len(token)} characters; at least {SHORTEST_TOKEN} are needed")
    if not params["page"].strip():
        raise CouldNotLook("page: no text is named by which the maintenance page is known")
    site = Site(params["url"], params["addresses"], params["ca_path"])
    unknown = f"/{secrets.token_hex(8)}"
    routes = [*params["routes"], {"path": unknown}, {"path": unknown, "method": "POST", "body": {}}]
    operations = [
        {"path": each.path, "method": each.method, "body": each.body} for each in of_operations(named(params["operations"]))
    ]

    def ask(what: tuple[str, dict[str, Any], tuple[str, str | None]]) -> Asked:
        address, route, (by, sent) = what
        method = str(route.get("method", "GET")).upper()
        headers = {**(route.get("headers") or {}), **({params["bypass_header"]: sent} if sent is not None else {})}
        answer = patiently(lambda: site.ask(address, route["path"], method, headers, route.get("body")), PATIENCE)
        return Asked(address, method, route["path"], by, route.get("status"), answer)

    nobody = ("", None)
    if params["item"] in OPENING and not params["operator_maintenance"]:
        return judge_open(together(ask, product(site.addresses, [*routes, *operations], [nobody])), params["page"])
    wrong = {
        "a wrong token": secrets.token_hex(16),
        "an empty token": "",
        "the token cut short": token[:-1],
        "the token and more": f"{token}x",
    }
    first, *others = wrong.items()
    way_in = {"path": params["bypass_path"]}
    strangers = [*product(site.addresses, routes, [nobody, first]), *product(site.addresses, operations, [nobody])]
    visitors = together(ask, [*strangers, *product(site.addresses, [way_in], others)])
    operators = together(ask, product(site.addresses, [way_in], [("the token", token)]))
    seen = judge_closed(visitors, operators, params["page"], params["bypass_status"])
    if params["item"] in OPENING:
        seen = replace(seen, summary=f"left closed, as the operator had it: {seen.summary}")
    return seen


def main() -> None:
    route_spec = {
        "path": {"type": "str", "required": True},
        "method": {"type": "str", "default": "GET"},
        "status": {"type": "int", "default": 200},
        "body": {"type": "raw"},
        "name": {"type": "str"},
        "headers": {"type": "dict"},
        "contains": {"type": "str"},
        "json": {"type": "raw"},
    }
    module = AnsibleModule(
        argument_spec={
            "item": {"type": "str", "required": True, "choices": [*CLOSING, *OPENING]},
            **SITE_SPEC,
            "routes": {"type": "list", "elements": "dict", "required": True, "options": route_spec},
            "operations": {"type": "list", "elements": "str", "default": []},
            "page": {"type": "str", "required": True},
            "bypass_header": {"type": "str", "default": "X-Maintenance-Bypass"},
            "bypass_token": {"type": "str", "required": True, "no_log": True},
            "bypass_path": {"type": "str", "default": "/"},
            "bypass_status": {"type": "list", "elements": "int", "default": [200]},
            "operator_maintenance": {"type": "bool", "default": False},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    exit_with(module, [examine(module.params["item"], lambda: look(module.params))])


if __name__ == "__main__":
    main()

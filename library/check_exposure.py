#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what a site gives away."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_exposure
short_description: Whether a site serves what is no part of it, or says what it should not
description:
  - C(post.security.sensitive_information) is ticked when files that are no part of a site (dot files, backups, configuration,
    debug pages, source maps, what lies outside its folders) are not served, and no page, script, error or header holds a secret, a
    trace, a path of the host or a version of its software.
  - Asks O(routes), every operation of the OpenAPI document, all scripts and styles that they load, and errors of each kind. Changes
    nothing. A value of O(secrets) is looked for in every answer and named, never shown.
  - Runs on the controller.
extends_documentation_fragment: [look, site, site.visitor]
options:
  http_port:
    description: Port without TLS; 0 where there is none.
    type: int
    default: 80
  openapi_path:
    description: Where the site serves its OpenAPI document; empty where it has none.
    type: str
    default: /openapi.json
  routes:
    description: Paths to ask besides, with GET.
    type: list
    elements: str
    default: [/]
  hidden_paths:
    description: Paths that must not be served, besides those that the module knows.
    type: list
    elements: str
    default: []
  served_paths:
    description: Paths among those that the module knows which are a part of this site.
    type: list
    elements: str
    default: []
  limited_paths:
    description: Paths with a low rate limit, which are asked less often.
    type: list
    elements: str
    default: []
  secrets:
    description: Values that must be in no answer, by their names. Values shorter than 8 characters are not looked for.
    type: dict
    default: {}
  places:
    description: Paths on the hosts that no error may name.
    type: list
    elements: str
    default: []
requirements: [httpx on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Verify sensitive information is not exposed
  check_exposure:
    url: https://shop.example.com
    secrets: {database password: "{{ vault_database_password }}"}
    places: [/srv/shop]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
assertions:
  description: The one for C(post.security.sensitive_information), with item, status (passed, failed or unverifiable), summary,
    expected, observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox import exposure, routes
from ansible.module_utils.tickbox.answers import HTTP_OK
from ansible.module_utils.tickbox.assertion import Verdict, examine, exit_with
from ansible.module_utils.tickbox.site import HTTPX
from ansible.module_utils.tickbox.visitor import VISITOR_SPEC, Request, Seen, Visitor, refuse_unseen

# Bodies that applications fail to read.
BROKEN = ('{"', "[" * 500, '{"code": "\\ud800"}', "\x00")
JSON = {"Content-Type": "application/json"}
ROUNDS = 5  # how far scripts that load scripts are followed


def look(params: dict[str, Any]) -> Verdict:
    visitor = Visitor(params)
    operations = visitor.operations(params["openapi_path"]) if params["openapi_path"] else []
    asked = routes.of_site(params["routes"], operations)
    plain = bool(params["http_port"]) and visitor.site.scheme == "https"
    errors = routes.of_errors([request.path for request in asked], visitor.site.host, plain)
    broken = [
        Request(each.path, each.method, JSON, body)
        for each in operations
        if each.method in ("POST", "PUT", "PATCH")
        for body in (BROKEN if each.path not in params["limited_paths"] else BROKEN[:1])
    ]
    ordinary = routes.ask_routes(visitor, [*asked, *errors, *broken, Request("/%ff%fe"), Request("/?x=%00'\"<>")])
    ordinary += scripts(visitor, ordinary)
    baseline = visitor.ask(visitor.site.addresses[0], Request(f"/{secrets.token_hex(8)}"))
    folders = {one.request.path.rpartition("/")[0] + "/" for one in ordinary if exposure.is_code(one.answer)} - {"/"}
    hidden = [*exposure.hidden_paths(sorted(folders)), *params["hidden_paths"]]
    known = {*params["served_paths"], *(one.request.path for one in ordinary if exposure.is_code(one.answer))}
    hidden_seen = visitor.ask_all(Request(path) for path in dict.fromkeys(hidden) if path not in known)
    maps = visitor.ask_all(Request(path) for path in dict.fromkeys(exposure.map_paths(ordinary)))
    refuse_unseen([*ordinary, *hidden_seen, *maps])
    secret_values = {name: str(value) for name, value in params["secrets"].items()}
    return exposure.judge_exposure(hidden_seen, baseline, ordinary, maps, secret_values, params["places"])


def scripts(visitor: Visitor, seen: list[Seen]) -> list[Seen]:
    """What the scripts among the answers load in turn."""
    known = {one.request.path for one in seen}
    found: list[Seen] = []
    latest = seen
    for _ in range(ROUNDS):
        names = [
            name
            for one in latest
            if exposure.is_code(one.answer)
            for name in exposure.chunks(one.answer.text, one.request.path.rpartition("/")[0] + "/")
        ]
        asked = visitor.ask_all(Request(path) for path in dict.fromkeys(names) if path not in known)
        latest = [one for one in asked if one.answer.status == HTTP_OK]
        known |= set(names)
        found += latest
        if not latest:
            break
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **VISITOR_SPEC,
            "http_port": {"type": "int", "default": 80},
            "openapi_path": {"type": "str", "default": "/openapi.json"},
            "routes": {"type": "list", "elements": "str", "default": ["/"]},
            "hidden_paths": {"type": "list", "elements": "str", "default": []},
            "served_paths": {"type": "list", "elements": "str", "default": []},
            "limited_paths": {"type": "list", "elements": "str", "default": []},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "places": {"type": "list", "elements": "str", "default": []},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    exit_with(module, [examine("post.security.sensitive_information", lambda: look(module.params))])


if __name__ == "__main__":
    main()

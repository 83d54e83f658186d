#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what a site tells browsers that they may do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_http_policy
short_description: Content security policy, cross-origin requests and security headers, as visitors get them
description:
  - Asks every operation of the OpenAPI document, O(routes), what their pages refer to, and what is answered with an error, at each
    address, as a visitor who is not logged in and no faster than O(pace). Changes nothing.
  - C(pre.security.csp) is ticked when each answer has an enforced policy that allows scripts from named origins alone, and sets
    C(object-src), C(base-uri) and C(frame-ancestors), those of O(statuses) among them that O(limited_paths) and O(error_request)
    can bring about; and in O(browser) no script that is put into a page runs.
  - C(pre.security.cors) is ticked when O(origins) are allowed to read O(cors_path), and to send what needs a preflight, while
    foreign origins, C(null) and such as look alike are allowed nowhere, on whatever route.
  - C(post.security.headers) is ticked when each answer has each of O(headers), and each of O(statuses) was among the answers.
  - Runs on the controller.
extends_documentation_fragment: [look, site, site.visitor]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: [pre.security.csp, pre.security.cors, post.security.headers]
    default: [pre.security.csp, pre.security.cors, post.security.headers]
  http_port:
    description: Port without TLS; 0 where there is none.
    type: int
    default: 80
  executable_path:
    description: >-
      The browser in which scripts are put into pages of the site for C(pre.security.csp), instead of the Chromium that is
      found by its name.
    type: path
  openapi_path:
    description: Where the site serves its OpenAPI document; empty where it has none.
    type: str
    default: /openapi.json
  routes:
    description: Paths to ask besides, with GET.
    type: list
    elements: str
    default: [/]
  origins:
    description: Origins whose pages may use the site.
    type: list
    elements: str
    default: []
  cors_path:
    description: What the allowed origins must be able to read.
    type: str
    default: /
  cors_method:
    description: Method that a preflight from the allowed origins asks for.
    type: str
    default: GET
  headers:
    description: The required headers, each with the regular expression that its whole value must fit, whatever its case.
    type: dict
    default: {}
  statuses:
    description: Statuses that must be among the answers; 500 stands for any error of the server.
    type: list
    elements: int
    default: [200, 304, 404, 429, 500]
  limited_paths:
    description: Paths with a low rate limit, asked until they answer 429.
    type: list
    elements: str
    default: [/]
  error_request:
    description: A request that the application answers with an error of its own, with O(error_request.path).
    type: dict
    suboptions:
      path:
        description: Path below the site's root.
        type: str
        required: true
      method:
        description: Method.
        type: str
        default: GET
      headers:
        description: Headers to send.
        type: dict
      body:
        description: Body; what is not a string is sent as JSON.
        type: raw
requirements: [httpx, playwright and chromium on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: CSP headers are properly configured
  check_http_policy:
    items: [pre.security.csp, pre.security.cors]
    url: https://shop.example.com
    origins: [https://www.example.com]
    cors_path: /api/articles
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox import cors, csp, injection, routes, security_headers
from ansible.module_utils.tickbox.answers import HTTP_OK, TOO_MANY
from ansible.module_utils.tickbox.assertion import PASSED, Verdict, all_of, examine, exit_with
from ansible.module_utils.tickbox.operations import Operation
from ansible.module_utils.tickbox.routes import SERVER_ERROR
from ansible.module_utils.tickbox.site import HTTPX
from ansible.module_utils.tickbox.visitor import VISITOR_SPEC, Request, Seen, Visitor, refuse_unseen

CSP, CORS, HEADERS = "pre.security.csp", "pre.security.cors", "post.security.headers"
NOT_FOUND = 404
# A cookie that no session has: with it a request is one with credentials.
COOKIE = {"Cookie": "session=tickbox-none"}


class Look:
    """What the items need to see, seen once."""

    def __init__(self, params: dict[str, Any], beside: Executor) -> None:
        self.params = params
        self.beside = beside

    @cached_property
    def visitor(self) -> Visitor:
        return Visitor(self.params)

    @cached_property
    def operations(self) -> list[Operation]:
        path: str = self.params["openapi_path"]
        return list(self.visitor.operations(path)) if path else []

    @cached_property
    def asked(self) -> list[Request]:
        asked: list[Request] = routes.of_site(self.params["routes"], self.operations)
        return asked

    @cached_property
    def seen(self) -> list[Seen]:
        plain = bool(self.params["http_port"]) and self.visitor.site.scheme == "https"
        errors = routes.of_errors([request.path for request in self.asked], self.visitor.site.host, plain)
        seen: list[Seen] = routes.ask_routes(self.visitor, [*self.asked, *errors])
        return seen

    @cached_property
    def answers(self) -> list[Seen]:
        """What is seen, an error of the application, and what is refused as one too many."""
        given = self.params["error_request"]
        caused: list[Seen] = []
        if given:
            error = Request(
                given["path"], given["method"].upper(), given["headers"] or {}, given["body"], label="the error request"
            )
            caused = self.visitor.ask_all([error])
            security_headers.refuse_no_error(caused)
        return [*self.seen, *caused, *routes.ask_too_often(self.visitor, self.params["limited_paths"])]

    def csp(self) -> Verdict:
        possible = {
            HTTP_OK: True,
            NOT_FOUND: True,
            TOO_MANY: self.params["limited_paths"],
            SERVER_ERROR: self.params["error_request"],
        }
        by_headers = csp.judge_policies(self.answers, [status for status in self.params["statuses"] if possible.get(status)])
        if by_headers.status != PASSED:
            return by_headers
        return all_of(by_headers, *(injection.judge_injected(found.result()) for found in self.injected))

    @cached_property
    def injected(self) -> list[Future[Any]]:
        """What a page of each address lets run in a browser, which is tried beside whatever else is asked."""
        pages = [one for one in self.seen if one.request.method == "GET" and "html" in one.answer.headers.get("content-type", "")]
        good = [one.request.path for one in pages if one.answer.status == HTTP_OK]
        wrong = [one.request.path for one in pages if one.answer.status == NOT_FOUND and not one.request.plain]
        site = self.visitor.site
        tried = [*good[:1], *wrong[:1]]
        return [
            self.beside.submit(injection.inject, self.params["executable_path"], site.url, address, tried, self.visitor.headers)
            for address in site.addresses
        ]

    def cors(self) -> Verdict:
        allowed, path, method = self.params["origins"], self.params["cors_path"], self.params["cors_method"].upper()
        others = cors.strangers(allowed)
        asked: dict[tuple[str, bool, str, str], Request] = {}

        def simple(where: str, how: str, origin: str, more: dict[str, str], what: str = "") -> None:
            body: Any = None if how in routes.SAFE else {}
            request = Request(where, how, {"Origin": origin, **more}, body, label=f"{how} {where}{what}")
            asked[origin, False, how, request.label] = request

        def preflight(where: str, how: str, origin: str) -> None:
            headers = {"Origin": origin, "Access-Control-Request-Method": how, "Access-Control-Request-Headers": "content-type"}
            asked[origin, True, how, where] = Request(where, "OPTIONS", headers)

        # Every origin where the answers are read; elsewhere a foreign one, null, and such as begin like an allowed one.
        for origin in [*allowed, *others]:
            simple(path, method, origin, {})
            simple(path, method, origin, COOKIE, " with a cookie")
            preflight(path, method, origin)
        alike = [f"{origin}.{cors.ABSENT_HOST}" for origin in allowed] or ["null"]
        for each in self.asked:
            simple(each.path, each.method, cors.FOREIGN, COOKIE)
            preflight(each.path, each.method, alike[0])
        # Of several methods of a path one is asked: who may read is seldom another matter for the next.
        for each in {each.path: each for each in reversed(self.asked) if each.path != path}.values():
            for origin in dict.fromkeys(["null", *alike]):
                simple(each.path, each.method, origin, COOKIE)
            for origin in alike[1:]:
                preflight(each.path, each.method, origin)
        if CSP in self.params["items"]:
            _ = self.injected  # begun before there is anything to wait for
        answers = iter(self.visitor.ask_all(asked.values()))
        tried = [
            cors.Tried(origin, before, how, next(answers))
            for origin, before, how, _where in asked
            for _address in self.visitor.site.addresses
        ]
        refuse_unseen(one.seen for one in tried)
        return cors.judge_cors(tried, allowed)

    def headers(self) -> Verdict:
        required = security_headers.compiled(self.params["headers"])
        return security_headers.judge_headers(self.answers, required, self.params["statuses"])


def main() -> None:
    error_spec = {
        "path": {"type": "str", "required": True},
        "method": {"type": "str", "default": "GET"},
        "headers": {"type": "dict"},
        "body": {"type": "raw"},
    }
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": [CSP, CORS, HEADERS], "default": [CSP, CORS, HEADERS]},
            **VISITOR_SPEC,
            "http_port": {"type": "int", "default": 80},
            "executable_path": {"type": "path"},
            "openapi_path": {"type": "str", "default": "/openapi.json"},
            "routes": {"type": "list", "elements": "str", "default": ["/"]},
            "origins": {"type": "list", "elements": "str", "default": []},
            "cors_path": {"type": "str", "default": "/"},
            "cors_method": {"type": "str", "default": "GET"},
            "headers": {"type": "dict", "default": {}},
            "statuses": {"type": "list", "elements": "int", "default": [200, 304, 404, 429, 500]},
            "limited_paths": {"type": "list", "elements": "str", "default": ["/"]},
            "error_request": {"type": "dict", "options": error_spec},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    with ThreadPoolExecutor(1) as beside:  # one browser at a time
        look = Look(module.params, beside)
        # The others use up limits, for which the requests of the first would have to wait.
        judges = {CORS: look.cors, CSP: look.csp, HEADERS: look.headers}
        assertions = [examine(item, judge) for item, judge in judges.items() if item in module.params["items"]]
    exit_with(module, assertions)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: who may do what."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_authorisation
short_description: Whether strangers, false tokens and other people are refused, and the operators' ports are closed
description:
  - C(post.security.unauthorized) is ticked when every operation of the OpenAPI document that O(public) does not name refuses a
    visitor without a token, with a forged, a changed, an expired and a closed one; when O(administrators) are refused to an
    ordinary user, and what one user owns to another; when O(ports) of O(hosts) take no connection and O(pages) ask for a login.
  - Makes two accounts of its own through the application, as an administrator, and removes them. Where an application has no
    O(accounts), what O(public) does not name must refuse everybody. Operations that must be refused
    are asked with identifiers that no record has and an empty body, so that nothing is changed where one is not.
  - Runs on the controller.
extends_documentation_fragment: [look, site, site.visitor]
options:
  addresses:
    description: Where the site is asked, instead of the addresses of its name. The first is used for what has to be done once.
    type: list
    elements: str
    default: []
  openapi_path:
    description: Where the site serves its OpenAPI document.
    type: str
    default: /openapi.json
  public:
    description: Operations for everybody, as C(METHOD path) with the path as in the document.
    type: list
    elements: str
    required: true
  administrators:
    description: Operations for administrators alone.
    type: list
    elements: str
    default: []
  hidden:
    description: Operations that the web server answers with 404 to everybody outside.
    type: list
    elements: str
    default: []
  accounts:
    description: >-
      How to log in and to make accounts. C(login), C(create), C(remove) and, where there is one, C(logout) are requests (C(method),
      C(path), C(body)) in whose strings C({username}), C({password}) and C({id}) are replaced; C(administrator) is a user name.
      The token is what the login sets as C(cookie), or what its answer has in C(field), to be sent in C(header) after C(prefix).
      Left out, the application has no accounts.
    type: dict
  administrator_password:
    description: Password of the administrator. Needed with O(accounts).
    type: str
  owned:
    description: >-
      What belongs to the user who made it. C(create) is a request whose answer has an C(id), unless it is given here, C(operations)
      name what others must not do with it, each with one parameter for that id, and C(list) is the path that lists one's own, with
      the id in C(field). Each guarded operation with a parameter must stand here, with O(administrators) or O(hidden).
    type: list
    elements: dict
    default: []
  expired_token:
    description: A token that was good once and has expired.
    type: str
    default: ""
  hosts:
    description: Addresses of all hosts.
    type: list
    elements: str
    default: []
  ports:
    description: Ports that take connections from nobody outside.
    type: list
    elements: int
    default: []
  pages:
    description: Addresses of operators' pages, which must ask for a login.
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
- name: Verify unauthorized access is prevented
  check_authorisation:
    url: https://shop.example.com
    public: [GET /, GET /api/articles, POST /api/login]
    administrators: [GET /api/users, POST /api/users]
    accounts:
      cookie: session
      login: {method: POST, path: /api/login, body: {username: "{username}", password: "{password}"}}
      administrator: admin
      create: {method: POST, path: /api/users, body: {username: "{username}", password: "{password}"}}
      remove: {method: DELETE, path: "/api/users/{id}"}
    administrator_password: "{{ vault_admin_password }}"
    owned:
      - {create: {method: POST, path: /api/orders, body: {article: 1}}, operations: ["GET /api/orders/{order}"], list: /api/orders}
    expired_token: "{{ expired_token.stdout }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
assertions:
  description: The one for C(post.security.unauthorized), with item, status (passed, failed or unverifiable), summary, expected,
    observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox import authorisation
from ansible.module_utils.tickbox.answers import Answer
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with, listed
from ansible.module_utils.tickbox.authorisation import ABSENT, REFUSED, SUCCESS, Attempt, Rules
from ansible.module_utils.tickbox.operations import Operation
from ansible.module_utils.tickbox.people import People, Person
from ansible.module_utils.tickbox.routes import of_operations
from ansible.module_utils.tickbox.site import HTTPX, Site
from ansible.module_utils.tickbox.visitor import VISITOR_SPEC, Request, Visitor, refuse_unseen

KNOCKS = 64  # ports asked at once; each closed one may take the whole time-out


def look(params: dict[str, Any]) -> Verdict:
    visitor = Visitor(params)
    of_users = [name for owned in params["owned"] for name in owned["operations"]]
    rules = Rules(params["public"], params["administrators"], params["hidden"], of_users)
    operations = visitor.operations(params["openapi_path"])
    others = [f"the OpenAPI document has no {name}" for name in rules.unknown(operations)]
    others += [f"{name}: whose the record is stands nowhere (owned)" for name in rules.unowned(operations)]
    if params["accounts"]:
        attempts, wrong = of_people(params, visitor, rules, operations)
    elif of_nobody := [*params["administrators"], *of_users]:
        raise CouldNotLook(f"no accounts are given, and {listed(of_nobody)} are said to be for some of them")
    else:
        attempts, wrong = refused(visitor, rules.guarded(operations), "no token", {}, rules), []
    where = list(product(params["hosts"], params["ports"]))
    with ThreadPoolExecutor(KNOCKS) as pool:
        knocked = list(pool.map(lambda place: authorisation.knock(*place), where))
    ports = {f"{address} port {port}": result for (address, port), result in zip(where, knocked, strict=True)}
    pages = {url: ask_page(url, params["ca_path"]) for url in params["pages"]}
    return authorisation.judge_authorisation(attempts, others + wrong, ports, pages)


def of_people(
    params: dict[str, Any], visitor: Visitor, rules: Rules, operations: list[Operation]
) -> tuple[list[Attempt], list[str]]:
    """Ask with the tokens of two users and with such as are none, and say what else is wrong."""
    if not params["expired_token"]:
        raise CouldNotLook("no expired token is given, so whether one is refused was not seen")
    known = {each.name for each in operations}
    others: list[str] = []
    people = People(visitor, params["accounts"], params["administrator_password"])
    try:
        one, other = people.newcomer(), people.newcomer()
        authorisation.refuse_other_form(params["expired_token"], one.token)
        tokens = {"no token": None, **authorisation.false_tokens(one.token), "an expired token": params["expired_token"]}
        if "logout" in params["accounts"]:
            tokens["a closed token"] = people.closed_token()
        attempts = []
        guarded = rules.guarded(operations)
        for by, token in tokens.items():
            attempts += refused(visitor, guarded, by, people.credentials(token), rules)
        closed_to_users = [each for each in guarded if each.name in rules.administrators]
        attempts += refused(visitor, closed_to_users, "an ordinary user's token", people.credentials(one.token), rules)
        # What an earlier version does not have; one that has another name is among the unowned.
        for owned in (each for each in params["owned"] if known.intersection(each["operations"])):
            more, wrong = of_others(visitor, owned, (one, other), people)
            attempts, others = attempts + more, others + wrong
        if not params["owned"] and one.token == other.token:
            others.append("two users have the same token")
    finally:
        others += people.leave()
    return attempts, others


def refused(visitor: Visitor, operations: list[Any], by: str, credentials: dict[str, str], rules: Rules) -> list[Attempt]:
    """Ask each operation with these credentials; all must be refused."""
    requests = [
        Request(request.path, request.method, credentials, request.body, label=request.label)
        for request in of_operations(operations)
    ]
    seen = visitor.ask_all(requests)
    refuse_unseen(seen)
    return [
        Attempt(each.request.label, by, each.answer, frozenset(ABSENT if each.request.label in rules.hidden else REFUSED))
        for each in seen
    ]


def of_others(
    visitor: Visitor, owned: dict[str, Any], persons: tuple[Person, Person], people: People
) -> tuple[list[Attempt], list[str]]:
    """Let one user make a thing, and the other try to get at it. Its owner must have it before and after."""
    one, other = persons
    made = people.request(owned["create"], one)
    identifier = str(owned.get("id") or people.identifier(made))
    address = visitor.site.addresses[0]
    attempts, wrong = [], []
    reads = ""
    for name in owned["operations"]:
        method, _, template = name.partition(" ")
        path = re.sub(r"\{[^{}]*\}", identifier, template)
        answer = visitor.ask(address, Request(path, method, people.credentials(other.token), None if method == "GET" else {}))
        attempts.append(Attempt(name, "another user's token", answer, frozenset(REFUSED | ABSENT)))
        reads = path if method == "GET" else reads
    for path, kept in ((reads, True), (owned.get("list", ""), True), (owned.get("list", ""), False)):
        if path:
            answer = visitor.ask(address, Request(path, headers=people.credentials((one if kept else other).token)))
            found = answer.status in SUCCESS and people.names(answer, identifier, owned.get("field", "id"))
            if kept and not found:
                wrong.append(f"{path}: its owner does not find there what was just made ({answer.outcome})")
            elif found and not kept:
                wrong.append(f"{path} shows one user what belongs to another")
    return attempts, wrong


def ask_page(url: str, ca_path: str | None) -> Answer:
    """What an operators' page answers to somebody without a login; nothing at all is no open page either."""
    site = Site(url, (), ca_path)
    path = url.split("://", 1)[1].partition("/")[2]
    wrong = {"Authorization": "Basic " + secrets.token_hex(8)}
    answers: list[Answer] = [site.ask(site.addresses[0], f"/{path}", headers=headers) for headers in ({}, wrong)]
    return max(answers, key=lambda answer: answer.status not in REFUSED | {0})


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **VISITOR_SPEC,
            "openapi_path": {"type": "str", "default": "/openapi.json"},
            "public": {"type": "list", "elements": "str", "required": True},
            "administrators": {"type": "list", "elements": "str", "default": []},
            "hidden": {"type": "list", "elements": "str", "default": []},
            "accounts": {"type": "dict"},
            "administrator_password": {"type": "str", "no_log": True},
            "owned": {"type": "list", "elements": "dict", "default": []},
            "expired_token": {"type": "str", "default": "", "no_log": True},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "ports": {"type": "list", "elements": "int", "default": []},
            "pages": {"type": "list", "elements": "str", "default": []},
            "report_only": {"type": "bool", "default": False},
        },
        required_by={"accounts": ["administrator_password"]},
        supports_check_mode=True,
    )
    if not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    exit_with(module, [examine("post.security.unauthorized", lambda: look(module.params))])


if __name__ == "__main__":
    main()

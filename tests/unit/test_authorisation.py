"""Who may do what, against a real application with accounts and sessions."""

import json
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.authorisation import false_tokens, filled, knock
from web import Reply, serving

PUBLIC = ["GET /", "POST /login"]
ADMINISTRATORS = ["POST /users", "DELETE /users/{user}", "GET /users"]
METHODS = {"/": ["get"], "/login": ["post"], "/logout": ["post"], "/users": ["get", "post"], "/users/{user}": ["delete"]}
METHODS |= {"/orders": ["get", "post"], "/orders/{order}": ["get", "delete"], "/metrics": ["get"]}
DOCUMENT = json.dumps({"paths": {path: {method: {} for method in methods} for path, methods in METHODS.items()}})
EXPIRED = "e" * 32
ACCOUNTS = {
    "cookie": "sid",
    "login": {"method": "POST", "path": "/login", "body": {"username": "{username}", "password": "{password}"}},
    "logout": {"method": "POST", "path": "/logout"},
    "administrator": "admin",
    "create": {"method": "POST", "path": "/users", "body": {"username": "{username}"}},
    "remove": {"method": "DELETE", "path": "/users/{id}"},
}
OWNED = [
    {
        "create": {"method": "POST", "path": "/orders", "body": {}},
        "operations": ["GET /orders/{order}", "DELETE /orders/{order}"],
        "list": "/orders",
    }
]
Run = Callable[..., dict[str, Any]]


class Shop:
    """Sessions are given in turn: to the administrator, then to each new user; a closed one is forgotten."""

    def __init__(self, guards: Mapping[str, Any] | None = None) -> None:
        self.guards = dict(guards or {})
        self.sessions: dict[str, int] = {}
        self.users: list[int] = []
        self.logins = 0
        self.orders: dict[int, int] = {}

    def __call__(self, method: str, path: str, headers: Mapping[str, str]) -> Reply:
        status, more, content = self.answer(method, path, headers)
        return status, {"Content-Type": "application/json", **more}, json.dumps(content)

    def answer(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], Any]:  # noqa: PLR0911
        name = re.sub(r"/\w[\w-]*$", "", path) if path.count("/") > 1 else path
        operation = f"{method} {name}" + ("/{}" if path.count("/") > 1 else "")
        if operation == "GET /openapi.json":
            return 200, {}, json.loads(DOCUMENT)
        if operation == "GET /metrics":
            return self.guards.get("metrics", 404), {}, {}
        if operation == "POST /login":
            user = (0, 1, 2, 2)[self.logins] if self.logins < 4 else 0
            self.logins += 1
            token = f"{self.logins:032d}"
            self.sessions[token] = user
            return 200, {"Set-Cookie": f"sid={token}; HttpOnly; Path=/"}, {}
        if operation == "GET /":
            return 200, {}, {}
        token = headers.get("Cookie", "").removeprefix("sid=")
        user = self.sessions.get(token, self.guards.get("session", lambda _: None)(token))
        if operation in self.guards.get("open", ()):
            return 200, {}, {}
        if user is None:
            return 401, {}, {}
        if operation == "POST /logout":
            if not self.guards.get("keeps"):
                self.sessions.pop(token, None)
            return 204, {}, {}
        if "/users" in operation:
            if user != 0 and operation not in self.guards.get("users", ()):
                return 403, {}, {}
            if method == "POST":
                self.users.append(len(self.users) + 1)
                return 201, {}, {"id": self.users[-1]}
            return self.guards.get("remove", 204), {}, {}
        return self.order(method, path, user)

    def order(self, method: str, path: str, user: int) -> tuple[int, dict[str, str], Any]:
        if path == "/orders" and method == "POST":
            self.orders[7] = user
            return 201, {}, {"id": 7}
        mine = [{"id": order} for order, owner in self.orders.items() if owner == user or self.guards.get("shows")]
        if path == "/orders":
            return 200, {}, mine
        order = int(path.rpartition("/")[2]) if path.rpartition("/")[2].isdigit() else -1
        if self.orders.get(order) != user and not (order in self.orders and self.guards.get("others")):
            return 404, {}, {}
        if method == "DELETE" or self.guards.get("deletes"):
            self.orders.pop(order)
        return 200, {}, {"id": order}


def check(run_module: Run, shop: Shop, **arguments: Any) -> dict[str, Any]:
    with serving(shop) as port:
        result = run_module(
            "check_authorisation",
            **{
                "url": f"http://shop.example.com:{port}",
                "addresses": ["127.0.0.1"],
                "pace": 1000,
                "public": PUBLIC,
                "administrators": ADMINISTRATORS,
                "hidden": ["GET /metrics"],
                "accounts": ACCOUNTS,
                "administrator_password": "correct-horse-battery",
                "owned": OWNED,
                "expired_token": EXPIRED,
                "hosts": ["127.0.0.1"],
                "ports": [1],
                "report_only": True,
                **arguments,
            },
        )
    assertion: dict[str, Any] = result["assertions"][0]
    assert "correct-horse" not in str(assertion)
    return assertion


def test_an_application_that_refuses(run_module: Run) -> None:
    shop = Shop()
    seen = check(run_module, shop)
    assert seen["status"] == "passed", seen["summary"]
    assert len(shop.users) == 2


@pytest.mark.parametrize(
    ("guards", "says"),
    [
        ({"open": ["GET /orders"]}, "not refused: GET /orders (status 200)"),
        ({"open": ["DELETE /users/{}"]}, "not refused: DELETE /users/{user} (status 200)"),
        ({"users": ["GET /users"]}, "not refused: GET /users (status 204) with an ordinary user's token"),
        ({"session": lambda token: 1 if token == EXPIRED else None}, "with an expired token"),
        ({"session": lambda token: 1 if len(token) == 31 else None}, "with a token cut short"),
        ({"session": lambda token: 1 if len(token) == 32 else None}, "a forged token"),
        ({"session": lambda token: 1 if not token else None}, "an empty token"),
        ({"keeps": True}, "with a closed token"),
        ({"others": True}, "not refused: DELETE /orders/{order} (status 200) with another user's token"),
        ({"shows": True}, "/orders shows one user what belongs to another"),
        ({"metrics": 200}, "not refused: GET /metrics"),
        ({"remove": 500}, "could not be removed (status 500)"),
    ],
)
def test_an_application_that_does_not_is_refused(run_module: Run, guards: dict[str, Any], says: str) -> None:
    seen = check(run_module, Shop(guards))
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


# An application that has no accounts: what is not for everybody is for nobody.
NOBODY: dict[str, Any] = {"accounts": None, "administrator_password": None, "administrators": [], "owned": [], "expired_token": ""}
OPEN = [f"{method.upper()} {path}" for path, methods in METHODS.items() for method in methods if path != "/metrics"]


def test_without_accounts_only_what_is_hidden_is_asked(run_module: Run) -> None:
    shop = Shop()
    seen = check(run_module, shop, **NOBODY, public=OPEN)
    assert seen["status"] == "passed", seen["summary"]
    assert seen["observed"]["attempts"] == 1
    assert shop.users == []


@pytest.mark.parametrize(
    ("guards", "public", "says"),
    [
        ({"metrics": 200}, OPEN, "not refused: GET /metrics (status 200) with no token"),
        ({"open": ["GET /orders"]}, [one for one in OPEN if one != "GET /orders"], "not refused: GET /orders (status 200)"),
        ({}, [one for one in OPEN if one != "DELETE /orders/{order}"], "DELETE /orders/{order}: whose the record is"),
    ],
)
def test_without_accounts_what_is_not_for_everybody_is_refused(
    run_module: Run, guards: dict[str, Any], public: list[str], says: str
) -> None:
    seen = check(run_module, Shop(guards), **NOBODY, public=public)
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


def test_without_accounts_nothing_can_be_for_some_of_them(run_module: Run) -> None:
    seen = check(run_module, Shop(), **{**NOBODY, "owned": OWNED}, public=OPEN)
    assert (seen["status"], "no accounts are given" in seen["summary"]) == ("unverifiable", True), seen["summary"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"public": [*PUBLIC, "GET /gone"]}, "the OpenAPI document has no GET /gone"),
        ({"administrators": ["GET /renamed"]}, "the OpenAPI document has no GET /renamed"),
        ({"owned": []}, "DELETE /orders/{order}: whose the record is stands nowhere"),
        ({"owned": [{**OWNED[0], "operations": ["DELETE /orders/{order}"]}]}, "GET /orders/{order}: whose the record is"),
        ({"administrators": ADMINISTRATORS[:1]}, "DELETE /users/{user}: whose the record is"),
    ],
)
def test_an_operation_that_is_not_there_is_refused(run_module: Run, arguments: dict[str, Any], says: str) -> None:
    seen = check(run_module, Shop(), **arguments)
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


def test_what_is_known_by_another_name_than_its_id(run_module: Run) -> None:
    named = [{**OWNED[0], "id": "7", "field": "id"}, {"create": {"path": "/later"}, "operations": ["DELETE /later/{one}"]}]
    assert check(run_module, Shop(), owned=named)["status"] == "passed"
    assert check(run_module, Shop({"others": True}), owned=named)["status"] == "failed"
    assert "its owner does not find there" in check(run_module, Shop(), owned=[{**named[0], "field": "name"}])["summary"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"expired_token": ""}, "no expired token is given"),
        ({"expired_token": "ModuleNotFoundError: No module named 'shop'"}, "does not have the form"),
        ({"expired_token": "short"}, "does not have the form"),
        ({"openapi_path": "/none"}, "the OpenAPI document /none"),
        ({"hosts": []}, "no port was tried"),
        ({"ports": []}, "no port was tried"),
        ({"accounts": {"cookie": "sid"}}, "accounts: login, create, remove is not given"),
        ({"accounts": {**ACCOUNTS, "cookie": ""}}, "cookie or field is not given"),
        ({"accounts": {**ACCOUNTS, "cookie": "other"}}, "has no token"),
        ({"accounts": {**ACCOUNTS, "login": {"path": "/users", "method": "POST"}}}, "the login of admin was refused"),
        ({"owned": [{**OWNED[0], "create": {"path": "/nothing"}}]}, "GET /nothing as tickbox-"),
    ],
)
def test_what_cannot_be_seen_is_unverifiable(run_module: Run, arguments: dict[str, Any], says: str) -> None:
    seen = check(run_module, Shop(), **arguments)
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True), seen["summary"]


def test_ports_and_pages(run_module: Run) -> None:
    with ExitStack() as servers:
        port = servers.enter_context(serving(lambda *_: (200, {}, "figures")))
        closed = servers.enter_context(serving(lambda *_: (401, {}, "who?")))
        seen = check(run_module, Shop(), hosts=["127.0.0.1"], ports=[port])
        assert (seen["status"], f"open to visitors: 127.0.0.1 port {port}" in seen["summary"]) == ("failed", True)
        seen = check(run_module, Shop(), pages=[f"http://127.0.0.1:{port}/"])
        assert (seen["status"], "is open without a login (status 200)" in seen["summary"]) == ("failed", True)
        assert check(run_module, Shop(), pages=[f"http://127.0.0.1:{closed}/"])["status"] == "passed"
    assert check(run_module, Shop(), hosts=["127.0.0.1"], ports=[port])["status"] == "passed"


def test_knocking() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert knock("127.0.0.1", server.getsockname()[1]) == "open"
    assert knock("shop.invalid", 9) not in ("open", "closed")


def test_false_tokens() -> None:
    tokens = false_tokens("eyJh.eyJz.c2ln-more")
    assert tokens["a token without a signature"].endswith(".eyJz.")
    assert "eyJh.eyJz.c2ln-more" not in tokens.values()
    with pytest.raises(CouldNotLook, match="at least 8"):
        false_tokens("short")


def test_templates_are_filled() -> None:
    assert filled({"a": ["{id}", 1], "b": "/{id}/{other}"}, {"id": "7"}) == {"a": ["7", 1], "b": "/7/{other}"}

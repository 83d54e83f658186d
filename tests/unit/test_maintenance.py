"""Maintenance mode against a real server: what counts as closed, and what as open."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from web import Reply, Respond, serving

TOKEN = "correct-horse-battery"  # noqa: S105
PAGE = "Back in a few minutes"
CLOSED = (503, {"Retry-After": "120", "Cache-Control": "no-store"}, f"<h1>{PAGE}</h1>")
ROUTES = [
    {"path": "/"},
    {"path": "/api/orders"},
    {"path": "/api/orders", "method": "POST", "body": {}, "status": 201, "name": "order", "contains": "x", "json": {}},
    {"path": "/gone", "status": 404},
]
Run = Callable[..., dict[str, Any]]


def application(method: str, path: str, headers: Mapping[str, str]) -> Reply:
    statuses = {("GET", "/"): 200, ("GET", "/api/orders"): 200, ("POST", "/api/orders"): 201}
    return statuses.get((method, path), 404), {}, "the shop"


def closed(method: str, path: str, headers: Mapping[str, str]) -> Reply:
    return application(method, path, headers) if headers.get("X-Maintenance-Bypass") == TOKEN else CLOSED


def check(run_module: Run, respond: Respond, item: str = "deploy.maintenance.enable", **arguments: Any) -> dict[str, Any]:
    with serving(respond) as port:
        result = run_module(
            "check_maintenance",
            **{
                "item": item,
                "url": f"http://shop.example.com:{port}",
                "addresses": ["127.0.0.1"],
                "routes": ROUTES,
                "page": PAGE,
                "bypass_token": TOKEN,
                "report_only": True,
                **arguments,
            },
        )
    assertion: dict[str, Any] = result["assertions"][0]
    assert assertion["item"] == item
    assert TOKEN not in str(result)
    return assertion


@pytest.mark.parametrize("item", ["deploy.maintenance.enable", "rollback.initiate.maintenance"])
def test_a_closed_site(run_module: Run, item: str) -> None:
    seen = check(run_module, closed, item)
    assert (seen["status"], seen["summary"]) == ("passed", "15 requests met the page with 503; 1 with the bypass got through")


def but(hole: Callable[[str, str, str | None], bool], reply: Reply | None = None) -> Respond:
    """A closed site with a hole: what is asked there gets ``reply``, or the application's answer."""

    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        if hole(method, path, headers.get("X-Maintenance-Bypass")):
            return reply or application(method, path, headers)
        return closed(method, path, headers)

    return respond


def always(method: str, path: str, token: str | None) -> bool:
    return token != TOKEN


@pytest.mark.parametrize(
    ("respond", "says"),
    [
        (application, "status 200, not 503"),
        (but(lambda method, path, token: path.startswith("/api")), "GET /api/orders at 127.0.0.1"),
        (but(lambda method, path, token: method == "POST"), "POST /api/orders at 127.0.0.1"),
        (but(lambda method, path, token: len(path) == 17), "status 404, not 503"),
        (but(always, (200, CLOSED[1], PAGE)), "status 200, not 503"),
        (but(always, (500, CLOSED[1], PAGE)), "status 500, not 503"),
        (but(always, (503, {"Cache-Control": "no-store"}, PAGE)), "no usable Retry-After"),
        (but(always, (503, {"Cache-Control": "no-store", "Retry-After": "soon"}, PAGE)), "no usable Retry-After"),
        (but(always, (503, {"Retry-After": "9"}, PAGE)), "may be stored by a cache"),
        (but(always, (503, CLOSED[1], "Service Unavailable")), "not the maintenance page"),
        (but(lambda method, path, token: token == ""), "with an empty token"),
        (but(lambda method, path, token: bool(token)), "with a wrong token"),
        (but(lambda method, path, token: token != TOKEN and TOKEN.startswith(token or "-")), "the token cut short"),
        (but(lambda method, path, token: token != TOKEN and (token or "").startswith(TOKEN)), "the token and more"),
        (but(lambda method, path, token: token == TOKEN, CLOSED), "with the token: status 503, not 200"),
        (but(lambda method, path, token: token == TOKEN, (200, {}, PAGE)), "with the token: the maintenance page"),
    ],
)
def test_a_site_that_is_not_closed_is_refused(run_module: Run, respond: Respond, says: str) -> None:
    seen = check(run_module, respond)
    assert seen["status"] == "failed"
    assert says in seen["summary"]


def test_each_operation_is_asked(run_module: Run) -> None:
    operations = ["GET /api/orders/{id}", "DELETE /api/orders/{id}", "POST /api/login"]
    assert check(run_module, closed, operations=operations)["summary"].startswith("18 requests met the page")
    assert check(run_module, application, "deploy.go_live.disable_maintenance", operations=operations)["status"] == "passed"
    hole = but(lambda method, path, token: method == "DELETE")
    assert "DELETE /api/orders/tickbox-none" in check(run_module, hole, operations=operations)["summary"]

    def half(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        return CLOSED if path == "/api/login" else application(method, path, headers)

    left = check(run_module, half, "deploy.go_live.disable_maintenance", operations=operations)
    assert (left["status"], "POST /api/login" in left["summary"]) == ("failed", True)
    seen = check(run_module, closed, operations=["/api/orders"])
    assert (seen["status"], seen["summary"]) == ("unverifiable", "operations: '/api/orders' is no method and path")


def test_a_site_without_a_release_behind_it(run_module: Run) -> None:
    respond = but(lambda method, path, token: token == TOKEN, (502, {}, "Bad Gateway"))
    assert check(run_module, respond)["status"] == "failed"
    assert check(run_module, respond, bypass_status=[200, 502])["status"] == "passed"


@pytest.mark.parametrize("item", ["deploy.go_live.disable_maintenance", "rollback.close.maintenance"])
def test_an_open_site(run_module: Run, item: str) -> None:
    seen = check(run_module, application, item)
    assert (seen["status"], seen["summary"]) == ("passed", "6 requests got their normal answers")
    assert check(run_module, closed, item)["status"] == "failed"
    assert check(run_module, application, item, operator_maintenance=True)["status"] == "failed"
    left = check(run_module, closed, item, operator_maintenance=True)
    assert left["status"] == "passed"
    assert "as the operator had it" in left["summary"]


@pytest.mark.parametrize(
    ("hole", "reply", "says"),
    [
        (lambda path: path == "/api/orders", CLOSED, "/api/orders at 127.0.0.1: the maintenance page (status 503)"),
        (lambda path: path == "/", (200, {}, PAGE), "GET / at 127.0.0.1: the maintenance page (status 200)"),
        (lambda path: path == "/", (502, {}, ""), "status 502, not 200"),
        (lambda path: path == "/gone", (200, {}, ""), "status 200, not 404"),
        (lambda path: len(path) == 17, (503, {}, ""), "status 503, not below 500"),
    ],
)
def test_a_site_that_is_not_open_is_refused(run_module: Run, hole: Callable[[str], bool], reply: Reply, says: str) -> None:
    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        return reply if hole(path) else application(method, path, headers)

    seen = check(run_module, respond, "deploy.go_live.disable_maintenance")
    assert seen["status"] == "failed"
    assert says in seen["summary"]


def test_no_answer_is_never_closed(run_module: Run) -> None:
    seen = check(run_module, closed, url="http://shop.example.com:9")
    assert seen["status"] == "failed"
    assert "no answer" in seen["summary"]
    assert check(run_module, closed, "deploy.go_live.disable_maintenance", url="http://shop.example.com:9")["status"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"url": "shop"}, "no address of a site"),
        ({"url": "http://[::1"}, "no address of a site"),
        ({"addresses": [], "url": "http://shop.invalid"}, "has no address"),
        ({"ca_path": "/absent.pem"}, "ca_path: /absent.pem cannot be used"),
        ({"ca_path": __file__}, "cannot be used"),
        ({"page": " "}, "no text is named by which the maintenance page is known"),
    ],
)
def test_what_cannot_be_asked_is_unverifiable(run_module: Run, arguments: dict[str, Any], says: str) -> None:
    seen = check(run_module, closed, **arguments)
    assert seen["status"] == "unverifiable"
    assert says in seen["summary"]
    assert "\n" not in seen["summary"]


def test_a_guessable_token_is_unverifiable(run_module: Run) -> None:
    given = {"item": "rollback.close.maintenance", "url": "http://x", "routes": [], "page": "x", "bypass_token": "shorter"}
    assert "at least 8" in run_module("check_maintenance", **given)["msg"]


def test_no_route_still_asks_an_unknown_one(run_module: Run) -> None:
    assert check(run_module, closed, routes=[])["status"] == "passed"


@pytest.mark.parametrize(("refusals", "status"), [(1, "passed"), (10**6, "failed")])
def test_one_request_too_many_is_sent_again(run_module: Run, refusals: int, status: str) -> None:
    left = {"/": refusals}

    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        if left.get(path, 0) > 0:
            left[path] -= 1
            return 429, {}, "slow down"
        return closed(method, path, headers)

    assert check(run_module, respond)["status"] == status

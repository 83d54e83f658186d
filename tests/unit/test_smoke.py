"""Smoke tests: answers right, fresh, and logged."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from web import Reply, serving

TOKEN = "correct-horse-battery"  # noqa: S105
REQUESTS = [
    {"name": "front page", "path": "/", "contains": "the shop"},
    {"path": "/api/orders", "method": "post", "body": {"article": 1}, "status": 201, "json": {"state": "open"}},
    {"name": "unknown", "path": "/gone", "status": 404},
]
Run = Callable[..., dict[str, Any]]


def application(method: str, path: str, headers: Mapping[str, str]) -> Reply:
    echo = {"X-Request-ID": headers["X-Request-ID"]}
    if headers.get("X-Maintenance-Bypass") != TOKEN:
        return 503, echo, "closed"
    replies = {("GET", "/"): (200, "this is the shop"), ("POST", "/api/orders"): (201, '{"state": "open", "id": 7}')}
    status, body = replies.get((method, path), (404, "none"))
    return status, echo, body


def changed(change: Callable[[int, dict[str, str], str], Reply]) -> Callable[[str, str, Mapping[str, str]], Reply]:
    return lambda method, path, headers: change(*application(method, path, headers))


def check(run_module: Run, respond: Any, log: Callable[[list[str]], list[str]] = list, **given: Any) -> dict[str, Any]:
    with serving(respond) as port:
        arguments = {
            "url": f"http://shop.example.com:{port}",
            "addresses": ["127.0.0.1"],
            "requests": REQUESTS,
            "bypass_token": TOKEN,
        }
        sent = run_module("smoke_requests", **{**arguments, **given})
    assert len(set(sent["request_ids"])) == len(sent["answers"])
    result = run_module("check_smoke", answers=sent["answers"], logged=log(sent["request_ids"]), report_only=True)
    assertion: dict[str, Any] = result["assertions"][0]
    return assertion


def test_right_answers_pass(run_module: Run) -> None:
    seen = check(run_module, application)
    assert seen["status"] == "passed", seen["summary"]
    assert seen["observed"] == {"right": 3, "logged": 3}


@pytest.mark.parametrize(
    ("respond", "says"),
    [
        (changed(lambda status, headers, body: (200, headers, body)), "POST /api/orders: status 200, not 201"),
        (
            changed(lambda status, headers, body: (status, headers, "Sorry, an error")),
            "front page: the body does not hold 'the shop'",
        ),
        (changed(lambda status, headers, body: (status, headers, body.replace("open", "lost"))), 'body.state is "lost"'),
        (changed(lambda status, headers, body: (status, headers, body.replace("state", "s"))), "body.state is missing"),
        (changed(lambda status, headers, body: (status, headers | {"Age": "5"}, body)), "from a cache (Age: 5)"),
        (changed(lambda status, headers, body: (status, headers | {"X-Cache": "HIT from edge"}, body)), "from a cache (x-cache"),
        (changed(lambda status, headers, body: (status, {}, body)), "the answer has no X-Request-ID"),
        (changed(lambda status, headers, body: (status, {"X-Request-ID": "old"}, body)), "X-Request-ID came back as 'old'"),
        (changed(lambda status, headers, body: (500, headers, "")), "front page: status 500, not 200"),
    ],
)
def test_wrong_answers_are_refused(run_module: Run, respond: Any, says: str) -> None:
    seen = check(run_module, respond)
    assert seen["status"] == "failed"
    assert says in seen["summary"]


def test_an_id_that_came_back_twice_is_the_same_id(run_module: Run) -> None:
    def twice(status: int, headers: dict[str, str], body: str) -> Reply:
        return status, {"X-Request-ID": headers["X-Request-ID"], "x-request-id": headers["X-Request-ID"]}, body

    assert check(run_module, changed(twice))["status"] == "passed"


def test_requests_that_are_not_logged_are_refused(run_module: Run) -> None:
    seen = check(run_module, application, log=lambda ids: ids[:2])
    assert (seen["status"], "unknown" in seen["summary"]) == ("failed", True)
    assert "3 of 3 requests are not" in check(run_module, application, log=lambda ids: [])["summary"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"requests": []}, "no smoke request was sent"),
        ({"requests": [{"path": "/"}]}, "it asks nothing of the body"),
        ({"bypass_token": None}, "status 503, not 200"),
        ({"url": "http://shop.example.com:9"}, "no answer"),
        ({"requests": [{"path": "/", "contains": "shop", "headers": {"X-Odd": 7}}]}, "no answer"),
    ],
)
def test_what_else_is_refused(run_module: Run, given: dict[str, Any], says: str) -> None:
    seen = check(run_module, application, **given)
    assert seen["status"] == "failed"
    assert says in seen["summary"]


def test_an_answer_without_content_has_no_body_to_ask_of(run_module: Run) -> None:
    seen = check(run_module, changed(lambda status, headers, body: (204, headers, "")), requests=[{"path": "/", "status": 204}])
    assert seen["status"] == "passed", seen["summary"]


def test_requests_in_order_wait_for_each_other(run_module: Run) -> None:
    items: list[str] = []

    def keep(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        echo = {"X-Request-ID": headers["X-Request-ID"]}
        if method == "DELETE":
            return 204 if items else 404, echo, ""
        time.sleep(0.2)
        items.append(path)
        return 201, echo, "added"

    added = {"method": "POST", "path": "/items", "status": 201, "contains": "added"}
    asked = [added, {"method": "DELETE", "path": "/items", "status": 204}]
    assert check(run_module, keep, requests=asked, in_order=True)["status"] == "passed"


def test_each_address_is_asked(run_module: Run) -> None:
    seen = check(run_module, application, addresses=["127.0.0.1", "127.0.0.9"])
    assert seen["status"] == "failed"
    assert "front page at 127.0.0.9: no answer" in seen["summary"]


def test_a_site_that_is_none_fails_in_one_line(run_module: Run) -> None:
    result = run_module("smoke_requests", url="shop", requests=[])
    assert result["msg"] == "url: 'shop' is no address of a site"

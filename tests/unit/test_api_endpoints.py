"""The operations of an API against their OpenAPI document, asked of a real server."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible.module_utils.tickbox.answers import Answer
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.exchange import Exchange, fill
from ansible.module_utils.tickbox.openapi import Api
from web import Reply, serving

TOKEN = "correct-horse-battery"  # noqa: S105
SECRET = "a-long-password"  # noqa: S105
Run = Callable[..., dict[str, Any]]
ORDER = {
    "type": "object",
    "required": ["id", "state"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "integer"},
        "state": {"type": "string", "enum": ["open", "done"]},
        "made": {"type": "string", "format": "date-time"},
    },
}


def json_of(schema: Any) -> dict[str, Any]:
    return {"description": "Well", "content": {"application/json": {"schema": schema}}}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "components": {"schemas": {"Order": ORDER}},
    "paths": {
        "/": {"get": {"responses": {"200": {"description": "Page", "content": {"text/html": {}}}}}},
        "/login": {"post": {"responses": {"204": {"description": "In"}}}},
        "/orders": {"post": {"responses": {"201": json_of({"$ref": "#/components/schemas/Order"})}}},
        "/orders/{id}": {
            "get": {"responses": {"2XX": json_of({"$ref": "#/components/schemas/Order"})}},
            "delete": {"responses": {"204": {"description": "Gone"}}},
        },
        "/metrics": {"get": {"responses": {"200": {"description": "Figures", "content": {"text/plain": {}}}}}},
    },
}
INTERFACE = json.dumps({"openapi": DOCUMENT, "routes": []})
REQUESTS: list[dict[str, Any]] = [
    {"operation": "GET /"},
    {"operation": "GET /metrics", "inside": True},
    {"operation": "POST /login", "body": {"password": "{secret}"}, "status": 204, "session": True},
    {"operation": "POST /orders", "body": {"article": 1}, "status": 201, "keep": {"id": "id"}},
    {"operation": "GET /orders/{id}"},
    {"operation": "DELETE /orders/{id}", "status": 204},
    {"operation": "GET /later"},
]
INSIDE = [{"operation": "GET /metrics", "status": 200, "type": "text/plain; version=1", "body": "orders 1"}]


def application(method: str, path: str, headers: Mapping[str, str]) -> Reply:
    if headers.get("X-Maintenance-Bypass") != TOKEN:
        return 503, {}, "closed"
    kind = {"Content-Type": "application/json; charset=utf-8"}
    order = json.dumps({"id": 7, "state": "open", "made": "2026-01-02T03:04:05Z"})
    if path.startswith("/orders") and headers.get("Cookie") != "session=abc":
        return 401, kind, "{}"
    replies: dict[tuple[str, str], Reply] = {
        ("GET", "/openapi.json"): (200, kind, json.dumps(DOCUMENT)),
        ("GET", "/"): (200, {"Content-Type": "text/html"}, "<p>"),
        ("POST", "/login"): (204, {"Set-Cookie": "session=abc; HttpOnly; Path=/"}, ""),
        ("POST", "/orders"): (201, kind, order),
        ("GET", "/orders/7"): (200, kind, order),
        ("DELETE", "/orders/7"): (204, {}, ""),
    }
    return replies.get((method, path), (404, kind, "{}"))


def but(method: str, path: str, change: Callable[[int, dict[str, str], str], Reply]) -> Any:
    def respond(asked: str, at: str, headers: Mapping[str, str]) -> Reply:
        reply = application(asked, at, headers)
        return change(*reply) if (asked, at) == (method, path) else reply

    return respond


def check(run_module: Run, respond: Any = application, **given: Any) -> dict[str, Any]:
    with serving(respond) as port:
        arguments = {
            "url": f"http://shop.example.com:{port}",
            "addresses": ["127.0.0.1"],
            "interface": INTERFACE,
            "requests": REQUESTS,
            "secrets": {"secret": SECRET},
            "answers": INSIDE,
            "bypass_token": TOKEN,
            "report_only": True,
        }
        result = run_module("check_api_endpoints", **{**arguments, **given})
    assertion: dict[str, Any] = result["assertions"][0]
    assert SECRET not in str(assertion)
    assert "\n" not in assertion["summary"]
    return assertion


def test_right_answers_pass(run_module: Run) -> None:
    seen = check(run_module)
    assert seen["status"] == "passed", seen["summary"]
    assert seen["observed"]["right"] == 6
    assert check(run_module, interface=None)["status"] == "passed"


@pytest.mark.parametrize(
    ("respond", "says"),
    [
        (but("GET", "/orders/7", lambda status, headers, body: (500, headers, body)), "GET /orders/{id}: status 500, not 200"),
        (but("GET", "/orders/7", lambda status, headers, body: (200, headers, '{"id": 7}')), "'state' is a required property"),
        (but("GET", "/orders/7", lambda status, headers, body: (200, headers, body.replace("7", '"7"'))), "body.id: '7' is not of"),
        (but("GET", "/orders/7", lambda status, headers, body: (200, headers, body.replace("open", "lost"))), "'lost' is not one"),
        (but("GET", "/orders/7", lambda status, headers, body: (200, headers, body.replace("made", "x"))), "'x' was unexpected"),
        (
            but("GET", "/orders/7", lambda status, headers, body: (200, headers, body.replace("-01-", "-21-"))),
            "is not a 'date-time'",
        ),
        (but("GET", "/orders/7", lambda status, headers, body: (200, headers, "<html>")), "its body is not JSON"),
        (but("GET", "/orders/7", lambda status, headers, body: (200, headers, "")), "its body is empty"),
        (
            but("GET", "/orders/7", lambda status, headers, body: (200, {"Content-Type": "text/html"}, body)),
            "its type is text/html",
        ),
        (but("GET", "/orders/7", lambda status, headers, body: (302, {"Location": "/"}, "")), "status 302, not 200"),
        (but("GET", "/", lambda status, headers, body: (200, headers, " ")), "GET /: its body is empty"),
        (but("POST", "/login", lambda status, headers, body: (401, {}, "")), "POST /login: status 401, not 204"),
        (
            but("GET", "/openapi.json", lambda status, headers, body: (200, headers, body.replace("Shop", "Old shop"))),
            "another OpenAPI document",
        ),
    ],
)
def test_wrong_answers_are_refused(run_module: Run, respond: Any, says: str) -> None:
    seen = check(run_module, respond)
    assert seen["status"] == "failed"
    assert says in seen["summary"]


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ({"requests": REQUESTS[1:]}, "failed", "GET /: app_api_requests has no request for it"),
        ({"requests": [*REQUESTS[1:], {"operation": "GET /", "status": 404}]}, "failed", "GET /: it is asked for errors only"),
        ({"requests": []}, "failed", "has no request for it"),
        ({"answers": []}, "unverifiable", "GET /metrics"),
        ({"answers": [{**INSIDE[0], "status": 500}]}, "failed", "GET /metrics: status 500, not 200"),
        ({"answers": [{**INSIDE[0], "type": "text/html"}]}, "failed", "GET /metrics: its type is text/html"),
        ({"bypass_token": None}, "unverifiable", "is no OpenAPI document: status 503"),
        ({"bypass_token": None, "openapi_path": ""}, "failed", "GET /: status 503, not 200"),
        ({"interface": None, "openapi_path": ""}, "unverifiable", "there is no OpenAPI document"),
        ({"interface": "{}"}, "unverifiable", "does not say its routes"),
        (
            {"interface": '{"openapi": {"openapi": "3.1.0", "paths": {}}, "routes": []}', "openapi_path": ""},
            "failed",
            "no operation",
        ),
        ({"url": "shop"}, "unverifiable", "no address of a site"),
        ({"url": "http://shop.example.com:9"}, "unverifiable", "no answer"),
    ],
)
def test_what_else_is_refused(run_module: Run, given: dict[str, Any], status: str, says: str) -> None:
    seen = check(run_module, **given)
    assert (seen["status"], says in seen["summary"]) == (status, True), seen["summary"]


def test_an_answer_that_does_not_say_what_later_requests_need(run_module: Run) -> None:
    seen = check(run_module, but("POST", "/orders", lambda status, headers, body: (201, headers, '{"state": "open"}')))
    assert seen["status"] == "failed"
    assert "'id' is a required property" in seen["summary"]


def test_a_reference_that_leads_nowhere_is_named() -> None:
    document = {**DOCUMENT, "components": {}}
    assert Api(document).invalid()
    with pytest.raises(CouldNotLook, match="leads nowhere"):
        Api(document).resolved({"$ref": "#/components/schemas/Order"})


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ({"type": "string"}, ["body has no longest length"]),
        ({"type": "string", "maxLength": 5}, []),
        ({"type": "string", "format": "uuid"}, []),
        ({"enum": ["a"]}, []),
        ({"type": "integer", "minimum": 0}, ["body has no smallest or largest value"]),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 9}, []),
        ({"type": ["string", "null"]}, ["body has no longest length"]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, ["body has no longest length"]),
        ({"type": "array", "items": {"type": "boolean"}}, ["body has no longest length"]),
        ({"type": "array", "maxItems": 2, "items": {}}, ["body[] takes anything"]),
        ({"type": "object"}, ["body takes fields of any name"]),
        (
            {"type": "object", "additionalProperties": False, "properties": {"a": {"type": "string"}}},
            ["body.a has no longest length"],
        ),
        ({}, ["body takes anything"]),
        ({"allOf": [{"type": "string"}, {"maxLength": 5}]}, []),
    ],
)
def test_input_without_a_limit_is_named(schema: dict[str, Any], found: list[str]) -> None:
    body = {"content": {"application/json": {"schema": schema}}}
    document = {"openapi": "3.1.0", "info": {}, "paths": {"/x": {"post": {"requestBody": body, "responses": {}}}}}
    assert Api(document).unbounded("POST /x") == found


def test_values_of_a_path_are_encoded_and_needed() -> None:
    assert fill("/a/{b}", {"b": "../ä"}) == "/a/..%2F%C3%A4"
    with pytest.raises(CouldNotLook, match="no value for b"):
        fill("/a/{b}", {})


def test_secrets_and_cookies_go_where_they_belong() -> None:
    sent: list[tuple[Any, ...]] = []

    def send(*request: Any) -> Answer:
        sent.append(request)
        return Answer(200, {"set-cookie": "a=1; Path=/, b=2; Expires=Thu, 01 Jan 2026 00:00:00 GMT"}, b'{"x": {"y": 5}}')

    exchange = Exchange(send, {"secret": SECRET})
    exchange.ask({"operation": "POST /x", "body": {"p": "{secret}", "q": "{other}"}, "query": {"q": "a b"}, "keep": {"z": "x.y"}})
    exchange.ask({"operation": "GET /x/{z}"})
    assert sent[0] == ("POST", "/x?q=a+b", {}, {"p": SECRET, "q": "{other}"})
    assert sent[1][1] == "/x/5"
    assert sent[1][2]["Cookie"].startswith("a=1; b=2")

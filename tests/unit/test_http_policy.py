"""Content security policy, cross-origin requests and security headers, against a real server."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.cors import strangers
from ansible.module_utils.tickbox.csp import parse_policies, policy_problems
from ansible.module_utils.tickbox.injection import CANARIES, Injected, judge_injected
from ansible.module_utils.tickbox.operations import ABSENT_ID, read_operations
from ansible.module_utils.tickbox.visitor import references
from hypothesis import given, settings
from hypothesis import strategies as st
from web import Reply, Respond, serving

CSP = "default-src 'self'; script-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
HEADERS = {"Content-Security-Policy": CSP, "X-Content-Type-Options": "nosniff"}
REQUIRED = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": ".+"}
DOCUMENT = json.dumps(
    {
        "paths": {
            "/": {"get": {}},
            "/api/items": {"get": {}, "post": {}},
            "/api/items/{item}": {"delete": {"parameters": [{"name": "item", "in": "path", "schema": {"type": "integer"}}]}},
            "/fails": {"get": {}},
        }
    }
)
OWN = "https://www.example.com"
Run = Callable[..., dict[str, Any]]


def shop(method: str, path: str, headers: Mapping[str, str]) -> Reply:
    """A site that does everything as it should. After a hundred requests to /limited at once it would say no."""
    given = dict(HEADERS)
    if headers.get("Origin") == OWN:
        given |= {"Access-Control-Allow-Origin": OWN, "Access-Control-Allow-Methods": "GET, POST", "Vary": "Origin"}
    page = '<link href="/style.css"><a href="https://elsewhere.example/x">'
    known: dict[str, Reply] = {
        "/openapi.json": (200, given, DOCUMENT),
        "/limited": (429, given, ""),
        "/fails": (500, given, ""),
        "/style.css": (200, given | {"ETag": '"1"', "Content-Type": "text/css"}, ""),
        "/": (200, given | {"Content-Type": "text/html"}, page),
        "/api/items": (200, given | {"Content-Type": "text/html"}, page),
    }
    if headers.get("If-None-Match") == '"1"':
        return 304, given, ""
    return known.get(path, (404, given, ""))


def check(run_module: Run, respond: Respond, item: str, **arguments: Any) -> dict[str, Any]:
    with serving(respond) as port:
        result = run_module(
            "check_http_policy",
            **{
                "items": [item],
                "url": f"http://shop.example.com:{port}",
                "addresses": ["127.0.0.1"],
                "pace": 1000,
                "http_port": 0,
                "origins": [OWN],
                "cors_path": "/api/items",
                "headers": REQUIRED,
                "limited_paths": ["/limited"],
                "report_only": True,
                **arguments,
            },
        )
    assertion: dict[str, Any] = result["assertions"][0]
    assert assertion["item"] == item
    assert "\n" not in assertion["summary"]
    return assertion


def but(
    where: Callable[[str, str, Mapping[str, str]], bool], change: Callable[[dict[str, str]], Mapping[str, str | None]]
) -> Respond:
    """The shop with other headers where ``where`` says; None takes a header away."""

    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        status, given, body = shop(method, path, headers)
        if where(method, path, headers) and path != "/openapi.json":
            given = {name: value for name, value in {**given, **change(given)}.items() if value is not None}
        return status, given, body

    return respond


def test_a_site_with_its_policies(run_module: Run) -> None:
    assert check(run_module, shop, "pre.security.csp")["status"] == "passed"
    seen = check(run_module, shop, "pre.security.cors")
    assert (seen["status"], "1 origins are allowed" in seen["summary"]) == ("passed", True), seen["summary"]
    seen = check(run_module, shop, "post.security.headers")
    assert seen["status"] == "passed", seen["summary"]
    assert {200, 304, 404, 429, 500} <= set(seen["observed"]["statuses"])


@pytest.mark.parametrize(
    ("where", "policy", "says"),
    [
        (lambda *_: True, None, "no Content-Security-Policy"),
        (lambda _, path, __: len(path) == 17, None, "no Content-Security-Policy: GET /"),
        (lambda _, path, __: path == "/style.css", None, "GET /style.css (200)"),
        (lambda _, __, headers: "If-None-Match" in headers, None, "once more (304)"),
        (lambda method, *_: method == "DELETE", None, "DELETE /api/items/{item}"),
        (
            lambda *_: True,
            CSP.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'"),
            "script-src allows 'unsafe-inline'",
        ),
        (lambda *_: True, CSP.replace("script-src 'self'", "script-src 'nonce-abcdefgh'"), "the same nonce"),
        (
            lambda _, path, __: path == "/limited",
            CSP.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'"),
            "script-src allows 'unsafe-inline': GET /limited (429)",
        ),
        (lambda _, __, headers: "X-Fail" in headers, None, "no Content-Security-Policy: the error request (500)"),
    ],
)
def test_a_policy_with_a_hole_is_refused(run_module: Run, where: Any, policy: str | None, says: str) -> None:
    change = but(where, lambda _: {"Content-Security-Policy": policy})
    seen = check(run_module, change, "pre.security.csp", error_request={"path": "/fails", "headers": {"X-Fail": "1"}})
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("", "no Content-Security-Policy"),
        (CSP.replace("script-src 'self'", "script-src 'UNSAFE-EVAL'"), "script-src allows 'unsafe-eval'"),
        (CSP.replace("script-src 'self'", "script-src *"), "script-src allows *"),
        (CSP.replace("script-src 'self'", "script-src https:"), "script-src allows https:"),
        (CSP.replace("script-src 'self'", "script-src data:"), "script-src allows data:"),
        (CSP.replace("script-src 'self'", "script-src blob:"), "script-src allows blob:"),
        (
            CSP.replace("script-src 'self'", "script-src 'self'; script-src-attr 'unsafe-inline'"),
            "script-src-attr allows 'unsafe-inline'",
        ),
        (CSP.replace("script-src 'self'", "script-src 'self'; script-src-elem *"), "script-src-elem allows *"),
        (
            CSP.replace("script-src 'self'; ", "").replace("'self'; o", "'self' 'unsafe-inline'; o"),
            "default-src allows 'unsafe-inline'",
        ),
        (CSP.replace("object-src 'none'; ", ""), "object-src is not set"),
        (CSP.replace("base-uri 'self'; ", ""), "base-uri is not set"),
        (CSP.replace("base-uri 'self'", "base-uri *"), "base-uri allows *"),
        (CSP.replace("; frame-ancestors 'none'", ""), "frame-ancestors is not set"),
        (CSP.replace("frame-ancestors 'none'", "frame-ancestors https:"), "frame-ancestors allows https:"),
        ("frame-ancestors 'none'", "script-src is not set"),
        (CSP.replace("script-src 'self'", "script-src *; script-src 'self'"), "script-src allows *"),
    ],
)
def test_a_weak_policy_has_a_name(header: str, problem: str) -> None:
    found = policy_problems({"content-security-policy": header})
    assert any(entry.startswith(problem) for entry in found), found


def test_policies_that_hold_together() -> None:
    assert policy_problems({"content-security-policy": CSP}) == []
    assert policy_problems({"content-security-policy": "script-src *, " + CSP}) == []
    assert policy_problems({"content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"}) == []
    assert policy_problems({"content-security-policy-report-only": CSP}) == ["Report-Only, which enforces nothing"]


@given(st.text(max_size=200))
@settings(max_examples=100)
def test_any_text_is_read_as_policies(text: str) -> None:
    assert all(name == name.lower() for policy in parse_policies(text) for name in policy)
    assert isinstance(policy_problems({"content-security-policy": text}), list)


@pytest.mark.parametrize(
    ("grants", "says"),
    [
        (lambda origin, path: origin, "this origin is allowed"),
        (lambda origin, path: "*" if origin else None, "every origin is allowed"),
        (lambda origin, path: origin if origin == "null" else None, "from null"),
        (lambda origin, path: origin if origin.startswith(OWN) else None, "example.com.tickbox.invalid"),
        (lambda origin, path: origin if origin.endswith("www.example.com") else None, "http://www.example.com"),
        (lambda origin, path: origin if origin.endswith("-www.example.com") else None, "tickbox-www.example.com"),
        (lambda origin, path: origin if origin == "https://wwwxexample.com" else None, "wwwxexample.com"),
        (lambda origin, path: "https://partner.example" if origin else None, "which the inventory does not name"),
        (lambda origin, path: origin if path == "/fails" else None, "/fails from https://tickbox.invalid"),
        (lambda origin, path: origin if path == "/fails" and origin == "null" else None, "GET /fails from null"),
        (
            lambda origin, path: origin if path == "/fails" and origin.startswith(OWN) else None,
            f"GET /fails from {OWN}.tickbox.invalid",
        ),
        (lambda origin, path: origin if path == "/page" else None, "GET /page from https://tickbox.invalid"),
    ],
)
def test_an_origin_too_many_is_refused(run_module: Run, grants: Any, says: str) -> None:
    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        status, given, body = shop(method, path, headers)
        granted = grants(headers.get("Origin", ""), path)
        if granted and headers.get("Origin") != OWN:
            given = given | {"Access-Control-Allow-Origin": granted, "Access-Control-Allow-Credentials": "true"}
        return status, given, body

    seen = check(run_module, respond, "pre.security.cors", routes=["/", "/page"])
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


@pytest.mark.parametrize("before", [True, False])
def test_what_begins_like_the_second_of_several_origins_is_refused(run_module: Run, before: bool) -> None:
    second = "https://partner.example"

    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        status, given, body = shop(method, path, headers)
        origin = headers.get("Origin", "")
        alike = path == "/fails" and origin.startswith(second) and (method == "OPTIONS") == before
        if origin == second or alike:
            given = given | {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": "GET", "Vary": "Origin"}
        return status, given, body

    seen = check(run_module, respond, "pre.security.cors", origins=[OWN, second])
    says = f"{'preflight of ' if before else ''}GET /fails from {second}.tickbox.invalid"
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"Access-Control-Allow-Origin": None}, "this allowed origin is kept out"),
        ({"Access-Control-Allow-Origin": f"{OWN}, {OWN}"}, "is answered with"),
        ({"Access-Control-Allow-Methods": "PUT"}, "GET is not among the allowed methods"),
        ({"Vary": None}, "no Vary: Origin"),
    ],
)
def test_an_allowed_origin_that_cannot_work_is_refused(run_module: Run, change: dict[str, str | None], says: str) -> None:
    seen = check(run_module, but(lambda _, __, headers: headers.get("Origin") == OWN, lambda _: change), "pre.security.cors")
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


@pytest.mark.parametrize(
    "origin", ["https://www.example.com/", "www.example.com", "*", "https://[::1", "https://user@example.com/x"]
)
def test_what_is_no_origin_is_unverifiable(origin: str) -> None:
    with pytest.raises(CouldNotLook, match="is no origin"):
        strangers([origin])


@pytest.mark.parametrize(
    ("where", "change", "says"),
    [
        (
            lambda _, path, __: path == "/api/items",
            {"X-Content-Type-Options": None},
            "no x-content-type-options: GET /api/items (200)",
        ),
        (lambda _, path, __: path == "/fails", {"X-Content-Type-Options": None}, "GET /fails (500)"),
        (lambda _, path, __: path == "/limited", {"X-Content-Type-Options": None}, "GET /limited (429)"),
        (lambda _, path, __: len(path) == 17, {"X-Content-Type-Options": None}, "(404)"),
        (lambda _, __, headers: "If-None-Match" in headers, {"X-Content-Type-Options": None}, "once more (304)"),
        (lambda *_: True, {"X-Content-Type-Options": "sniff"}, "x-content-type-options is 'sniff'"),
        (lambda *_: True, {"X-Content-Type-Options": "nosniff, nosniff"}, "is 'nosniff, nosniff'"),
    ],
)
def test_a_missing_header_is_refused(run_module: Run, where: Any, change: dict[str, str | None], says: str) -> None:
    seen = check(run_module, but(where, lambda _: change), "post.security.headers")
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"url": "http://shop.example.com:9"}, "cannot be asked"),
        ({"url": "shop"}, "no address of a site"),
        ({"openapi_path": "/none"}, "the OpenAPI document /none: status 404"),
        ({"openapi_path": "/style.css"}, "the OpenAPI document /style.css"),
        ({"headers": {}}, "no header is asked for"),
        ({"headers": {"X": "("}}, "is no pattern"),
        ({"limited_paths": ["/"]}, "no answer with status 429 could be caused"),
        ({"error_request": {"path": "/"}}, "no error of the server"),
        ({"pace": 0}, "is not above 0"),
    ],
)
def test_what_cannot_be_seen_is_unverifiable(run_module: Run, arguments: dict[str, Any], says: str) -> None:
    seen = check(run_module, shop, "post.security.headers", **arguments)
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True), seen["summary"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"limited_paths": ["/"]}, "no answer with status 429 could be caused, so its policy was not seen"),
        ({"error_request": {"path": "/"}}, "the error request answered with status 200, no error of the server"),
    ],
)
def test_a_policy_that_is_not_seen_is_unverifiable(run_module: Run, arguments: dict[str, Any], says: str) -> None:
    seen = check(run_module, shop, "pre.security.csp", **arguments)
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True), seen["summary"]


def test_what_cannot_be_asked_for_is_not_missed(run_module: Run) -> None:
    seen = check(run_module, shop, "pre.security.csp", limited_paths=[])
    assert (seen["status"], 429 in seen["observed"]["statuses"]) == ("passed", False), seen["summary"]


def test_errors_and_limits_are_asked_for_once_and_after_the_origins(run_module: Run) -> None:
    asked = []

    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        asked.append((path, "X-Fail" in headers, "Origin" in headers))
        return shop(method, path, headers)

    items = ["pre.security.cors", "pre.security.csp", "post.security.headers"]
    check(run_module, respond, items[0], items=items[::-1], error_request={"path": "/fails", "headers": {"X-Fail": "1"}})
    assert [fails for _, fails, _ in asked].count(True) == 1
    assert [path for path, *_ in asked].count("/limited") == 16
    assert asked.index(("/limited", False, False)) > max(number for number, (*_, origin) in enumerate(asked) if origin)


def test_a_closed_site_is_seen_with_the_operators_token(run_module: Run) -> None:
    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        return shop(method, path, headers) if headers.get("X-Maintenance-Bypass") == "correct-horse" else (503, HEADERS, "")

    assert check(run_module, respond, "pre.security.csp", bypass_token="correct-horse")["status"] == "passed"  # noqa: S106
    assert check(run_module, respond, "pre.security.csp")["status"] == "unverifiable"


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=20), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(JSON)
@settings(max_examples=100)
def test_any_json_is_operations_or_unreadable(document: Any) -> None:
    for content in (document, {"paths": document}, {"paths": {"/x/{y}": document}}):
        try:
            assert read_operations(content)
        except CouldNotLook as reason:
            assert str(reason)


def test_parameters_get_values_that_name_nothing() -> None:
    found = read_operations(
        {"paths": {"/a/{id}/{name}": {"parameters": [{"name": "id", "in": "path", "schema": {"type": "integer"}}], "get": {}}}}
    )
    assert [(each.name, each.path) for each in found] == [("GET /a/{id}/{name}", f"/a/{ABSENT_ID}/tickbox-none")]


def test_references_of_a_page() -> None:
    page = (
        '<script src="/a.js?v=1"></script><link href=b.css><a href="#x"><img src="https://else.example/c.png"><a href="http://[">'
    )
    assert references(page, "/folder/") == ["/a.js?v=1", "/folder/b.css", "/folder/"]


def injected(ran: set[str], without: set[str] | None = None, framed: bool = False) -> Injected:
    return Injected("/", frozenset(ran), frozenset(CANARIES) if without is None else frozenset(without), framed)


def test_what_runs_in_a_browser() -> None:
    assert judge_injected([injected(set())]).status == "passed"
    seen = judge_injected([injected({"inline"})])
    assert (seen.status, "ran (inline)" in seen.summary) == ("failed", True)
    assert judge_injected([injected(set(), framed=True)]).status == "failed"
    for pages in ([], [injected(set(), without=set())]):
        with pytest.raises(CouldNotLook):
            judge_injected(pages)


def test_without_a_browser_nothing_is_shown(run_module: Run) -> None:
    assert check(run_module, shop, "pre.security.csp", executable_path="/absent")["status"] == "unverifiable"

"""Faulty requests: made from a document, sent to a real process, and what counts as refused."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]
NAME = {"type": "string", "maxLength": 20, "pattern": "^[a-z]+$"}
FIELDS = {
    "type": "object",
    "required": ["name", "count"],
    "additionalProperties": False,
    "properties": {
        "name": NAME,
        "count": {"type": "integer", "minimum": 0, "maximum": 9},
        "note": {"type": "string", "maxLength": 50},
    },
}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1, "maximum": 99}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/login": {"post": {"responses": {"204": {"description": "In"}}}},
        "/orders": {
            "get": {"responses": {"200": {"description": "Well"}}},
            "post": {
                "requestBody": {"required": True, "content": {"application/json": {"schema": FIELDS}}},
                "responses": {"201": {"description": "Well"}},
            },
        },
        "/orders/{id}": {"get": {"parameters": [ID], "responses": {"200": {"description": "Well"}}}},
    },
}
REQUESTS: list[dict[str, Any]] = [
    {"operation": "POST /login", "status": 204, "session": True},
    {"operation": "GET /orders"},
    {"operation": "POST /orders", "body": {"name": "tea", "count": 1}, "status": 201},
    {"operation": "GET /orders/{id}", "path": {"id": 7}},
]


class Shop:
    """An application over a unix socket; its faults by their names."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults

    def answer(self, method: str, path: str, kind: str, cookie: str, body: bytes) -> int:
        name, _, rest = path.partition("?")[0].removeprefix("/").partition("/")
        if (method, name) == ("POST", "login"):
            return 401 if "no login" in self.faults else 204
        if name != "orders" or method not in {"GET", "POST"} or (rest and method == "POST"):
            return 404
        if cookie != "session=abc":
            return 401
        if method == "POST":
            return self.order(kind, body)
        return (200 if (rest.isdigit() and 1 <= int(rest) <= 99) or "any id" in self.faults else 422) if rest else 200

    def order(self, kind: str, body: bytes) -> int:
        if "limited" in self.faults:
            return 429
        if "any type" not in self.faults and not kind.startswith("application/json"):
            return 415
        try:
            value = json.loads(body)
            name, count, note = value["name"], value["count"], value.get("note", "")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return 500 if "breaks" in self.faults else 422
        if "lenient" in self.faults and isinstance(count, str) and count.isdigit():
            count = int(count)
        bad = [
            set(value) - {"name", "count", "note"} and "any field" not in self.faults,
            not isinstance(name, str) or not name.isascii() or not name.isalpha() or not name.islower() or len(name) > 20,
            isinstance(count, bool) or not isinstance(count, int) or (not 0 <= count <= 9 and "any count" not in self.faults),
            not isinstance(note, str) or (len(note) > 50 and "any length" not in self.faults),
            isinstance(note, str) and ("\0" in note or "\ud800" in note) and "any text" not in self.faults,
        ]
        return 422 if any(bad) else 201


@contextmanager
def listening(path: Path, shop: Shop) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def address_string(self) -> str:
            return "local"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kind, cookie = self.headers.get("Content-Type", ""), self.headers.get("Cookie", "")
            self.send_response(shop.answer(self.command, self.path, kind, cookie, body))
            if self.path == "/login":
                self.send_header("Set-Cookie", "session=abc; HttpOnly")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output quiet."""

    class Server(ThreadingUnixStreamServer):
        daemon_threads = True
        request_queue_size = 64

        def get_request(self) -> tuple[socket.socket, Any]:
            return super().get_request()[0], ("local", 0)

    path.unlink(missing_ok=True)
    server = Server(str(path), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def interface() -> str:
    return json.dumps({"openapi": DOCUMENT, "routes": []})


def check(run_module: Run, folder: Path, interface: str, *faults: str, **given: Any) -> dict[str, Any]:
    asked_for = {"requests": given.get("requests", REQUESTS), "refused": given.get("refused", [])}
    made = run_module("input_cases", interface=interface, **asked_for, generated=3, seed="x")
    path = folder / "shop.sock"
    with listening(path, Shop(*faults)):
        asked = run_module("ask_release", socket=str(path), requests=REQUESTS, cases=made["cases"], **given.get("ask", {}))
    arguments = {"made": made, "asked": asked, "requests": REQUESTS, "borne": given.get("borne", []), "report_only": True}
    assertion: dict[str, Any] = run_module("check_input_validation", **arguments)["assertions"][0]
    assert "\n" not in assertion["summary"]
    return assertion


def test_an_application_that_refuses_passes(run_module: Run, tmp_path: Path, interface: str) -> None:
    seen = check(run_module, tmp_path, interface)
    assert seen["status"] == "passed", seen["summary"]
    assert seen["expected"]["refused"] > 80


@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        ("breaks", "failed", "status 500, an error of the server"),
        ("lenient", "failed", 'body.count: "5": status 201, not refused'),
        ("any field", "failed", "a field that nobody asked for: status 201, not refused"),
        ("any count", "failed", "beyond its minimum: status 201, not refused"),
        ("any length", "failed", "51 characters: status 201, not refused"),
        ("any text", "failed", "a NUL character: status 201, not refused"),
        ("any type", "failed", "JSON sent as text: status 201, not refused"),
        ("any id", "failed", "GET /orders/{id}: path.id: ' OR '1'='1: status 200, not refused"),
        ("limited", "unverifiable", "POST /orders: status 429 before its input was looked at"),
        ("no login", "unverifiable", "POST /login opens no session: status 401"),
    ],
)
def test_an_application_that_does_not_refuse(
    run_module: Run, tmp_path: Path, interface: str, fault: str, status: str, says: str
) -> None:
    seen = check(run_module, tmp_path, interface, fault)
    assert seen["status"] == status, seen["summary"]
    assert says in json.dumps(seen["evidence"]).replace('\\"', '"') + seen["summary"]


def test_a_validator_that_the_document_lost_as_well(run_module: Run, tmp_path: Path, interface: str) -> None:
    wide = interface.replace('"maxLength": 50', '"description": "any"')
    seen = check(run_module, tmp_path, wide, "any length")
    assert (seen["status"], "POST /orders: body.note has no longest length" in seen["summary"]) == ("failed", True)
    assert check(run_module, tmp_path, wide, "any length", borne=["POST /orders body.note"])["status"] == "passed"


@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        ({"operation": "POST /orders", "body": {"name": "tea", "count": 1, "note": "a" * 51}}, "failed", "status 201, not refused"),
        ({"operation": "POST /orders", "body": {"name": "x'; DROP TABLE users; --", "count": 1}}, "passed", "none taken"),
        ({"operation": "GET /orders/{id}", "path": {"id": 5}}, "failed", 'must be refused: {"id": 5}: status 200, not refused'),
        ({"operation": "GET /orders/{id}", "path": {"id": 500}}, "passed", "none taken"),
        ({"operation": "GET /orders", "query": {"a": "b"}}, "failed", "must be refused: a=b: status 200, not refused"),
        ({"operation": "GET /absent"}, "unverifiable", "app_api_refused names GET /absent"),
    ],
)
def test_what_must_be_refused_whatever_the_document_says(
    run_module: Run, tmp_path: Path, interface: str, request_: Any, status: str, says: str
) -> None:
    wide = interface.replace('"maxLength": 50', '"description": "any"')
    seen = check(run_module, tmp_path, wide, "any length", refused=[request_], borne=["POST /orders body.note"])
    assert (seen["status"], says in seen["summary"]) == (status, True), seen["summary"]


def test_requests_that_were_not_sent_in_time(run_module: Run, tmp_path: Path, interface: str) -> None:
    seen = check(run_module, tmp_path, interface, ask={"seconds": 0})
    assert (seen["status"], "were not sent in time" in seen["summary"]) == ("unverifiable", True)


@pytest.mark.parametrize(
    ("requests", "says"),
    [
        (REQUESTS[1:], "app_api_requests has no request for POST /login"),
        ([*REQUESTS[:2], {**REQUESTS[2], "body": {"name": 5}}, REQUESTS[3]], "does not fit the OpenAPI document"),
    ],
)
def test_requests_that_cannot_be_made(run_module: Run, tmp_path: Path, interface: str, requests: Any, says: str) -> None:
    seen = check(run_module, tmp_path, interface, requests=requests)
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True), seen["summary"]


def test_a_process_that_is_not_there(run_module: Run, tmp_path: Path, interface: str) -> None:
    asked = run_module("ask_release", socket=str(tmp_path / "absent"), requests=REQUESTS, cases=[])
    given = {"made": {"cases": [], "operations": [], "problems": {}}, "asked": asked, "requests": REQUESTS, "report_only": True}
    seen = run_module("check_input_validation", **given)["assertions"][0]
    assert (seen["status"], "no answer" in seen["summary"]) == ("unverifiable", True)


@pytest.mark.parametrize(
    ("made", "asked", "says"),
    [
        ({}, {}, "nothing was asked"),
        ({"doubt": "no document"}, {}, "no document"),
        ({"doubt": ""}, {"doubt": "it does not start"}, "it does not start"),
        ({"cases": [], "operations": [], "problems": {}}, {"answers": [], "outcomes": []}, "0 of 4 example requests were sent"),
    ],
)
def test_what_was_not_asked_is_unverifiable(run_module: Run, made: Any, asked: Any, says: str) -> None:
    seen = run_module("check_input_validation", made=made, asked=asked, requests=REQUESTS, report_only=True)["assertions"][0]
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True), seen["summary"]


def judged(run_module: Run, kind: str, what: str, status: int, seconds: float = 0.1, operation: str = "GET /x") -> dict[str, Any]:
    case = {"operation": operation, "kind": kind, "what": what}
    given = {
        "made": {"cases": [case], "operations": [operation], "problems": {}},
        "asked": {"answers": [{"status": 200}], "outcomes": [[status, seconds]]},
        "requests": [{"operation": "POST /login", "session": True}],
        "report_only": True,
    }
    assertion: dict[str, Any] = run_module("check_input_validation", **given)["assertions"][0]
    return assertion


@pytest.mark.parametrize(
    ("kind", "status", "operation", "outcome"),
    [
        ("body", 422, "GET /x", "passed"),
        ("body", 404, "GET /x", "failed"),
        ("body", 302, "GET /x", "failed"),
        ("body", 0, "GET /x", "failed"),
        ("body", 403, "GET /x", "unverifiable"),
        ("path", 404, "GET /x", "passed"),
        ("canary", 200, "GET /x", "passed"),
        ("canary", 500, "GET /x", "failed"),
        ("canary", 200, "POST /login", "failed"),
        ("canary", 401, "POST /login", "passed"),
        ("junk", 200, "GET /x", "passed"),
        ("junk", 502, "GET /x", "failed"),
        ("refused", 404, "GET /x", "passed"),
        ("refused", 409, "GET /x", "passed"),
        ("refused", 200, "GET /x", "failed"),
        ("refused", 302, "GET /x", "failed"),
        ("refused", 500, "GET /x", "failed"),
        ("refused", 401, "GET /x", "unverifiable"),
        ("method", 405, "GET /x", "passed"),
        ("method", 501, "GET /x", "passed"),
        ("method", 200, "GET /x", "failed"),
    ],
)
def test_what_counts_as_refused(run_module: Run, kind: str, status: int, operation: str, outcome: str) -> None:
    assert judged(run_module, kind, "x", status, operation=operation)["status"] == outcome


def test_sql_that_a_database_ran_is_seen_by_its_time(run_module: Run) -> None:
    assert judged(run_module, "canary", "SQL (pg_sleep)", 404, seconds=5.2)["status"] == "failed"
    assert judged(run_module, "canary", "SQL (pg_sleep)", 404, seconds=0.2)["status"] == "passed"


def test_generated_requests_are_kept_by_what_they_were_made_from(run_module: Run, interface: str, tmp_path: Path) -> None:
    given = {"interface": interface, "generated": 3, "seed": "a", "kept": str(tmp_path)}
    first = run_module("input_cases", requests=REQUESTS, **given)
    files = sorted(tmp_path.iterdir())
    again = run_module(
        "input_cases",
        requests=[{**one, "body": {"name": "cup", "count": 2}} if "body" in one else one for one in REQUESTS],
        **given,
    )
    assert files == sorted(tmp_path.iterdir())
    generated = [[case for case in made["cases"] if "generated" in case["what"]] for made in (first, again)]
    assert generated[0] and generated[0] == generated[1]
    for other in ({"seed": "b"}, {"generated": 4}, {"interface": interface.replace("[a-z]", "[a-y]")}):
        before = len(list(tmp_path.iterdir()))
        run_module("input_cases", requests=REQUESTS, **{**given, **other})
        assert len(list(tmp_path.iterdir())) > before


def test_the_same_seed_makes_the_same_requests(run_module: Run, interface: str) -> None:
    first, second = (run_module("input_cases", interface=interface, requests=REQUESTS, generated=3, seed="a") for _ in range(2))
    assert first["cases"] == second["cases"]
    assert {case["operation"] for case in first["cases"]} == set(first["operations"])
    assert any("generated" in case["what"] for case in first["cases"])
    bodies = [case for case in first["cases"] if case["what"] == "a body with bytes that are no UTF-8"]
    assert b"\xff\xfe" in base64.b64decode(bodies[0]["body"])

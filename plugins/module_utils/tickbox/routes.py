# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to ask of a site so that each of its routes, and each kind of answer, is seen. Nothing of it changes anything."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from .answers import HTTP_OK, TOO_MANY
from .operations import Operation
from .visitor import Request, Seen, Visitor, references, refuse_unseen

PAGES = 20  # pages whose references are followed
BATCH, MOST = 16, 160  # requests sent at once, and in all, to be refused as one too many
SERVER_ERROR = 500
SAFE = {"GET", "HEAD", "OPTIONS"}


def of_operations(operations: Iterable[Operation]) -> list[Request]:
    """One request for each operation. Those that would change something get an empty body, and nobody is logged in."""
    return [Request(each.path, each.method, {}, None if each.method in SAFE else {}, label=each.name) for each in operations]


def of_site(paths: Iterable[str], operations: Iterable[Operation]) -> list[Request]:
    """One request for each operation, and for each of ``paths`` besides."""
    asked = of_operations(operations)
    known = {request.path for request in asked if request.method == "GET"}
    return [*asked, *(Request(path) for path in dict.fromkeys(paths) if path not in known)]


def of_errors(paths: Iterable[str], host: str, plain: bool) -> list[Request]:
    """Requests that the application or the web server answers with an error: in each part of the site, and before any."""
    none = secrets.token_hex(8)
    parts = {"/": None}
    for path in paths:
        segments = path.split("?")[0].strip("/").split("/")
        for depth in range(1, len(segments)):
            parts["/" + "/".join(segments[:depth]) + "/"] = None
    asked = [Request(f"{part}{none}") for part in parts]
    asked += [
        Request(f"/{none}", "POST", body={}),
        Request("/", "PUT", body={}),
        Request("/", "TRACE"),
        Request(f"/.{none}"),
        Request("/metrics"),
        Request("/stub_status"),
        Request("/.well-known/acme-challenge/" + none),
        Request("/" + "x" * 9000, label="GET a path of 9000 characters"),
        Request("/", headers={"Host": "tickbox.invalid"}, label="GET / under another name"),
        _raw("malformed request", "GET / HTTP/1.1\r\nHost: a b\r\nConnection: close"),
        _raw("unknown transfer encoding", f"GET / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: tickbox\r\nConnection: close"),
        _raw("body announced too large", f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999999999\r\nConnection: close"),
    ]
    if plain:
        asked += [
            Request("/", plain=True),
            Request(f"/{none}", plain=True),
            Request(f"/.well-known/acme-challenge/{none}", plain=True),
        ]
    return asked


def ask_routes(visitor: Visitor, requests: Sequence[Request]) -> list[Seen]:
    """Ask ``requests``, what the pages among the answers refer to, and again what can be answered with 304."""
    seen = visitor.ask_all(requests)
    asked = {one.request.path for one in seen}
    pages = [one for one in seen if one.answer.status == HTTP_OK and "html" in one.answer.headers.get("content-type", "")]
    named = [path for page in pages[:PAGES] for path in references(page.answer.text, page.request.path)]
    assets = visitor.ask_all(Request(path) for path in dict.fromkeys(named) if path not in asked)
    seen += [*assets, *visitor.ask_all(_again(one) for one in [*seen, *assets] if _can_be_unchanged(one))]
    refuse_unseen(seen)
    return seen


def ask_too_often(visitor: Visitor, paths: Iterable[str]) -> list[Seen]:
    """Ask each path until it is refused as one too many; return the refusals."""
    refusals = []
    for path in paths:
        sent = 0
        while sent < MOST:
            came = [one for one in visitor.hurry([Request(path)] * BATCH) if one.answer.status == TOO_MANY]
            if came:
                refusals.append(came[0])
                break
            sent += BATCH
    return refusals


def lacking(seen: Iterable[Seen], statuses: Iterable[int]) -> list[int]:
    """Which of ``statuses`` is not among the answers.

    500 stands for any error of the server: which one an outsider can cause depends on the site.
    """
    came = {one.answer.status for one in seen}
    if max(came, default=0) >= SERVER_ERROR:
        came.add(SERVER_ERROR)
    return [status for status in statuses if status not in came]


def _again(one: Seen) -> Request:
    headers = {"If-None-Match": one.answer.headers["etag"]}
    return Request(one.request.path, headers=headers, label=f"{one.request.name} once more")


def _can_be_unchanged(one: Seen) -> bool:
    return one.request.method == "GET" and one.answer.status == HTTP_OK and "etag" in one.answer.headers


def _raw(label: str, text: str) -> Request:
    return Request(raw=f"{text}\r\n\r\n".encode(), label=label)

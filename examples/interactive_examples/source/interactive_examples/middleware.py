"""Around every request: its id, size, log entry and metrics, and an answer when something unexpected happens."""

import logging
import re
import secrets
import time

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interactive_examples import diagnostics, errors
from interactive_examples.logs import request_id
from interactive_examples.metrics import DURATION, ERRORS, REQUESTS

log = logging.getLogger("interactive_examples.requests")

LARGEST_BODY = 256 * 1024
ID_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")
SERVER_ERROR, TOO_LARGE = 500, 413


class RequestMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        identifier = _accepted_id(headers.get(b"x-request-id", b""))
        token = request_id.set(identifier)
        status = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", identifier.encode())]
            await send(message)

        try:
            if int(headers.get(b"content-length", b"0")) > LARGEST_BODY:
                await errors.problem(TOO_LARGE, "The request is too large.")(scope, receive, send_with_id)
            else:
                diagnostics.fail_if_asked(headers)
                await self.app(scope, _limited(receive), send_with_id)
        except Exception:
            ERRORS.inc()
            log.exception("Unexpected error")
            if status is not None:
                raise
            answer = errors.problem(SERVER_ERROR, "Something went wrong on our side.")
            await answer(scope, receive, send_with_id)
        finally:
            _account(scope, status or SERVER_ERROR, time.perf_counter() - started)
            request_id.reset(token)


def _accepted_id(given: bytes) -> str:
    text = given.decode("latin-1")
    return text if ID_PATTERN.fullmatch(text) else secrets.token_hex(16)


def _limited(receive: Receive) -> Receive:
    """Bodies without a Content-Length are counted as they come."""
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > LARGEST_BODY:
            raise HTTPException(TOO_LARGE, "The request is too large.")
        return message

    return limited


def _account(scope: Scope, status: int, seconds: float) -> None:
    # The route's template: paths as asked would make a series each.
    route = getattr(scope.get("route"), "path", "unmatched")
    REQUESTS.labels(scope["method"], route, str(status)).inc()
    DURATION.labels(scope["method"], route).observe(seconds)
    level = logging.ERROR if status >= SERVER_ERROR else logging.INFO
    fields = {
        "method": scope["method"],
        "path": scope["path"],
        "route": route,
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
    }
    log.log(level, "request", extra={"fields": fields})

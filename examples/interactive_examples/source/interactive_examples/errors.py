"""Every error is answered as JSON with a message for people; traces go to the log alone."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from redis import RedisError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from interactive_examples.logs import request_id
from interactive_examples.metrics import LIMITED
from interactive_examples.schemas import Problem

log = logging.getLogger(__name__)

INVALID, TOO_MANY, UNAVAILABLE = 422, 429, 503


def problem(
    status: int, message: str, headers: dict[str, str] | None = None, problems: list[str] | None = None
) -> Response:
    content = Problem(message=message, request_id=request_id.get(), problems=problems)
    return Response(
        content.model_dump_json(exclude_none=True), status, headers={**(headers or {})}, media_type="application/json"
    )


async def on_http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == TOO_MANY:
        LIMITED.inc()
    return problem(error.status_code, str(error.detail), dict(error.headers or {}))


async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    problems = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    # What came in may hold characters that cannot go out again.
    safe = [text.encode("utf-8", "replace").decode()[:300] for text in problems[:20]]
    return problem(INVALID, "The request is not valid.", problems=safe)


async def on_dependency_down(request: Request, error: Exception) -> Response:
    log.error("A dependency does not answer: %s", error, exc_info=error)
    return problem(UNAVAILABLE, "The service is not available at the moment. Try again soon.", {"Retry-After": "5"})


def install(app: FastAPI) -> None:
    app.exception_handler(HTTPException)(on_http_error)
    app.exception_handler(RequestValidationError)(on_invalid_request)
    for error in (OperationalError, PoolTimeoutError, RedisError):
        app.exception_handler(error)(on_dependency_down)

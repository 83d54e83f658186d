"""The examples, and running them."""

import logging
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response
from sqlalchemy import select

from interactive_examples import cache, events, sandbox
from interactive_examples.accounts import WITHOUT_SESSION, OptionalUser
from interactive_examples.database import Database
from interactive_examples.metrics import RUNS
from interactive_examples.models import Example, Popularity
from interactive_examples.rate_limit import limit
from interactive_examples.schemas import (
    SLUG_PATTERN,
    ExampleDetail,
    ExamplePopularity,
    ExampleSummary,
    Problem,
    RunAnswer,
    RunRequest,
)

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api", tags=["examples"])

NOT_FOUND = {404: {"model": Problem, "description": "There is no such example."}}
SlugInPath = Annotated[str, Path(max_length=80, pattern=SLUG_PATTERN)]


@router.get("/examples", response_model=list[ExampleSummary])
def list_examples(database: Database) -> Response:
    """All examples in their order."""
    return Response(cache.rendered_list(database), media_type="application/json")


@router.get("/examples/{slug}", response_model=ExampleDetail, responses=NOT_FOUND)
def show_example(slug: SlugInPath, database: Database) -> Response:
    """One example with its code."""
    rendered = cache.rendered_example(database, slug)
    if rendered is None:
        raise HTTPException(404, "There is no such example.")
    return Response(rendered, media_type="application/json")


@router.get("/popularity")
def popularity(database: Database) -> list[ExamplePopularity]:
    """How often each example was run, as the worker last counted."""
    query = (
        select(Example.slug, Popularity.runs)
        .join(Popularity, Popularity.example_id == Example.id)
        .order_by(Popularity.runs.desc(), Example.slug)
    )
    return [ExamplePopularity(slug=slug, runs=runs) for slug, runs in database.execute(query)]


@router.post("/run", responses=NOT_FOUND, openapi_extra=WITHOUT_SESSION)
def run(body: RunRequest, request: Request, database: Database, user: OptionalUser) -> RunAnswer:
    """Run a program in the sandbox."""
    limit("run", request, user)
    example_id = None
    if body.example is not None:
        example_id = database.scalar(select(Example.id).where(Example.slug == body.example))
        if example_id is None:
            raise HTTPException(404, "There is no such example.")
    database.rollback()  # no connection is held while the program runs
    outcome = _run(body)
    events.record(database, "run", user, example_id)
    database.commit()
    return RunAnswer(
        stdout=outcome.stdout,
        stderr=outcome.stderr,
        exit_code=outcome.exit_code,
        timed_out=outcome.timed_out,
        truncated=outcome.truncated,
    )


def _run(body: RunRequest) -> sandbox.Outcome:
    try:
        outcome = sandbox.run(body.language, body.code)
    except sandbox.SandboxBusyError as error:
        RUNS.labels(body.language, "busy").inc()
        message = "Too many programs are running. Try again in a moment."
        raise HTTPException(429, message, headers={"Retry-After": "5"}) from error
    except sandbox.SandboxError as error:
        RUNS.labels(body.language, "sandbox_failed").inc()
        log.error("The sandbox failed: %s", error)
        raise HTTPException(503, "Programs cannot be run at the moment.", headers={"Retry-After": "30"}) from error
    stopped = "timed_out" if outcome.timed_out else "truncated" if outcome.truncated else None
    RUNS.labels(body.language, stopped or ("ok" if outcome.exit_code == 0 else "error")).inc()
    return outcome

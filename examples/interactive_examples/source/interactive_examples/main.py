"""The web application."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from interactive_examples import errors, logs
from interactive_examples.database import engine
from interactive_examples.middleware import RequestMiddleware
from interactive_examples.routes import accounts, admin, examples, pages, results, system
from interactive_examples.schemas import Problem
from interactive_examples.settings import read_build, settings

log = logging.getLogger(__name__)

COMMON_ERRORS = {
    400: {"model": Problem, "description": "The request cannot be read."},
    413: {"model": Problem, "description": "The request is too large."},
    422: {"model": Problem, "description": "The request is not valid."},
    429: {"model": Problem, "description": "There were too many requests."},
    503: {"model": Problem, "description": "A dependency does not answer."},
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    build = app.state.build
    log.info("Started", extra={"fields": {"version": build.version, "commit": build.commit}})
    yield
    engine().dispose()


def create_app() -> FastAPI:
    logs.configure()
    # Documentation pages would load scripts from elsewhere; the document itself is enough.
    app = FastAPI(
        title="Interactive examples", lifespan=lifespan, docs_url=None, redoc_url=None, responses={**COMMON_ERRORS}
    )
    # Read once: the process goes on saying what it is when other files lie in its place.
    app.state.build = read_build()
    app.version = app.state.build.version
    for routes in (pages, examples, accounts, results, admin, system):
        app.include_router(routes.router)
    app.mount("/assets", pages.assets, name="assets")
    errors.install(app)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings().allowed_origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Content-Type", "X-Request-ID"],
        expose_headers=["X-Request-ID"],
        allow_credentials=True,
    )
    app.add_middleware(RequestMiddleware)
    return app


app = create_app()

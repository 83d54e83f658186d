"""What operators and monitoring ask."""

import logging

from fastapi import APIRouter, Request, Response
from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from interactive_examples import metrics
from interactive_examples.database import engine
from interactive_examples.redis_client import key, redis
from interactive_examples.schemas import Health, Version
from interactive_examples.settings import settings

log = logging.getLogger(__name__)
router = APIRouter(tags=["system"])


@router.get("/version")
def version(request: Request) -> Version:
    """The running version, as the process read it when it started."""
    build = request.app.state.build
    return Version(version=build.version, commit=build.commit, release=settings().release)


@router.get("/healthz", responses={503: {"model": Health, "description": "A dependency does not work."}})
def health(response: Response) -> Health:
    """Whether this process works, with what it depends on."""
    checks = {"database": "ok" if _database_works() else "failing", "redis": "ok" if _redis_works() else "failing"}
    healthy = set(checks.values()) == {"ok"}
    if not healthy:
        response.status_code = 503
    return Health(status="ok" if healthy else "failing", checks=checks)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def show_metrics(request: Request) -> Response:
    """Counters in Prometheus' text format."""
    return Response(metrics.render(request.app.state.build), media_type="text/plain; version=0.0.4; charset=utf-8")


def _database_works() -> bool:
    try:
        with engine().connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        log.warning("The database does not answer: %s", error)
        return False
    return True


def _redis_works() -> bool:
    """A full Redis still answers PING: write."""
    try:
        redis().set(key("health"), "ok", ex=60)
    except RedisError as error:
        log.warning("Redis does not answer: %s", error)
        return False
    return True

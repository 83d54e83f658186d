"""Connections to Redis. Every key carries the release, so that releases side by side do not meet."""

from functools import cache

from redis import Redis

from interactive_examples.settings import settings

TIMEOUT_SECONDS = 2
NAMESPACE = "examples"


@cache
def redis() -> "Redis[str]":
    return Redis.from_url(
        settings().redis_url,
        decode_responses=True,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=30,
    )


def key(*parts: str) -> str:
    return ":".join((NAMESPACE, settings().release, *parts))

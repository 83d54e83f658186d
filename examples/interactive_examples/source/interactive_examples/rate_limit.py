"""How often one person, or one address, may do a thing in a minute. All processes count together, in Redis."""

import hashlib
import time

from fastapi import HTTPException, Request

from interactive_examples.clients import address
from interactive_examples.models import User
from interactive_examples.redis_client import key, redis

WINDOW_SECONDS = 60
LIMITS = {"run": 120, "save": 60, "login": 20}


def limit(action: str, request: Request, user: User | None = None, name: str = "") -> str:
    """Counts one action and returns the counter's key; raises 429 where it is one too many."""
    who = f"user-{user.id}" if user else "address-" + _digest(address(request) + "\n" + name)
    now = time.time()
    window = int(now // WINDOW_SECONDS)
    counter = key("rate", action, who, str(window))
    with redis().pipeline(transaction=True) as pipeline:
        pipeline.incr(counter)
        pipeline.expire(counter, WINDOW_SECONDS * 2)
        count, _ = pipeline.execute()
    if count > LIMITS[action]:
        wait = int((window + 1) * WINDOW_SECONDS - now) + 1
        raise HTTPException(429, f"Too many requests. Try again in {wait} seconds.", headers={"Retry-After": str(wait)})
    return counter


def forgive(counter: str) -> None:
    redis().delete(counter)


def _digest(text: str) -> str:
    """Addresses do not stand in Redis as they are."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]

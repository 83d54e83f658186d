"""The rendered examples, kept in Redis. `python -m interactive_examples.cache rebuild` writes them anew."""

import argparse
import json
import logging
from collections.abc import Callable

from redis import RedisError
from sqlalchemy import select
from sqlalchemy.orm import Session

from interactive_examples import logs
from interactive_examples.database import engine
from interactive_examples.models import Example
from interactive_examples.redis_client import NAMESPACE, key, redis
from interactive_examples.schemas import ExampleDetail, ExampleSummary, to_json
from interactive_examples.settings import settings

log = logging.getLogger(__name__)


def rendered_list(database: Session) -> str:
    return _remembered(key("rendered", "list"), lambda: _render_list(_all(database))) or "[]"


def rendered_example(database: Session, slug: str) -> str | None:
    def render() -> str | None:
        example = database.scalar(select(Example).where(Example.slug == slug))
        return _render_example(example) if example else None

    return _remembered(key("rendered", "example", slug), render)


def rebuild(database: Session) -> dict[str, object]:
    """Write every entry of this release; remove those of all others."""
    examples = _all(database)
    entries = {key("rendered", "list"): _render_list(examples)}
    entries |= {key("rendered", "example", example.slug): _render_example(example) for example in examples}
    stale = [found for found in redis().scan_iter(f"{NAMESPACE}:*:rendered:*", count=500) if found not in entries]
    with redis().pipeline(transaction=True) as pipeline:
        pipeline.mset(entries)
        if stale:
            pipeline.delete(*stale)
        pipeline.execute()
    return {"release": settings().release, "written": len(entries), "removed": len(stale)}


def _all(database: Session) -> list[Example]:
    return list(database.scalars(select(Example).order_by(Example.position)))


def _render_list(examples: list[Example]) -> str:
    return to_json([ExampleSummary.model_validate(example) for example in examples])


def _render_example(example: Example) -> str:
    return to_json(ExampleDetail.model_validate(example))


def _remembered(name: str, render: Callable[[], str | None]) -> str | None:
    """Redis makes it quicker; without Redis the answer comes from the database."""
    try:
        if (found := redis().get(name)) is not None:
            return found
    except RedisError as error:
        log.warning("The cache cannot be read: %s", error)
        return render()
    rendered = render()
    if rendered is not None:
        try:
            redis().set(name, rendered)
        except RedisError as error:
            log.warning("The cache cannot be written: %s", error)
    return rendered


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m interactive_examples.cache", description=__doc__)
    parser.add_argument("action", choices=["rebuild"])
    parser.parse_args()
    logs.configure()
    with Session(engine()) as database:
        print(json.dumps(rebuild(database)))


if __name__ == "__main__":
    main()

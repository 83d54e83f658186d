"""Counts how often each example was run, every few seconds, and says in Redis that it is alive."""

import logging
import signal
import threading
import time

from redis import RedisError
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from interactive_examples import logs
from interactive_examples.database import engine
from interactive_examples.metrics import heartbeat_key
from interactive_examples.models import Event, Popularity
from interactive_examples.redis_client import redis

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5
HEARTBEAT_SECONDS = 3600
PATIENCE = 6


def count_runs(database: Session) -> int:
    """Bring the counts up to date; says how many have changed."""
    counted = (
        select(Event.example_id, func.count().label("runs"))
        .where(Event.kind == "run", Event.example_id.is_not(None))
        .group_by(Event.example_id)
    )
    new = insert(Popularity).from_select(["example_id", "runs"], counted)
    query = new.on_conflict_do_update(
        index_elements=[Popularity.example_id],
        set_={"runs": new.excluded.runs, "updated_at": func.now()},
        where=Popularity.runs != new.excluded.runs,
    )
    changed = database.execute(query, execution_options={"preserve_rowcount": True}).rowcount
    database.commit()
    return changed


def work_once() -> None:
    with Session(engine()) as database:
        changed = count_runs(database)
    redis().set(heartbeat_key(), str(time.time()), ex=HEARTBEAT_SECONDS)
    if changed:
        log.info("Counted", extra={"fields": {"changed": changed}})


def main() -> None:
    logs.configure()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("Started")
    failures = 0
    while not stop.is_set():
        try:
            work_once()
            failures = 0
        except (SQLAlchemyError, RedisError) as error:
            # A database that is away for moments is part of a deployment; one that stays away is an error.
            failures += 1
            log.log(logging.ERROR if failures >= PATIENCE else logging.WARNING, "Cannot count: %s", error)
        stop.wait(INTERVAL_SECONDS)
    log.info("Stopped")


if __name__ == "__main__":
    main()

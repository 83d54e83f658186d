"""Removes expired sessions and old events."""

import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from interactive_examples import logs
from interactive_examples.database import engine
from interactive_examples.models import Event, UserSession

log = logging.getLogger(__name__)

EVENTS_KEPT = timedelta(days=90)


def clean(database: Session, now: datetime) -> dict[str, int]:
    sessions = database.execute(delete(UserSession).where(UserSession.expires_at <= now)).rowcount
    events = database.execute(delete(Event).where(Event.created_at < now - EVENTS_KEPT)).rowcount
    database.commit()
    return {"sessions": sessions, "events": events}


def main() -> None:
    logs.configure()
    with Session(engine()) as database:
        removed = clean(database, datetime.now(UTC))
    log.info("Cleaned", extra={"fields": removed})


if __name__ == "__main__":
    main()

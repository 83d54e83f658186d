"""What people do, one row an action. It is written in the action's own transaction."""

from typing import Literal

from sqlalchemy.orm import Session

from interactive_examples.logs import request_id
from interactive_examples.models import Event, User
from interactive_examples.settings import settings

Kind = Literal["login", "logout", "run", "result_saved", "result_deleted", "user_created", "user_deleted"]


def record(database: Session, kind: Kind, user: User | None, example_id: int | None = None) -> None:
    database.add(
        Event(
            kind=kind,
            user_id=user.id if user else None,
            example_id=example_id,
            request_id=request_id.get(),
            release=settings().release,
        )
    )

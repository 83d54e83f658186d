"""Connections to PostgreSQL."""

from collections.abc import Iterator
from functools import cache
from typing import Annotated

from fastapi import Depends
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from interactive_examples.settings import settings

CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_MS = 10_000


@cache
def engine() -> Engine:
    return create_engine(
        settings().database_url,
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=5,
        pool_timeout=10,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": f"interactive_examples {settings().release}",
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
        },
    )


def open_session() -> Iterator[Session]:
    with Session(engine(), expire_on_commit=False) as session:
        yield session


Database = Annotated[Session, Depends(open_session)]

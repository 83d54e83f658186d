"""Prints the token of an administrator's session that has expired, so that operators can see it refused."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from interactive_examples.accounts import ADMIN, open_session
from interactive_examples.database import engine
from interactive_examples.models import User, UserSession


def make(database: Session) -> str:
    user = database.scalars(select(User).where(User.username == ADMIN)).one()
    token = open_session(database, user)
    for made in database.new:
        if isinstance(made, UserSession):
            made.expires_at = datetime.now(UTC) - timedelta(minutes=1)
    database.commit()
    return token


def main() -> None:
    with Session(engine()) as database:
        print(make(database))


if __name__ == "__main__":
    main()

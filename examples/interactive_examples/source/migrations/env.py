"""How Alembic reaches the database: the address is in DATABASE_URL."""

import os

from alembic import context
from sqlalchemy import create_engine, pool

from interactive_examples.models import Base

LOCK_TIMEOUT_MS = 10_000


def run() -> None:
    engine = create_engine(
        os.environ["DATABASE_URL"],
        poolclass=pool.NullPool,
        connect_args={"options": f"-c lock_timeout={LOCK_TIMEOUT_MS}"},
    )
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            compare_type=True,
            compare_server_default=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Migrations run against a database; there is no offline mode.")
run()

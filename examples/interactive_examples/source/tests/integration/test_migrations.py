import os

import psycopg
import pytest
import services


def test_the_schema_equals_the_models():
    assert "No new upgrade operations" in services.alembic("check").stdout


def test_there_is_one_head():
    assert len(services.alembic("heads").stdout.splitlines()) == 1


def test_down_and_up_again():
    head = services.alembic("heads").stdout.split()[0]
    services.alembic("downgrade", "base")
    services.alembic("upgrade", "head")
    assert services.alembic("current").stdout.split()[0] == head


def test_the_application_may_not_change_the_schema():
    with (
        psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("ALTER TABLE users ADD COLUMN surplus int")

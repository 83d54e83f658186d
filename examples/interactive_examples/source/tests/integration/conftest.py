import os
import time

import psycopg
import pytest
import services
from redis import Redis

services.require()


def database_transactions(connection):
    connection.execute("SELECT pg_stat_clear_snapshot()")
    row = connection.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()").fetchone()
    return row[0]


@pytest.fixture(scope="session", autouse=True)
def real_services(record_testsuite_property):
    """Migrated, and asked afterwards whether they really did the work."""
    address = os.environ["MIGRATION_DATABASE_URL"].replace("+psycopg", "")
    redis = Redis.from_url(os.environ["REDIS_URL"])
    with psycopg.connect(address, autocommit=True) as connection:
        services.alembic("upgrade", "head")
        transactions, commands = database_transactions(connection), redis.info("stats")["total_commands_processed"]
        yield
        time.sleep(1.1)  # PostgreSQL reports its counters once a second
        transactions = database_transactions(connection) - transactions
        commands = redis.info("stats")["total_commands_processed"] - commands
    redis.close()
    record_testsuite_property("postgresql_transactions", transactions)
    record_testsuite_property("redis_commands", commands)
    assert transactions > 0
    assert commands > 1


@pytest.fixture(scope="session")
def app(real_services):
    from interactive_examples.main import app

    return app


@pytest.fixture
def client(app):
    from fastapi.testclient import TestClient

    with TestClient(app, base_url="https://examples.test") as client:
        yield client


@pytest.fixture
def admin(app, client):
    from fastapi.testclient import TestClient

    with TestClient(app, base_url="https://examples.test") as admin:
        answer = admin.post("/api/login", json={"username": "admin", "password": "the administrator's"})
        assert answer.status_code == 200
        yield admin


@pytest.fixture
def make_user(app, admin):
    """Logged-in people, removed afterwards."""
    from fastapi.testclient import TestClient

    made = []

    def make(name):
        credentials = {"username": name, "password": f"a password of {name}"}
        created = admin.post("/api/admin/users", json=credentials)
        assert created.status_code == 201
        made.append(created.json()["id"])
        client = TestClient(app, base_url="https://examples.test")
        assert client.post("/api/login", json=credentials).status_code == 200
        return client

    yield make
    for identifier in made:
        admin.delete(f"/api/admin/users/{identifier}")

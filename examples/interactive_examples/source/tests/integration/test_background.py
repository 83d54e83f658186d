from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from interactive_examples import cleanup, worker
from interactive_examples.database import engine
from interactive_examples.metrics import heartbeat_key
from interactive_examples.models import Event, User, UserSession
from interactive_examples.redis_client import redis


@pytest.fixture
def database():
    with Session(engine()) as session:
        yield session


def runs(client, slug):
    return {entry["slug"]: entry["runs"] for entry in client.get("/api/popularity").json()}.get(slug, 0)


def test_the_worker_counts_runs(client):
    worker.work_once()
    before = runs(client, "errors-python")
    for _ in range(2):
        client.post("/api/run", json={"language": "python", "code": "1", "example": "errors-python"})
    worker.work_once()
    assert runs(client, "errors-python") == before + 2


def test_counting_again_changes_nothing(database):
    worker.count_runs(database)
    assert worker.count_runs(database) == 0


def test_the_worker_says_that_it_is_alive(client):
    redis().delete(heartbeat_key())
    assert "\nworker_heartbeat_timestamp_seconds 0.0" in client.get("/metrics").text
    worker.work_once()
    assert float(redis().get(heartbeat_key())) == pytest.approx(datetime.now(UTC).timestamp(), abs=5)
    assert heartbeat_key().startswith("examples:release-1:worker:")


def test_cleanup_removes_what_is_old_and_nothing_else(database):
    now = datetime.now(UTC)
    user = User(username="cleaned", password_hash="x")
    database.add(user)
    database.flush()
    for name, age in (("old", timedelta(seconds=1)), ("new", -timedelta(hours=1))):
        database.add(UserSession(token_hash=name, user_id=user.id, expires_at=now - age))
    for name, age in (("old", cleanup.EVENTS_KEPT + timedelta(days=1)), ("new", timedelta(days=1))):
        database.add(Event(kind="run", request_id=name, release="r", user_id=user.id, created_at=now - age))
    database.commit()
    try:
        assert cleanup.clean(database, now) == {"sessions": 1, "events": 1}
        assert cleanup.clean(database, now) == {"sessions": 0, "events": 0}
    finally:
        database.execute(delete(User).where(User.id == user.id))
        database.commit()

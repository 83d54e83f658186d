import json

import pytest
from sqlalchemy.orm import Session

from interactive_examples import cache
from interactive_examples.database import engine
from interactive_examples.redis_client import key, redis

LISTED = 8


def test_list(client):
    examples = client.get("/api/examples").json()
    assert len(examples) == LISTED
    assert {example["language"] for example in examples} == {"python", "javascript"}


def test_each_example_runs_without_an_error(client):
    for example in client.get("/api/examples").json():
        detail = client.get(f"/api/examples/{example['slug']}").json()
        body = {"language": detail["language"], "code": detail["code"], "example": detail["slug"]}
        outcome = client.post("/api/run", json=body).json()
        assert outcome["exit_code"] == 0, (example["slug"], outcome)
        assert outcome["stdout"]
        assert outcome["stderr"] == ""


@pytest.mark.parametrize(
    ("path", "status"), [("does-not-exist", 404), ("%00", 422), ("A", 422), ("a" * 81, 422), ("'%20OR%201=1", 422)]
)
def test_unknown_and_invalid_slugs(client, path, status):
    answer = client.get(f"/api/examples/{path}")
    assert answer.status_code == status
    assert answer.json()["message"]
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_the_cache_is_rebuilt_and_others_entries_go(client):
    redis().set("examples:another-release:rendered:list", "[]")
    redis().delete(key("rendered", "list"))
    with Session(engine()) as database:
        report = cache.rebuild(database)
    assert report == {"release": "release-1", "written": LISTED + 1, "removed": 1}
    assert json.loads(redis().get("examples:release-1:rendered:list")) == client.get("/api/examples").json()
    assert redis().get("examples:another-release:rendered:list") is None


def test_answers_come_from_the_cache(client):
    client.get("/api/examples/hello-python")
    redis().set(key("rendered", "example", "hello-python"), '{"from": "the cache"}')
    try:
        assert client.get("/api/examples/hello-python").json() == {"from": "the cache"}
    finally:
        redis().delete(key("rendered", "example", "hello-python"))

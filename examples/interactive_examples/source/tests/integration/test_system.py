import re

import pytest
import sqlalchemy
from redis import Redis

from interactive_examples.routes import system


def test_version(client):
    assert client.get("/version").json() == {"version": "dev", "commit": "dev", "release": "release-1"}


def test_health(client):
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "checks": {"database": "ok", "redis": "ok"}}


@pytest.mark.parametrize("down", ["database", "redis"])
def test_health_without_a_dependency(client, monkeypatch, down):
    if down == "redis":
        monkeypatch.setattr(system, "redis", lambda: Redis(port=1))
    else:
        away = sqlalchemy.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
        monkeypatch.setattr(system, "engine", lambda: away)
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failing"
    assert answer.json()["checks"][down] == "failing"


def test_without_redis_examples_are_still_read(client, monkeypatch):
    from interactive_examples import cache

    monkeypatch.setattr(cache, "redis", lambda: Redis(port=1))
    assert client.get("/api/examples/hello-python").status_code == 200


def test_without_redis_nothing_is_run(client, monkeypatch):
    from interactive_examples import rate_limit

    monkeypatch.setattr(rate_limit, "redis", lambda: Redis(port=1))
    answer = client.post("/api/run", json={"language": "python", "code": "1"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


def test_metrics_move(client):
    def requests():
        text = client.get("/metrics").text
        found = re.search(r'http_requests_total\{method="GET",route="/api/examples",status="200"\} (\S+)', text)
        return float(found[1]) if found else 0.0

    before = requests()
    for _ in range(3):
        client.get("/api/examples")
    assert requests() == before + 3
    assert 'examples_build_info{commit="dev",release="release-1",version="dev"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize(("given", "kept"), [("abc-1._", True), ("a b", False), ("x" * 65, False), ("a\tb", False)])
def test_request_ids(client, given, kept):
    returned = client.get("/version", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert (returned == given) is kept
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", returned)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://examples.test", True),
        ("https://examples.test.evil.test", False),
        ("https://evil.test", False),
        ("http://examples.test", False),
        ("null", False),
    ],
)
def test_origins(client, origin, allowed):
    preflight = client.options("/api/run", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
    simple = client.get("/api/examples", headers={"Origin": origin})
    for answer in (preflight, simple):
        assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)


def test_unexpected_errors_are_answered_without_a_trace(client, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(system, "_database_works", fail)
    answer = client.get("/healthz", headers={"X-Request-ID": "fail-1"})
    assert answer.status_code == 500
    assert answer.json() == {"message": "Something went wrong on our side.", "request_id": "fail-1"}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/none", 404), ("PUT", "/api/run", 405)])
def test_errors_are_json(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["message"]

import pytest

GUARDED = [
    ("GET", "/api/results"),
    ("POST", "/api/results"),
    ("GET", "/api/results/1"),
    ("DELETE", "/api/results/1"),
    ("POST", "/api/logout"),
    ("GET", "/api/admin/users"),
    ("POST", "/api/admin/users"),
    ("DELETE", "/api/admin/users/1"),
    ("GET", "/api/admin/activity"),
    ("GET", "/admin"),
]
ADMINISTRATORS = [entry for entry in GUARDED if "admin" in entry[1]]
RESULT = {"example": "hello-python", "code": "print(1)", "stdout": "1\n", "stderr": "", "exit_code": 0}


@pytest.mark.parametrize("cookie", [None, "", "forged", "x" * 4000])
@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_nobody_gets_in_without_a_session(client, method, path, cookie):
    headers = {} if cookie is None else {"Cookie": f"session={cookie}"}
    body = {"json": RESULT if "results" in path else {"username": "eve", "password": "long enough"}}
    answer = client.request(method, path, headers=headers, **(body if method == "POST" else {}))
    assert answer.status_code == 401
    assert answer.json()["message"]


def test_only_administrators_administrate(make_user):
    client = make_user("plain")
    for method, path in ADMINISTRATORS:
        body = {"json": {"username": "eve", "password": "long enough"}} if method == "POST" else {}
        assert client.request(method, path, **body).status_code == 403


def test_the_cookie_is_kept_from_scripts_and_other_sites(client):
    answer = client.post("/api/login", json={"username": "admin", "password": "the administrator's"})
    attributes = answer.headers["set-cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=strict" in attributes
    assert "secure" in attributes


@pytest.mark.parametrize(
    ("username", "password"), [("admin", "wrong"), ("nobody", "wrong"), ("admin", "the administrator's ")]
)
def test_wrong_credentials(client, username, password):
    answer = client.post("/api/login", json={"username": username, "password": password})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_without_a_password_in_the_environment_nobody_is_administrator(client, monkeypatch):
    import dataclasses

    from interactive_examples import accounts
    from interactive_examples.settings import settings

    monkeypatch.setattr(accounts, "settings", lambda: dataclasses.replace(settings(), admin_password=""))
    for password in (" ", "x"):
        assert client.post("/api/login", json={"username": "admin", "password": password}).status_code == 401


def test_log_out_ends_the_session_on_the_server(make_user):
    client = make_user("leaver")
    token = client.cookies["session"]
    assert client.get("/api/session").json()["account"]["username"] == "leaver"
    assert client.post("/api/logout").status_code == 204
    assert client.get("/api/results", headers={"Cookie": f"session={token}"}).status_code == 401


def test_expired_sessions_count_no_more(make_user):
    from datetime import UTC, datetime, timedelta

    from sqlalchemy import update
    from sqlalchemy.orm import Session

    from interactive_examples.database import engine
    from interactive_examples.models import UserSession

    client = make_user("sleeper")
    identifier = client.get("/api/session").json()["account"]["id"]
    with Session(engine()) as database:
        past = datetime.now(UTC) - timedelta(seconds=1)
        database.execute(update(UserSession).where(UserSession.user_id == identifier).values(expires_at=past))
        database.commit()
    assert client.get("/api/session").json() == {"account": None}
    assert client.get("/api/results").status_code == 401


def test_a_name_is_taken_once(admin, make_user):
    make_user("unique")
    answer = admin.post("/api/admin/users", json={"username": "unique", "password": "long enough"})
    assert answer.status_code == 409


def test_administrators_are_not_removed(admin):
    assert admin.delete("/api/admin/users/1").status_code in (404, 409)
    identifier = admin.get("/api/session").json()["account"]["id"]
    assert admin.delete(f"/api/admin/users/{identifier}").status_code == 409


def test_too_many_logins(client, monkeypatch):
    from interactive_examples import rate_limit

    monkeypatch.setitem(rate_limit.LIMITS, "login", 2)
    body = {"username": "guessed", "password": "wrong"}
    statuses = [client.post("/api/login", json=body).status_code for _ in range(6)]
    assert statuses[0] == 401
    assert statuses[-1] == 429

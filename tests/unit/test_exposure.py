"""What a site gives away, against a real server."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible.module_utils.tickbox.answers import Answer
from ansible.module_utils.tickbox.exposure import answer_problems, chunks
from hypothesis import given, settings
from hypothesis import strategies as st
from web import Reply, serving

SECRET = "correct-horse-battery"  # noqa: S105
CODE = {"Content-Type": "text/javascript"}
SITE: dict[str, Reply] = {
    "/": (200, {"Content-Type": "text/html"}, '<script src="/assets/main-1.js"></script>'),
    "/assets/main-1.js": (200, CODE, 'import("./later-2.js")'),
    "/assets/later-2.js": (200, CODE, "42"),
}
Run = Callable[..., dict[str, Any]]


def check(run_module: Run, site: Mapping[str, Reply], other: Reply = (404, {}, "nothing"), **arguments: Any) -> dict[str, Any]:
    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        return site.get(path, other) if method == "GET" else (405, {}, "no")

    with serving(respond) as port:
        result = run_module(
            "check_exposure",
            **{
                "url": f"http://shop.example.com:{port}",
                "addresses": ["127.0.0.1"],
                "pace": 2000,
                "http_port": 0,
                "openapi_path": "",
                "secrets": {"session key": SECRET, "pin": "1234"},
                "places": ["/srv/shop"],
                "report_only": True,
                **arguments,
            },
        )
    assertion: dict[str, Any] = result["assertions"][0]
    assert SECRET not in str(assertion)
    assert "\n" not in assertion["summary"]
    return assertion


def test_a_site_that_gives_nothing_away(run_module: Run) -> None:
    seen = check(run_module, SITE)
    assert seen["status"] == "passed", seen["summary"]
    assert seen["observed"]["scripts"] == 2


def test_a_site_that_answers_everything_with_its_page(run_module: Run) -> None:
    assert check(run_module, SITE, other=SITE["/"])["status"] == "passed"


@pytest.mark.parametrize(
    ("site", "says"),
    [
        ({"/.env": (200, {}, "A=1")}, "served: GET /.env (200)"),
        ({"/.git/HEAD": (200, {}, "ref: refs/heads/main")}, "GET /.git/HEAD"),
        ({"/.git/config": (301, {"Location": "/x"}, "")}, "GET /.git/config (301)"),
        ({"/backup.sql": (206, {}, "x")}, "GET /backup.sql"),
        ({"/assets/": (200, {}, "<a href=main-1.js>")}, "GET /assets/ (200)"),
        ({"/assets/..%2fpyproject.toml": (200, {}, "[project]")}, "GET /assets/..%2fpyproject.toml"),
        ({"/metrics": (200, {}, "up 1")}, "GET /metrics (200)"),
        ({"/swagger": (200, {}, "x")}, "GET /swagger (200)"),
        ({"/own-backup": (200, {}, "x")}, "GET /own-backup (200)"),
        ({"/assets/main-1.js.map": (200, {}, "{}")}, "source maps: GET /assets/main-1.js.map"),
        ({"/assets/later-2.js.map": (200, {}, "{}")}, "source maps: GET /assets/later-2.js.map"),
        (
            {"/assets/main-1.js": (200, CODE, "1 //# sourceMappingURL=data:application/json;base64,e30=")},
            "a reference to a source map",
        ),
        ({"/assets/main-1.js": (200, {**CODE, "SourceMap": "/x"}, "1")}, "the source map's header"),
        ({"/assets/main-1.js": (200, CODE, f'k="{SECRET}"')}, "session key (a secret of this deployment): GET /assets/main-1.js"),
        ({"/assets/later-2.js": (200, CODE, 'k="AKIAIOSFODNN7EXAMPLE"')}, "a key of AWS: GET /assets/later-2.js"),
        ({"/": (200, {"Content-Type": "text/html", "X-Powered-By": "Shop"}, "")}, "the header x-powered-by"),
        ({"/": (200, {"Content-Type": "text/html", "X-Key": SECRET}, "")}, "session key (a secret of this deployment): GET / "),
    ],
)
def test_a_site_that_gives_something_away_is_refused(run_module: Run, site: dict[str, Reply], says: str) -> None:
    seen = check(run_module, {**SITE, **site}, hidden_paths=["/own-backup"])
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("nginx/1.22.1", "the version nginx/1.22.1"),
        ("Traceback (most recent call last):", "a trace"),
        ('  File "/x/y.py", line 3, in z', "a trace"),
        ("    at Object.<anonymous> (/app/x.js:1:2)", "a trace"),
        ("psycopg.errors.SyntaxError: syntax error at or near", "a trace"),
        ("no such file: /srv/shop/x", "the path /srv/shop"),
        ("postgresql://shop:hunter22@db/shop", "an address with a password"),
    ],
)
def test_an_error_that_says_too_much_is_refused(run_module: Run, body: str, says: str) -> None:
    seen = check(run_module, SITE, other=(404, {}, body))
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


def test_paths_that_are_a_part_of_the_site(run_module: Run) -> None:
    site = {**SITE, "/docs": (200, {}, "how to")}
    assert check(run_module, site)["status"] == "failed"
    assert check(run_module, site, served_paths=["/docs"])["status"] == "passed"


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----", "ghp_" + "a1" * 18, "glpat-" + "a" * 20, "xoxb-1234567890-ab",
        "sk_live_" + "a1" * 12, "AIza" + "a" * 35, "redis://:secretpass@host", "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
        'apiKey: "a1b2c3d4e5f6a7b8c9"', "SECRET_KEY='0123456789abcdef0123'",
    ],
)  # fmt: skip
def test_secrets_have_forms(text: str) -> None:
    assert answer_problems(Answer(200, {}, text.encode()), {}, [])


@pytest.mark.parametrize(
    "text", ["password: the user's", "https://example.com/a@b", "const token = next()", "postgres://localhost/x", "apiKey:'key'"]
)
def test_what_is_no_secret(text: str) -> None:
    assert answer_problems(Answer(200, {"content-type": "text/javascript"}, text.encode()), {}, []) == []


@given(st.binary(max_size=300), st.sampled_from([200, 404, 500]))
@settings(max_examples=100)
def test_any_body_is_read(body: bytes, status: int) -> None:
    assert isinstance(answer_problems(Answer(status, {"content-type": "text/html"}, body), {"x": SECRET}, ["/srv"]), list)


def test_chunks_of_a_script() -> None:
    assert chunks('import("./a-1.js"); x="assets/b.css"; y=`c.js`; "d.txt"', "/assets/") == [
        "/assets/a-1.js",
        "/assets/b.css",
        "/assets/c.js",
    ]


def test_a_site_that_cannot_be_asked_is_unverifiable(run_module: Run) -> None:
    seen = check(run_module, SITE, url="http://shop.example.com:9")
    assert (seen["status"], "cannot be asked" in seen["summary"]) == ("unverifiable", True)

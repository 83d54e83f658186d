"""The frontend as it was built, and a journey that stores and reads back."""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.answers import Answer
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.assets import references
from ansible.module_utils.tickbox.journey import filled, kept, proves_nothing
from hypothesis import given, settings
from hypothesis import strategies as st
from web import Reply, serving

Run = Callable[..., dict[str, Any]]
Respond = Callable[[str, str, Mapping[str, str]], Reply]

PAGE = '<!doctype html><link rel="stylesheet" href="/assets/a.css"><script type="module" src="/assets/a.js"></script>'
FILES = {
    "dist/index.html": PAGE,
    "dist/assets/a.js": 'import{x}from"./b.js";x()',
    "dist/assets/b.js": "export const x=()=>1",
    "dist/assets/a.css": "body{background:url(/assets/p.svg)}",
    "dist/assets/p.svg": "<svg/>",
}
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
SERVED = {("/" if name == "dist/index.html" else name.removeprefix("dist")): text for name, text in FILES.items()}


def archive(folder: Path, files: Mapping[str, str]) -> Path:
    path = folder / "artefact.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return path


def site(served: Mapping[str, str], kinds: Mapping[str, str] = KINDS, **headers: str) -> Respond:
    def respond(_method: str, path: str, _headers: Mapping[str, str]) -> Reply:
        if path not in served:
            return 404, {}, "none"
        return 200, {"Content-Type": kinds.get(Path(path).suffix or ".html", "x/y"), **headers}, served[path]

    return respond


def frontend(run_module: Run, folder: Path, respond: Respond, files: Mapping[str, str] = FILES, **given: Any) -> dict[str, Any]:
    with serving(respond) as port:
        arguments: dict[str, Any] = {
            "items": ["deploy.release.frontend"],
            "url": f"http://shop.example.com:{port}",
            "addresses": ["127.0.0.1"],
            "archive": str(archive(folder, files)),
            "assets": [{"folder": "dist/assets", "path": "/assets"}],
            "pages": [{"file": "dist/index.html", "path": "/"}],
            "report_only": True,
        }
        assertion: dict[str, Any] = run_module("check_visit", **{**arguments, **given})["assertions"][0]
    return assertion


def test_a_frontend_that_is_what_was_built_passes(run_module: Run, tmp_path: Path) -> None:
    seen = frontend(run_module, tmp_path, site(SERVED))
    assert seen["status"] == "passed", seen["summary"]


def compressed_is_stale(method: str, path: str, headers: Mapping[str, str]) -> Reply:
    status, kinds, body = site(SERVED)(method, path, headers)
    return status, kinds, body + (" old" if headers["Accept-Encoding"] == "gzip" and path == "/assets/a.js" else "")


@pytest.mark.parametrize(
    ("respond", "says"),
    [
        (site({**SERVED, "/assets/a.js": "old"}), "/assets/a.js: what is served in its gzip form is not what was built"),
        (site({path: text for path, text in SERVED.items() if path != "/assets/b.js"}), "/assets/b.js: status 404"),
        (site({**SERVED, "/": PAGE + "<!-- earlier -->"}), "/: what is served"),
        (compressed_is_stale, "in its gzip form"),
        (site({**SERVED, "/assets/a.js.map": '{"mappings": ""}'}), "/assets/a.js.map: a source map is served"),
        (site(SERVED, SourceMap="/elsewhere"), "a header names its source map"),
        (site(SERVED, {**KINDS, ".js": "text/plain"}), "/assets/a.js: served as text/plain"),
        (site(dict.fromkeys(SERVED, PAGE)), "is not what was built"),
        (lambda *_: (503, {}, "closed"), "status 503"),
    ],
)
def test_another_frontend_is_refused(run_module: Run, tmp_path: Path, respond: Respond, says: str) -> None:
    seen = frontend(run_module, tmp_path, respond)
    assert seen["status"] == "failed"
    assert says in seen["summary"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dist/assets/a.js": 'import{x}from"./c.js"'}, "/assets/a.js names ./c.js, which the build does not have"),
        ({"dist/index.html": PAGE + '<link rel="icon" href="/none.ico">'}, "/ names /none.ico"),
        ({"dist/index.html": PAGE + "<img src=https://cdn.example.com/x.png>"}, "of another site"),
        ({"dist/assets/a.css": "a{b:url(/assets/none.svg)}"}, "/assets/a.css names /assets/none.svg"),
        ({"dist/assets/a.js.map": "{}"}, "the build holds a source map"),
        ({"dist/assets/b.js": "x()\n//# sourceMappingURL=data:application/json;base64,e30="}, "it names its source map"),
    ],
)
def test_a_build_that_lacks_something_is_refused(run_module: Run, tmp_path: Path, change: dict[str, str], says: str) -> None:
    files = {**FILES, **change}
    served = {("/" if name == "dist/index.html" else name.removeprefix("dist")): text for name, text in files.items()}
    seen = frontend(run_module, tmp_path, site(served), files)
    assert seen["status"] == "failed"
    assert says in seen["summary"]


def test_a_site_with_one_page_for_every_path_has_no_source_maps(run_module: Run, tmp_path: Path) -> None:
    plain = site(SERVED)
    seen = frontend(run_module, tmp_path, lambda m, path, h: plain(m, path if path in SERVED else "/", h))
    assert seen["status"] == "passed", seen["summary"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"archive_sha256": "0" * 64}, "its digest is another"),
        ({"archive": __file__}, "cannot be read"),
        ({"archive": "/none"}, "could not look"),
        ({"assets": [{"folder": "build", "path": "/"}]}, "the build has no file in build"),
        ({"pages": [{"file": "dist/none.html", "path": "/"}]}, "the build has no file dist/none.html"),
        ({"assets": []}, "one of them is missing"),
    ],
)
def test_without_the_build_nothing_is_known(run_module: Run, tmp_path: Path, given: dict[str, Any], says: str) -> None:
    seen = frontend(run_module, tmp_path, site(SERVED), **given)
    assert seen["status"] == "unverifiable"
    assert says in seen["summary"]


@given(st.sampled_from(["/", "/a.css", "/a.js"]), st.binary(max_size=200))
@settings(max_examples=80)
def test_no_file_stops_the_look(path: str, content: bytes) -> None:
    assert all(isinstance(reference, str) for reference in references(path, content))


JOURNEY = [
    {"name": "log in", "method": "POST", "path": "/login", "body": {"password": "${password}"}, "json": {"ok": True}},
    {
        "name": "store",
        "method": "POST",
        "path": "/notes",
        "body": {"text": "${nonce}", "n": "${product}"},
        "status": 201,
        "keep": {"id": "id"},
    },
    {"name": "read back", "path": "/notes/${id}", "json": {"text": "${nonce}", "n": "${product}"}, "repeat": 3},
    {"name": "delete", "method": "DELETE", "path": "/notes/${id}", "status": 204, "always": True},
]
SECRET = "correct-horse"  # noqa: S105


class Notes:
    """An application with a place for notes. What is broken is named."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.notes: dict[str, dict[str, Any]] = {}
        self.deleted = 0
        self.read = 0

    def respond(self, method: str, path: str, headers: Mapping[str, str]) -> Reply:
        echo = {"X-Request-ID": headers["X-Request-ID"]}
        if path == "/login":
            return 200, {**echo, "Set-Cookie": "session=abc; HttpOnly"}, json.dumps({"ok": self.broken != "login"})
        if "session=abc" not in headers.get("Cookie", ""):
            return 401, echo, "{}"
        if method == "POST":
            given = json.loads(headers["X-Body"]) if "X-Body" in headers else {}
            if self.broken != "dropped":
                self.notes["7"] = given
            return (200 if self.broken == "status" else 201), echo, json.dumps({} if self.broken == "no id" else {"id": 7})
        if method == "DELETE":
            self.deleted += 1
            return 204, echo, ""
        self.read += 1
        if self.broken == "sometimes" and self.read == 2:
            return 404, echo, "{}"
        note = dict(self.notes.get("7", {}))
        if self.broken == "cut" and note:
            note["text"] = note["text"][:-1]
        status = 200 if note else 404
        return status, {**echo, **({"X-Cache": "HIT"} if self.broken == "cached" else {})}, json.dumps(note)


def journey(run_module: Run, application: Notes, steps: Any = JOURNEY) -> dict[str, Any]:
    # The small server does not hand the body on, so the steps send it in a header as well.
    steps = [
        {**step, "headers": {"X-Body": '{"text": "${nonce}", "n": ${product}}'}} if step.get("name") == "store" else step
        for step in steps
    ]
    with serving(application.respond) as port:
        result = run_module(
            "check_visit",
            items=["deploy.verification.critical_functionality"],
            url=f"http://shop.example.com:{port}",
            addresses=["127.0.0.1"],
            journey=steps,
            secrets={"password": SECRET},
            report_only=True,
        )
    assert SECRET not in json.dumps(result["assertions"])
    assertion: dict[str, Any] = result["assertions"][0]
    return assertion


@pytest.fixture
def _delete(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small server knows no DELETE of its own."""
    monkeypatch.setattr(BaseHTTPRequestHandler, "do_DELETE", lambda handler: handler.do_GET(), raising=False)


@pytest.mark.usefixtures("_delete")
def test_a_journey_that_stores_and_reads_back_passes(run_module: Run) -> None:
    application = Notes()
    seen = journey(run_module, application)
    assert seen["status"] == "passed", seen["summary"]
    assert (application.read, application.deleted) == (3, 1)


@pytest.mark.usefixtures("_delete")
@pytest.mark.parametrize(
    ("broken", "says", "deleted"),
    [
        ("login", "log in: body.ok is false", 0),
        ("status", "store: status 200, not 201", 0),
        ("no id", "store: the answer has no id", 0),
        ("dropped", "read back: status 404, not 200", 1),
        ("cut", "read back: body.text is", 1),
        ("sometimes", "read back: status 404", 1),
        ("cached", "read back: an answer from a cache", 1),
    ],
)
def test_what_does_not_work_is_refused(run_module: Run, broken: str, says: str, deleted: int) -> None:
    application = Notes(broken)
    seen = journey(run_module, application)
    assert seen["status"] == "failed"
    assert says in seen["summary"]
    assert application.deleted == deleted


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([], "no step of the journey sends"),
        (JOURNEY[:2], "no GET of the journey asks"),
        ([*JOURNEY[:2], {"path": "/notes/${id}", "json": {}}], "no GET of the journey asks"),
        ([JOURNEY[0], {"path": "/", "json": "${nonce}"}], "no step of the journey sends"),
        ([*JOURNEY[:2], {"name": "see", "path": "/${other}"}, JOURNEY[2]], "see: no step before keeps ${other}"),
        ([{"name": "x"}, *JOURNEY], "a step of the journey has no path"),
    ],
)
def test_a_journey_that_would_prove_nothing_is_not_taken(run_module: Run, steps: list[Any], says: str) -> None:
    seen = journey(run_module, Notes(), steps)
    assert seen["status"] == "unverifiable"
    assert says in seen["summary"]


def test_placeholders_keep_their_type_and_unknown_ones_are_named() -> None:
    values = {"id": 7, "name": "a"}
    assert filled({"${name}": ["${id}", "no. ${id}", 1, None]}, values, "s") == {"a": [7, "no. 7", 1, None]}
    with pytest.raises(CouldNotLook, match="other"):
        filled("${other}", values, "s")


@given(st.binary(max_size=100), st.text(max_size=10))
@settings(max_examples=60)
def test_no_answer_stops_the_journey(body: bytes, place: str) -> None:
    found, problems = kept({"x": place}, Answer(200, {}, body))
    assert bool(found) != bool(problems)


def test_the_order_of_storing_and_reading_matters() -> None:
    assert proves_nothing([JOURNEY[2], JOURNEY[1]])
    assert proves_nothing(JOURNEY) is None

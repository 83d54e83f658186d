"""Known vulnerabilities: a local service that speaks OSV's API, exports in OSV's form, and what makes either worth nothing."""

import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import signing
import web
from ansible.module_utils.tickbox import advisories
from ansible.module_utils.tickbox.advisories import is_affected, read_advisory, read_package_lock, read_requirements
from ansible.module_utils.tickbox.assertion import CouldNotLook
from hypothesis import given, settings
from hypothesis import strategies as st

PIP = r"""jinja2==3.1.6 \
    --hash=sha256:aa \
    --hash=sha256:bb
    # via shop
async-timeout==5.0.1 ; python_version < '3.11' \
    --hash=sha256:cc
"""
NPM = {
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "shop"},
        "node_modules/lodash": {"version": "4.17.21", "resolved": "https://registry.npmjs.org/lodash/-/lodash-4.17.21.tgz"},
        "node_modules/vite/node_modules/@types/node": {"version": "20.1.0"},
    },
}


def affected(ecosystem: str, name: str, fixed: str, kind: str = "ECOSYSTEM") -> dict[str, Any]:
    return {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": kind, "events": [{"introduced": "0"}, {"fixed": fixed}]}],
    }


def record(identifier: str, where: dict[str, Any], severity: str | None = "HIGH", **more: Any) -> dict[str, Any]:
    said = {"database_specific": {"severity": severity}} if severity else {}
    return {"id": identifier, "modified": datetime.now(UTC).isoformat(), "affected": [where], **said, **more}


KNOWN = [
    record("GHSA-jinja", affected("PyPI", "Jinja2", "2.10.1")),
    record("GHSA-django", affected("PyPI", "django", "2.2.1")),
    record("GHSA-lodash", affected("npm", "lodash", "4.17.19", "SEMVER"), "CRITICAL"),
    record("GHSA-minimist", affected("npm", "minimist", "1.2.6", "SEMVER"), "CRITICAL"),
]


@contextmanager
def osv(records: list[dict[str, Any]], status: int = 200, results: Any = None, date: str = "") -> Iterator[str]:
    """OSV's API over ``records``, one vulnerability a page."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output quiet."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return date or super().date_time_string(timestamp)

        def reply(self, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.reply(next(one for one in records if self.path == f"/v1/vulns/{one['id']}"))

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            self.reply({"results": results if results is not None else [self.answer(one) for one in asked]})

        @staticmethod
        def answer(question: dict[str, Any]) -> dict[str, Any]:
            package = (question["package"]["ecosystem"], question["package"]["name"], question["version"])
            hits = [
                {"id": one["id"], "modified": one["modified"]}
                for one in records
                for where in one["affected"]
                if where["package"]["ecosystem"] == package[0]
                and where["package"]["name"].lower() == package[1]
                and is_affected(package, where)
            ]
            page = int(question.get("page_token") or 0)
            more = {"next_page_token": str(page + 1)} if len(hits) > page + 1 else {}
            return {"vulns": hits[page : page + 1], **more} if hits else {}

    server = web.Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


Look = Callable[..., dict[str, Any]]


@pytest.fixture
def look(run_module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    def run(url: str = "http://127.0.0.1:1", pip: str = PIP, npm: Any = NPM, mirror: bool = False, **more: Any) -> dict[str, Any]:
        monkeypatch.setattr(advisories, "OSV", advisories.OSV if mirror else url)
        path = tmp_path / f"shop{len(list(tmp_path.iterdir()))}"
        commit = signing.repository(
            path, {"requirements.lock": pip, "package-lock.json": npm if isinstance(npm, str) else json.dumps(npm)}
        )
        given = {
            "repository": str(path / ".git"),
            "commit": commit,
            "locks": ["requirements.lock", "package-lock.json"],
            "url": url,
        }
        assertion: dict[str, Any] = run_module("check_vulnerabilities", report_only=True, **{**given, **more})["assertions"][0]
        return assertion

    return run


def export(folder: Path, records: list[dict[str, Any]]) -> Path:
    for ecosystem in ("PyPI", "npm"):
        file = folder / "osv" / ecosystem / "all.zip"
        file.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(file, "w") as archive:
            for one in records:
                if one["affected"][0]["package"]["ecosystem"] == ecosystem:
                    archive.writestr(f"{one['id']}.json", json.dumps(one))
    return folder / "osv"


def test_nothing_is_known_to_be_vulnerable(look: Look, tmp_path: Path) -> None:
    with osv(KNOWN) as url:
        seen = look(url)
    assert seen["status"] == "passed", seen["summary"]
    assert "4 packages looked up" in seen["summary"]
    seen = look(export=str(export(tmp_path, KNOWN)))
    assert (seen["status"], seen["observed"]["packages"]) == ("passed", 4)


BAD = [
    (record("GHSA-1", affected("PyPI", "jinja2", "4.0")), "jinja2 3.1.6: GHSA-1 (high)"),
    (record("GHSA-2", affected("npm", "@types/node", "21.0.0", "SEMVER"), "MODERATE"), "@types/node 20.1.0: GHSA-2 (moderate)"),
    (record("PYSEC-3", affected("PyPI", "async_timeout", "6"), None), "PYSEC-3 (of unknown severity)"),
]


@pytest.mark.parametrize(("bad", "says"), BAD)
def test_a_vulnerable_pin(bad: dict[str, Any], says: str, look: Look, tmp_path: Path) -> None:
    for normal in (False, True):
        where = bad["affected"][0]["package"]
        name = where["name"].replace("_", "-") if normal else where["name"]
        given = {**bad, "affected": [{**bad["affected"][0], "package": {**where, "name": name}}]}
        seen = look(export=str(export(tmp_path / str(normal), [*KNOWN, given])))
        assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]
    with osv([*KNOWN, given]) as url:
        seen = look(url)
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


def test_below_the_level_and_withdrawn_and_the_same_twice(look: Look) -> None:
    low = record("GHSA-low", affected("PyPI", "jinja2", "4.0"), "LOW")
    gone = record("GHSA-gone", affected("PyPI", "jinja2", "4.0"), withdrawn="2026-01-01T00:00:00Z")
    alias = record("PYSEC-same", affected("PyPI", "jinja2", "4.0"), None, aliases=["GHSA-low"])
    with osv([*KNOWN, low, gone, alias]) as url:
        seen = look(url)
        assert seen["status"] == "passed", seen["summary"]
        assert "1 below: jinja2 3.1.6: GHSA-low (low)" in seen["summary"]
        assert look(url, level="low")["status"] == "failed"


@pytest.mark.parametrize(
    ("pip", "says"),
    [
        (PIP + "shop-tools @ git+https://git.example.com/tools\n", "1 packages could not be looked up: shop-tools @ git"),
        (PIP + "-e ./local\n", "could not be looked up"),
        (PIP + "requests>=2\n", "could not be looked up: requests>=2"),
        (PIP + "-r other.lock\n", "could not be looked up"),
    ],
)
def test_a_skipped_package_is_named(pip: str, says: str, look: Look) -> None:
    with osv(KNOWN) as url:
        seen = look(url, pip=pip)
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True), seen["summary"]


@pytest.mark.parametrize(
    "entry",
    [
        {"version": "1.0.0", "resolved": "git+ssh://git@git.example.com/x.git#abc"},
        {"version": "1.0.0", "resolved": "file:../x"},
        {"version": "1.0.0", "resolved": "https://packages.example.com/x/-/x-1.0.0.tgz"},
        {"version": "1.0.0", "resolved": "https://registry.npmjs.org.example.com/x/-/x-1.0.0.tgz"},
        {"version": "1.0.0", "resolved": "http://registry.npmjs.org/x/-/x-1.0.0.tgz"},
        {"resolved": "https://registry.npmjs.org/x"},
    ],
)
def test_a_skipped_npm_package_is_named(entry: dict[str, str], look: Look) -> None:
    with osv(KNOWN) as url:
        seen = look(url, npm={**NPM, "packages": {**NPM["packages"], "node_modules/x": entry}})  # type: ignore[dict-item]
    assert (seen["status"], "could not be looked up: x (package-lock.json)" in seen["summary"]) == ("unverifiable", True)


def test_a_lock_that_nobody_names_is_named(look: Look) -> None:
    with osv(KNOWN) as url:
        seen = look(url, locks=["requirements.lock"])
    assert (seen["status"], "could not be looked up: what package-lock.json installs" in seen["summary"]) == ("unverifiable", True)
    files = ["a/yarn.lock", "requirements-dev.lock", "uv.lock", "deploy.lock", "docs/requirements.txt", "block.json"]
    assert len(advisories.unnamed_locks(files, ["uv.lock"])) == 2


def test_a_vulnerability_stands_though_another_package_was_skipped(look: Look) -> None:
    with osv([*KNOWN, BAD[0][0]]) as url:
        assert look(url, pip=PIP + "-e ./local\n")["status"] == "failed"


@pytest.mark.parametrize(
    ("service", "says"),
    [
        ({"records": []}, "it cannot see"),
        ({"records": KNOWN[:1]}, "knows nothing bad of django 2.2.0, lodash 4.17.15, minimist 1.2.0"),
        ({"records": KNOWN, "status": 503}, "with status 503"),
        ({"records": KNOWN, "results": []}, "answered 0 of 8 questions"),
        ({"records": KNOWN, "results": [7] * 8}, "not in OSV's form"),
        ({"records": KNOWN, "date": "Fri, 02 Jan 2026 03:04:05 GMT"}, "of 2026-01-02"),
        ({"records": KNOWN, "date": "some day"}, "its age is unknown"),
    ],
)
def test_a_service_that_knows_nothing_ticks_nothing(service: dict[str, Any], says: str, look: Look) -> None:
    with osv(**service) as url:
        seen = look(url)
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True), seen["summary"]


def test_a_mirror_does_not_tell_how_old_it_is(look: Look) -> None:
    with osv(KNOWN) as url:
        seen = look(url, mirror=True)
    assert (seen["status"], "the age of a mirror is unknown" in seen["summary"]) == ("unverifiable", True), seen["summary"]
    with osv([*KNOWN, BAD[0][0]]) as url:
        assert look(url, mirror=True)["status"] == "failed"


def test_no_service_and_no_export(look: Look, tmp_path: Path) -> None:
    assert "does not answer" in look()["summary"]
    seen = look(export=str(tmp_path / "none"))
    assert (seen["status"], "cannot be read" in seen["summary"]) == ("unverifiable", True)


def test_an_export_of_last_month(look: Look, tmp_path: Path) -> None:
    old = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    folder = export(tmp_path, [{**one, "modified": old} for one in KNOWN])
    seen = look(export=str(folder))
    assert (seen["status"], "30 days old, 3 at most may be" in seen["summary"]) == ("unverifiable", True)
    for file in folder.rglob("all.zip"):
        file.write_bytes(file.read_bytes()[:-30])
    assert look(export=str(folder))["status"] == "unverifiable"


@pytest.mark.parametrize(
    "npm", ["", "[]", "{}", '{"packages": []}', '{"lockfileVersion": 1, "dependencies": {}}', '{"packages": {"x": 7}}']
)
def test_a_lock_that_is_none(npm: str, look: Look) -> None:
    seen = look(npm=npm)
    assert (seen["status"], "no package-lock.json of version 2 or 3" in seen["summary"]) == ("unverifiable", True)


@pytest.mark.parametrize(
    ("ecosystem", "version", "fixed", "hit"),
    [
        ("PyPI", "1.9", "1.10", True),
        ("PyPI", "1.10rc1", "1.10", True),
        ("PyPI", "1.10.post1", "1.10", False),
        ("PyPI", "nonsense", "1.10", True),
        ("npm", "1.9.0", "1.10.0", True),
        ("npm", "1.10.0-beta.2", "1.10.0", True),
        ("npm", "1.10.0-beta.2", "1.10.0-beta.10", True),
        ("npm", "1.10.0+build", "1.10.0", False),
        ("npm", "nonsense", "1.10.0", True),
    ],
)
def test_versions_are_compared_as_their_ecosystem_does(ecosystem: str, version: str, fixed: str, hit: bool) -> None:
    assert is_affected((ecosystem, "x", version), affected(ecosystem, "x", fixed)) is hit


def test_ranges_of_several_parts() -> None:
    events = [
        {"introduced": "2.0"},
        {"fixed": "2.5"},
        {"introduced": "0"},
        {"fixed": "1.5"},
        {"introduced": "3.0"},
        {"last_affected": "3.2"},
    ]
    where = {"ranges": [{"type": "ECOSYSTEM", "events": events}], "versions": ["9.9"]}
    hits = [version for version in ("1.0", "1.5", "2.2", "2.5", "3.2", "3.3", "9.9") if is_affected(("PyPI", "x", version), where)]
    assert hits == ["1.0", "2.2", "3.2", "9.9"]
    assert is_affected(("PyPI", "x", "1"), {"ranges": [{"type": "GIT", "events": []}]}), "what cannot be compared is affected"


@given(st.text(max_size=200))
@settings(max_examples=100)
def test_garbage_in_a_lock_is_named_or_refused(text: str) -> None:
    packages, other = read_requirements(text, "lock")
    assert all(len(package) == 3 for package in packages)
    assert all(isinstance(one, str) for one in other)
    with pytest.raises(CouldNotLook):
        read_package_lock(text, "lock")


def test_severities() -> None:
    assert read_advisory({"id": "x", "affected": [{"ecosystem_specific": {"severity": "Medium"}}]}).severity == "moderate"
    assert read_advisory({"id": "x", "database_specific": {"severity": "odd"}}).severity == "of unknown severity"
    assert read_advisory({"id": "x", "withdrawn": "2026-01-01T00:00:00Z"}) is None

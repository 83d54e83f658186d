"""What kept connections see of a site that is well, and of one whose change of releases shows."""

import json
import ssl
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import web
from traffic import CONNECTIONS, Traffic

OLD, NEW = "v1-11111111", "v2-22222222"


class Site:
    """As much of the example application as visitors ask for."""

    def __init__(self) -> None:
        self.release = OLD
        self.instead: dict[str, web.Reply] = {}
        self.gone = False  # whether what the earlier release's page names is there no more

    def respond(self, method: str, path: str, headers: Mapping[str, str]) -> web.Reply:
        if path in self.instead:
            return self.instead[path]
        if path == "/version":
            return 200, {}, json.dumps({"release": self.release})
        if path == "/":
            return 200, {}, f'<html><script src="/assets/{self.release}.js"></script><div id="app"></div></html>'
        if path.startswith("/assets/"):
            return (404, {}, "gone") if self.gone and self.release not in path else (200, {}, f"of {path}")
        return 200, {}, "[]"


@pytest.fixture
def site() -> Site:
    return Site()


def traffic(site: Site, folder: Path, turns: list[str]) -> Traffic:
    """Half a second of it while each of these releases serves."""
    ca_path, tls = web.certificate(folder, "localhost")
    context = ssl.create_default_context(cafile=str(ca_path))
    with web.serving(site.respond, tls) as port, Traffic(f"localhost:{port}", context, ["127.0.0.1"], 400, patient=0) as seen:
        for release in turns:
            site.release = release
            time.sleep(1)
    return seen


def test_a_change_that_nobody_notices(site: Site, tmp_path: Path) -> None:
    seen = traffic(site, tmp_path, [OLD, NEW])
    assert seen.faults == []
    assert seen.releases == [OLD, NEW]
    assert seen.requests > CONNECTIONS


def test_a_release_that_comes_back(site: Site, tmp_path: Path) -> None:
    assert f"one connection met {OLD}, then {NEW}, then {OLD}" in traffic(site, tmp_path, [OLD, NEW, OLD]).faults


@pytest.mark.parametrize(
    ("path", "reply", "says"),
    [
        ("/api/examples", (502, {}, "nobody answers"), "half, /api/examples: 502"),
        ("/version", (503, {}, "We are updating this site"), "maintenance, /version"),
        ("/", (200, {}, "<html>"), "half a page"),
        ("/api/examples", (429, {}, "slowly"), "limited"),
    ],
)
def test_an_answer_that_no_visitor_may_get(site: Site, tmp_path: Path, path: str, reply: web.Reply, says: str) -> None:
    site.instead[path] = reply
    assert any(says in fault for fault in traffic(site, tmp_path, [OLD]).faults)


def test_a_connection_that_ends_without_a_word(site: Site, tmp_path: Path) -> None:
    site.instead["/api/examples"] = (200, {"Content-Length": "500"}, "[]")
    assert any("away" in fault for fault in traffic(site, tmp_path, [OLD]).faults)

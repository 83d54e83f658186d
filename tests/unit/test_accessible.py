"""Accessible: name, certificate, redirect and page, against real TLS servers."""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox import accessible
from web import Reply, Respond, certificate, serving

HOST = "shop.example.com"
PAGE = '<div id="app">'
Check = Callable[..., dict[str, Any]]


def page(method: str, path: str, headers: Mapping[str, str]) -> Reply:
    known = headers["Host"].split(":")[0] == HOST
    return (200, {}, f"<html>{PAGE}</html>") if known else (421, {}, "who?")


def redirect(to: str) -> Respond:
    return lambda method, path, headers: (301, {"Location": to}, "")


RIGHT = redirect(f"https://{HOST}/")


@pytest.fixture
def check(run_module: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Check]:
    """Run the module against two servers of this machine, which for once count as outside."""
    monkeypatch.setattr(accessible, "own_address", lambda address: False)
    with ExitStack() as servers:

        def run(tls: Any = page, plain: Any = RIGHT, names: tuple[str, ...] = (HOST,), days: int = 30, **given: Any) -> Any:
            ca_path, context = certificate(tmp_path, *names, days=days)
            port, http_port = servers.enter_context(serving(tls, context)), servers.enter_context(serving(plain))
            arguments = {"url": f"https://{HOST}:{port}", "addresses": ["127.0.0.1"], "ca_path": str(ca_path), **given}
            given = {"contains": PAGE, **arguments}
            result = run_module("check_accessible", http_port=http_port, report_only=True, **given)
            return result["assertions"][0]

        yield run


def test_a_site_that_people_reach(check: Check) -> None:
    seen = check()
    assert seen["status"] == "passed", seen["summary"]
    assert seen["evidence"]["127.0.0.1"]["certificate"]["notAfter"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"names": ("www.example.com",)}, "Hostname mismatch"),
        ({"days": -1}, "certificate has expired"),
        ({"ca_path": None}, "certificate: "),
        ({"tls": lambda *_: (200, {}, "welcome to nginx")}, "the page does not hold"),
        ({"tls": lambda *_: (503, {"Retry-After": "9"}, PAGE)}, "the page: status 503"),
        ({"tls": lambda *_: (404, {}, PAGE)}, "the page: status 404"),
        ({"contains": " "}, "any page would do"),
        ({"plain": page}, "port 80: status 200, not a redirect"),
        ({"plain": redirect(f"http://{HOST}/")}, "port 80 leads to"),
        ({"plain": redirect("https://other.example.com/")}, "port 80 leads to"),
        ({"plain": redirect("/")}, "port 80 leads to"),
        ({"addresses": ["127.0.0.1", "127.9.9.9"]}, "127.9.9.9: certificate: "),
    ],
)
def test_what_people_do_not_reach_is_refused(check: Check, given: dict[str, Any], says: str) -> None:
    seen = check(**given)
    assert seen["status"] == "failed"
    assert says in seen["summary"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"url": f"http://{HOST}"}, "does not begin with https"),
        ({"url": "https://shop.invalid", "addresses": []}, "has no address"),
    ],
)
def test_what_cannot_be_asked_is_unverifiable(check: Check, given: dict[str, Any], says: str) -> None:
    seen = check(**given)
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True)


@pytest.mark.parametrize(("address", "says"), [("127.0.0.1", "does not show what is seen from outside"), ("shop", "no IP address")])
def test_only_the_outside_counts(run_module: Check, address: str, says: str) -> None:
    result = run_module("check_accessible", url=f"https://{HOST}", addresses=[address], contains=PAGE)
    assert result["assertions"][0]["status"] == "unverifiable"
    assert says in result["msg"]


def test_own_addresses() -> None:
    assert accessible.own_address("127.8.8.8")
    assert accessible.own_address("::1")
    assert not accessible.own_address("192.0.2.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        assert accessible.own_address(probe.getsockname()[0])

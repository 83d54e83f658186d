"""Looks that go on side by side are one visitor to a site."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible.module_utils.tickbox.site import Site
from ansible.module_utils.tickbox.visitor import CREDIT, Visitor, turns_of

INTERVAL = 0.02


def visitor(address: str) -> Visitor:
    """One that has not asked anything yet."""
    made = Visitor.__new__(Visitor)
    made._interval, made._turns = INTERVAL, turns_of(Site("http://shop.example.com", [address]))
    return made


def seconds(*visitors: Visitor) -> float:
    """How long it takes until each has had as many turns as one may have at once."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(visitors)) as pool:
        list(pool.map(lambda one: [one._wait() for _ in range(CREDIT)], visitors))
    return time.monotonic() - began


def test_visitors_of_a_site_share_its_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert seconds(visitor("192.0.2.1"), visitor("192.0.2.1")) > 0.9 * CREDIT * INTERVAL


def test_those_of_another_site_do_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert visitor("192.0.2.1")._turns != visitor("192.0.2.2")._turns


@pytest.mark.parametrize("left", ["", "9e9"], ids=["cut off while it was written", "of before this machine was started"])
def test_what_was_left_behind_holds_nobody_for_long(left: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("ansible.module_utils.tickbox.visitor.FURTHEST", 0.1)
    one = visitor("192.0.2.1")
    one._turns.write_text(left)
    began = time.monotonic()
    one._wait()
    assert time.monotonic() - began < 5

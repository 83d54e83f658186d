"""The lock: one run at a time."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

MINE = {"id": "mine", "kind": "deploy", "who": "operator@here", "started": time.time()}
OTHER = {"id": "other", "kind": "rollback", "who": "someone@there", "started": time.time() - 600}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lock.json"


def test_is_taken_and_given_back(run_module: Any, lock: Path) -> None:
    assert "failed" not in run_module("deploy_lock", path=str(lock), run=MINE)
    assert json.loads(lock.read_text())["id"] == "mine"
    assert "failed" not in run_module("deploy_lock", path=str(lock), run=MINE)
    run_module("deploy_lock", path=str(lock), run=MINE, state="absent")
    assert list(lock.parent.iterdir()) == []


def test_is_refused_while_another_run_holds_it(run_module: Any, lock: Path) -> None:
    lock.write_text(json.dumps(OTHER))
    result = run_module("deploy_lock", path=str(lock), run=MINE)
    assert result["failed"]
    assert "rollback other by someone@there, begun 10 min ago" in result["msg"]
    assert "deploy_lock_takeover" in result["msg"]
    assert json.loads(lock.read_text()) == OTHER


def test_is_refused_in_check_mode_too(run_module: Any, lock: Path) -> None:
    lock.write_text(json.dumps(OTHER))
    assert run_module("deploy_lock", path=str(lock), run=MINE, _ansible_check_mode=True)["failed"]


def test_anothers_lock_is_not_given_back(run_module: Any, lock: Path) -> None:
    lock.write_text(json.dumps(OTHER))
    run_module("deploy_lock", path=str(lock), run=MINE, state="absent")
    assert json.loads(lock.read_text()) == OTHER


def test_is_taken_over_when_asked(run_module: Any, lock: Path) -> None:
    lock.write_text(json.dumps(OTHER))
    result = run_module("deploy_lock", path=str(lock), run=MINE, takeover=True)
    assert result["holder"]["id"] == "other"
    assert json.loads(lock.read_text())["id"] == "mine"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "x"}', '"text"'])
def test_an_unreadable_lock_is_a_lock(run_module: Any, lock: Path, content: str) -> None:
    lock.write_text(content)
    result = run_module("deploy_lock", path=str(lock), run=MINE)
    assert result["failed"]
    assert "unreadable" in result["msg"]


def test_an_unprovisioned_host_is_named(run_module: Any, tmp_path: Path) -> None:
    result = run_module("deploy_lock", path=str(tmp_path / "none" / "lock.json"), run=MINE)
    assert "provision the host first" in result["msg"]

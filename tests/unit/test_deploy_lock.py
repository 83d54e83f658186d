"""The lock: one run at a time."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

MINE = {"id": "mine", "kind": "deploy", "who": "operator@here", "started": time.time()}
OTHER = {"id": "other", "kind": "rollback", "who": "someone@there", "started": 0.0}


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
    lock.write_text(json.dumps({**OTHER, "started": time.time() - 600}))
    held = lock.read_text()
    result = run_module("deploy_lock", path=str(lock), run=MINE)
    assert result["failed"]
    assert "rollback other by someone@there, begun 10 min ago" in result["msg"]
    assert "deploy_lock_takeover" in result["msg"]
    assert lock.read_text() == held


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


PLAN = {"from_release": "v1", "to_release": "v2", "restore_point": "shop_before_other", "aside": "shop_aside_other"}


def silent(lock: Path, seconds: float, **more: Any) -> None:
    """A lock whose run gave its last sign of life so long ago."""
    lock.write_text(json.dumps({**OTHER, **more}))
    os.utime(lock, (time.time() - seconds,) * 2)


def test_the_last_sign_of_life_is_told(run_module: Any, lock: Path) -> None:
    silent(lock, 30)
    assert "last sign of life 30 s ago" in run_module("deploy_lock", path=str(lock), run=MINE)["msg"]


def test_a_run_without_a_sign_of_life_is_dead(run_module: Any, lock: Path) -> None:
    silent(lock, 61)
    assert run_module("deploy_lock", path=str(lock), run=MINE)["holder"]["id"] == "other"
    assert json.loads(lock.read_text())["id"] == "mine"


def test_a_run_that_the_controller_knows_to_be_dead_is_dead(run_module: Any, lock: Path) -> None:
    lock.write_text(json.dumps(OTHER))
    assert run_module("deploy_lock", path=str(lock), run=MINE, dead="yet another")["failed"]
    assert "failed" not in run_module("deploy_lock", path=str(lock), run=MINE, dead="other")


def test_an_unreadable_lock_never_grows_stale(run_module: Any, lock: Path) -> None:
    lock.write_text("{")
    os.utime(lock, (0, 0))
    assert run_module("deploy_lock", path=str(lock), run=MINE)["failed"]


def test_the_plan_of_a_dead_run_stays_until_it_is_carried_out(run_module: Any, lock: Path) -> None:
    silent(lock, 61, plan=PLAN)
    assert run_module("deploy_lock", path=str(lock), run=MINE)["interrupted"]["plan"] == PLAN
    # a run that did not get so far leaves the plan to the next
    run_module("deploy_lock", path=str(lock), run=MINE, state="absent")
    os.utime(lock, (0, 0))
    third = {**MINE, "id": "third"}
    assert run_module("deploy_lock", path=str(lock), run=third)["interrupted"]["id"] == "other"
    assert run_module("deploy_lock", path=str(lock), run=third)["interrupted"]["id"] == "other"
    run_module("deploy_lock", path=str(lock), run=third, plan={})
    assert run_module("deploy_lock", path=str(lock), state="found")["interrupted"] == {}
    run_module("deploy_lock", path=str(lock), run=third, state="absent")
    assert not lock.exists()


def test_a_plan_of_its_own_takes_the_place(run_module: Any, lock: Path) -> None:
    silent(lock, 61, plan=PLAN)
    run_module("deploy_lock", path=str(lock), run=MINE)
    run_module("deploy_lock", path=str(lock), run=MINE, plan={**PLAN, "to_release": "v3"})
    found = run_module("deploy_lock", path=str(lock), state="found")
    assert (found["interrupted"]["id"], found["interrupted"]["plan"]["to_release"]) == ("mine", "v3")


def test_a_dead_run_without_a_plan_left_nothing(run_module: Any, lock: Path) -> None:
    silent(lock, 61)
    assert run_module("deploy_lock", path=str(lock), run=MINE)["interrupted"] == {}


def test_check_mode_takes_nothing_over(run_module: Any, lock: Path) -> None:
    silent(lock, 61, plan=PLAN)
    held = lock.read_text()
    assert run_module("deploy_lock", path=str(lock), run=MINE, _ansible_check_mode=True)["interrupted"]["plan"] == PLAN
    assert lock.read_text() == held


def test_what_a_dead_run_left_running_is_ended(run_module: Any, lock: Path) -> None:
    silent(lock, 61)
    left = subprocess.Popen(["sleep", "60"], env={"TICKBOX_RUN": "other"})
    others = subprocess.Popen(["sleep", "60"], env={"TICKBOX_RUN": "another"})
    try:
        assert run_module("deploy_lock", path=str(lock), run=MINE)["ended"] == ["sleep 60"]
        assert left.wait(timeout=5) < 0
        assert others.poll() is None
    finally:
        for process in (left, others):
            process.kill()
            process.wait()


def test_one_of_two_takes_a_dead_runs_lock(run_module: Any, lock: Path) -> None:
    silent(lock, 61)
    assert "failed" not in run_module("deploy_lock", path=str(lock), run=MINE)
    assert run_module("deploy_lock", path=str(lock), run={**MINE, "id": "second"})["failed"]

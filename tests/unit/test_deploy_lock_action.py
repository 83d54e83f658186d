"""What the controller knows of a run that holds the lock, and how it stays alive."""

import importlib.util
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "plugins/action/deploy_lock.py"


@pytest.fixture
def action() -> Any:
    found = importlib.util.spec_from_file_location("deploy_lock_action", FILE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def holder(action: Any, pid: int, **more: Any) -> dict[str, Any]:
    return {"id": "one", "controller": {"machine": action.machine(), "pid": pid, "begun": action.begun(pid), **more}}


def test_a_run_of_this_controller_that_goes_on_is_alive(action: Any) -> None:
    assert not action.ActionModule._dead(holder(action, os.getpid()))


def test_a_run_of_this_controller_that_is_no_more_is_dead(action: Any) -> None:
    process = subprocess.Popen(["sleep", "60"])
    held = holder(action, process.pid)
    assert not action.ActionModule._dead(held)
    process.kill()
    process.wait()
    assert action.ActionModule._dead(held)


def test_another_process_of_the_same_number_is_another_run(action: Any) -> None:
    assert action.ActionModule._dead(holder(action, os.getpid(), begun="1"))


@pytest.mark.parametrize("of", [{"controller": {"machine": "elsewhere", "pid": 1, "begun": "1"}}, {"id": "one"}, {}])
def test_of_another_controllers_run_nothing_is_known(action: Any, of: dict[str, Any]) -> None:
    assert not action.ActionModule._dead(of)

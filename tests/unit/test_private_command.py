"""A command whose environment nobody else sees."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]
SHOW = "import os; print(os.environ.get('KEY'), os.environ.get('OTHER'), os.getcwd(), os.environ['PATH'] != '')"


@pytest.fixture(autouse=True)
def back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module goes to a folder of the command's."""
    monkeypatch.chdir(Path.cwd())


def test_the_environment_reaches_the_command(run_module: Run, tmp_path: Path) -> None:
    environment = json.dumps({"KEY": 2, "OTHER": None})
    done = run_module("private_command", argv=[sys.executable, "-c", SHOW], chdir=str(tmp_path), environment=environment)
    assert (done["rc"], done["changed"]) == (0, True)
    assert done["stdout"] == f"2 None {tmp_path} True"
    assert environment not in json.dumps(done)


def test_a_command_that_fails_says_so(run_module: Run) -> None:
    done = run_module("private_command", argv=[sys.executable, "-c", "import sys; sys.exit('no database')"], environment="{}")
    assert (done["failed"], done["rc"], done["stderr"]) == (True, 1, "no database")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"argv": [], "environment": "{}"}, "argv: there is no command"),
        ({"argv": ["true"], "environment": "[1]"}, "environment: it is no JSON object"),
        ({"argv": ["true"], "environment": "KEY=secret"}, "environment: it is no JSON object"),
        ({"argv": ["/there/is/no/such"], "environment": "{}"}, "No such file"),
        ({"argv": ["true"], "chdir": "/there/is/no/such", "environment": "{}"}, "/there/is/no/such"),
    ],
)
def test_what_cannot_be_run_is_said(run_module: Run, arguments: dict[str, Any], says: str) -> None:
    done = run_module("private_command", **arguments)
    assert done.get("failed"), done
    assert says in done["msg"]
    assert "secret" not in json.dumps(done)

"""Migrations: the database at the code's revision, and with its schema."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., dict[str, Any]]
URL = "postgresql://shop:horse-battery@db/shop"


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


CURRENT = python("import sys; print('INFO  context', file=sys.stderr); print('3f1c (head)')")
CHECK = python("print('No new upgrade operations detected.')")


def check(run_module: Run, tmp_path: Path, **given: Any) -> dict[str, Any]:
    arguments = {"heads": ["3f1c"], "current_command": CURRENT, "check_command": CHECK, "chdir": str(tmp_path)}
    environment = {"DATABASE_URL": URL, "LEVEL": "a", "PORT": 1, "NONE": None}
    result = run_module("check_migrations", environment=environment, report_only=True, **{**arguments, **given})
    assert "horse" not in str(result)
    assertion: dict[str, Any] = result["assertions"][0]
    assert "\n" not in assertion["summary"]
    assert len(assertion["summary"]) < 500
    return assertion


def test_a_migrated_database_passes(run_module: Run, tmp_path: Path) -> None:
    seen = check(run_module, tmp_path)
    assert (seen["status"], seen["observed"]) == ("passed", {"current": ["3f1c"], "check": 0})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"current_command": python("print('2a0b')")}, "the database is at 2a0b, the code at 3f1c"),
        ({"current_command": python("print('3f1c'); print('77aa')")}, "the database is at 3f1c, 77aa"),
        ({"current_command": python("")}, "the database names no migration"),
        ({"heads": []}, "the code names no migration"),
        (
            {"check_command": python("import sys; sys.exit('FAILED: New upgrade operations detected: add_column')")},
            "not that of the models: FAILED: New upgrade operations detected: add_column",
        ),
        ({"check_command": python("raise SystemExit(1)")}, "it said nothing"),
        ({"check_command": python("raise SystemExit('add ' * 900)")}, "add add ..."),
    ],
)
def test_another_schema_is_refused(run_module: Run, tmp_path: Path, given: dict[str, Any], says: str) -> None:
    seen = check(run_module, tmp_path, **given)
    assert seen["status"] == "failed"
    assert says in seen["summary"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"current_command": python(f"import sys; sys.exit('no connection to {URL}')")}, "ended with 1: no connection"),
        ({"current_command": "/absent/alembic current"}, "does not run"),
        ({"current_command": ""}, "does not run"),
        ({"check_command": "'unclosed"}, "does not run"),
        ({"chdir": "/absent"}, "does not run"),
    ],
)
def test_what_does_not_run_is_unverifiable(run_module: Run, tmp_path: Path, given: dict[str, Any], says: str) -> None:
    seen = check(run_module, tmp_path, **given)
    assert seen["status"] == "unverifiable"
    assert says in seen["summary"]


def test_commands_see_the_settings_and_leave_no_trace(run_module: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import os\nrevision = os.environ['PORT'] + os.environ['LEVEL']\n")
    command = shlex.join([sys.executable, "-c", "import sys; sys.path.insert(0, '.'); import shop; print(shop.revision)"])
    seen = check(run_module, tmp_path, heads=["1a"], current_command=command)
    assert seen["observed"]["current"] == ["1a"]
    assert [path.name for path in tmp_path.iterdir()] == ["shop.py"]

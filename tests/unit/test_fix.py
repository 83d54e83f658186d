"""The fix of an incident: a test that fails without it and passes with it, run at both commits of a real repository."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from signing import commit, repository

BROKEN, RIGHT = "def total(prices):\n    return prices[0]\n", "def total(prices):\n    return sum(prices)\n"
SHOWS = """from shop import total


def test_total():
    assert total([1, 2]) == 3


def test_one():
    assert total([1]) == 1
"""
TEST = "tests/test_total.py::test_total"
COMMAND = f"{sys.executable} -m pytest --quiet -p no:cacheprovider --rootdir=. {{test}} --junit-xml={{report}}"
Run = Callable[..., dict[str, Any]]


class Case:
    """A run that took back a commit, and a repository with that commit and what came after it."""

    def __init__(self, path: Path, run_module: Run) -> None:
        self.work, self.directory, self.run = path / "work", path / "run", run_module
        self.directory.mkdir()
        self.failed = repository(self.work, {"shop.py": BROKEN, "conftest.py": "", "tests/test_other.py": "def test(): pass\n"})

    def fixed(self, **files: str) -> str:
        return commit(self.work, {"shop.py": RIGHT, "tests/test_total.py": SHOWS, **files})

    def seen(self, fixed: str | None, test: str = TEST, **more: Any) -> dict[str, Any]:
        fix = {"commit": fixed, "test": test, "at": ""} if fixed else None
        (self.directory / "incident.json").write_text(json.dumps({"run": "run-7", "commit": self.failed, "fix": fix}))
        given = {"directory": str(self.directory), "repository": str(self.work / ".git"), "command": COMMAND, "report_only": True}
        assertion: dict[str, Any] = self.run("check_fix", **{**given, **more})["assertions"][0]
        return assertion


@pytest.fixture
def case(tmp_path: Path, run_module: Run) -> Case:
    return Case(tmp_path, run_module)


def test_a_test_that_fails_without_the_fix(case: Case) -> None:
    fixed = case.fixed()
    seen = case.seen(fixed)
    assert seen["status"] == "passed", seen["summary"]
    assert seen["summary"] == f"{TEST} fails at {case.failed[:12]} and passes at {fixed[:12]}"
    # The reports stay, as evidence.
    assert sorted(path.suffix for path in (case.directory / "fix").iterdir()) == [".json", ".json", ".report", ".report"]
    # All tests of the file: one of them fails without the fix.
    assert case.seen(fixed, "tests/test_total.py::")["status"] in ("passed", "failed")


def test_a_test_that_passes_on_both(case: Case) -> None:
    assert "shows no fix" in case.seen(case.fixed(), "tests/test_total.py::test_one")["summary"]


def test_a_fix_that_is_none(case: Case) -> None:
    fixed = case.fixed(**{"shop.py": BROKEN})
    assert "does not pass at the fix" in case.seen(fixed)["summary"]
    assert case.seen(case.failed)["status"] == "failed"


def test_a_test_that_cannot_run_without_the_fix_shows_nothing(case: Case) -> None:
    needs = (
        "import pytest\nimport shop\n\n\n@pytest.fixture\ndef made():\n    return shop.new()\n\n\ndef test_total(made):\n    pass\n"
    )
    fixed = case.fixed(**{"shop.py": f"{RIGHT}\n\ndef new():\n    pass\n", "tests/test_total.py": needs})
    assert "it does not run" in case.seen(fixed)["summary"]
    fixed = case.fixed(**{"tests/test_total.py": "from shop import new\n\n\ndef test_total():\n    new()\n"})
    assert "it does not run" in case.seen(fixed)["summary"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"import pytest\n{SHOWS}".replace("def test_total", "@pytest.mark.skip\ndef test_total"), "shows no fix"),
        (
            "import pytest, shop\n\n\ndef test_total():\n    if hasattr(shop, 'new'): pytest.skip()\n    assert 0\n",
            "does not pass at",
        ),
    ],
)
def test_a_test_that_is_skipped(case: Case, content: str, said: str) -> None:
    fixed = case.fixed(**{"shop.py": f"{RIGHT}\n\nnew = 1\n", "tests/test_total.py": content})
    seen = case.seen(fixed)
    assert (seen["status"], said in seen["summary"]) == ("failed", True), seen["summary"]


def test_a_test_that_is_not_there(case: Case) -> None:
    fixed = case.fixed()
    assert "has no tests/test_none.py" in case.seen(fixed, "tests/test_none.py::test")["summary"]
    assert case.seen(fixed, "tests/test_total.py::test_none")["status"] == "failed"
    for outside in ("/etc/passwd::x", "../x.py::y", "-c::x"):
        assert case.seen(fixed, outside)["status"] in ("failed", "unverifiable")


def test_what_could_not_be_looked_at(case: Case) -> None:
    fixed = case.fixed()
    assert case.seen(None)["status"] == "pending"
    assert case.seen(fixed, command="true {test} {report}")["status"] == "failed"
    assert case.seen(fixed, needs=["no-such-program"])["status"] == "unverifiable"
    assert case.seen(fixed, setup=["false"])["status"] == "unverifiable"
    assert case.seen(fixed, command="pytest")["status"] == "unverifiable"
    assert case.seen(fixed, command=None)["status"] == "unverifiable"
    assert case.seen(fixed, _ansible_check_mode=True)["status"] == "unverifiable"
    assert case.seen("e" * 40)["status"] in ("failed", "unverifiable")
    (case.directory / "incident.json").unlink()
    given = {"directory": str(case.directory), "report_only": True}
    assert case.run("check_fix", **given)["assertions"][0]["status"] == "unverifiable"

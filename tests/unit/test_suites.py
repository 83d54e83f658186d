"""Suites: run once for each commit and build, and what a result must belong to."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import signing

UNIT, SECURITY = "pre.quality.unit_tests", "pre.quality.security_standards"
WRITE = """
import os, sys
count = int(os.environ.get("PYTEST_ADDOPTS", "3"))
cases = "".join(f'<testcase classname="t" name="t{n}"/>' for n in range(count))
open(sys.argv[1], "w").write(f'<testsuites><testsuite name="x" tests="{count}">{cases}</testsuite></testsuites>')
open(sys.argv[2], "a").write("ran")
sys.exit(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
"""
LINT = """
import json, pathlib
files = [str(path) for path in pathlib.Path("shop").glob("*.py")]
found = [{"test_id": "B307", "issue_severity": "HIGH", "filename": name, "line_number": 1}
         for name in files if "eval(" in pathlib.Path(name).read_text()]
metrics = {**{name: {} for name in files}, "_totals": {"nosec": 0, "skipped_tests": 0}}
print(json.dumps({"errors": [], "results": found, "metrics": metrics}))
"""


class Case:
    """A repository with a suite of its own, and what runs and judges it."""

    def __init__(self, folder: Path, run_module: Any) -> None:
        self.run_module = run_module
        self.source, self.results, self.mark = folder / "source", folder / "results", folder / "mark"
        files = {"write.py": WRITE, "lint.py": LINT, "lock": "a==1\n", "shop/a.py": "x = 1\n"}
        self.commit = signing.repository(self.source, files)
        self.suite: dict[str, Any] = {
            "item": UNIT,
            "report": "junit",
            "commands": [f"python3 write.py {{report}} {self.mark}"],
            "minimum": 3,
        }
        self.setup = ["mkdir {venv}"]

    def arguments(self, more: dict[str, Any]) -> dict[str, Any]:
        given = {
            "repository": str(self.source / ".git"),
            "commit": self.commit,
            "build": "b" * 64,
            "locks": ["lock"],
            "setup": self.setup,
            "suites": {"unit": self.suite},
            "results": str(self.results),
        }
        return {**given, **more}

    def run(self, **more: Any) -> dict[str, Any]:
        result: dict[str, Any] = self.run_module("run_suites", **self.arguments(more))
        return result

    def look(self, item: str = UNIT, **more: Any) -> dict[str, Any]:
        result = self.run_module("check_suites", items=[item], report_only=True, **self.arguments(more))
        assertion: dict[str, Any] = result["assertions"][0]
        return assertion

    @property
    def place(self) -> Path:
        return self.results / self.commit


@pytest.fixture
def case(tmp_path: Path, run_module: Any) -> Case:
    return Case(tmp_path, run_module)


def test_a_suite_runs_once_for_a_commit(case: Case) -> None:
    assert list(case.run()["ran"]) == ["unit"]
    assert case.run()["kept"] == ["unit"]
    assert case.mark.read_text() == "ran"
    seen = case.look()
    assert (seen["status"], seen["summary"]) == ("passed", "3 tests passed, 0 skipped")


def test_another_commit_lock_build_or_command_runs_it_again(case: Case) -> None:
    case.run()
    assert case.run(build="c" * 64)["kept"] == []
    assert case.run(setup=["mkdir {venv} {venv}/x"])["kept"] == []
    case.commit = signing.commit(case.source, {"lock": "a==2\n"})
    assert case.run()["kept"] == []


def test_a_result_of_another_subject_does_not_count(case: Case) -> None:
    case.run()
    assert "of another build" in case.look(build="c" * 64)["summary"]
    assert "of another build" in case.look(build="")["summary"]
    assert "made with another lock" in case.look(locks=[])["summary"]
    assert "made by other commands" in case.look(setup=[])["summary"]
    narrowed = {**case.suite, "commands": [f"{case.suite['commands'][0]} 0"]}
    assert "made by other commands" in case.look(suites={"unit": narrowed})["summary"]
    before = case.place
    case.commit = signing.commit(case.source, {"shop/a.py": "x = 2\n"})
    assert "has left no result" in case.look()["summary"]
    before.rename(case.place)
    assert "the report is of commit" in case.look()["summary"]


def test_an_edited_report_does_not_count(case: Case) -> None:
    case.run()
    report = case.place / "unit.report"
    report.write_text(report.read_text().replace('"t2"', '"t9"'))
    seen = case.look()
    assert (seen["status"], "changed after it was made" in seen["summary"]) == ("failed", True)
    report.unlink()
    assert "no report was written" in case.look()["summary"]


def test_a_command_that_ends_badly_does_not_count_though_its_report_is_green(case: Case) -> None:
    case.suite["commands"] = [f"{case.suite['commands'][0]} 3"]
    case.run()
    seen = case.look()
    assert (seen["status"], "its command ended with 3" in seen["summary"]) == ("failed", True)
    assert case.run()["kept"] == [], "what failed is tried again"


def test_the_operators_environment_narrows_nothing(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "1")
    case.run()
    assert case.look()["summary"] == "3 tests passed, 0 skipped"


def test_what_cannot_run_here_is_unverifiable_and_says_why(case: Case) -> None:
    case.suite["needs"] = ["sh", "no-such-server"]
    case.run()
    seen = case.look()
    assert (seen["status"], seen["summary"]) == (
        "unverifiable",
        "the suite unit could not be run: no-such-server: not installed on the controller",
    )
    case.suite["needs"], case.setup = [], ["sh -c 'echo no network >&2; exit 4'"]
    case.run()
    seen = case.look()
    assert (seen["status"], "no network" in seen["summary"]) == ("unverifiable", True)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("no-such-program {report}", "its command ended with 127"),
        ("sh -c 'echo gone wrong >&2; exit 2' {report}", "it said last: gone wrong"),
        ("sh -c true {report}", "no report was written"),
    ],
)
def test_a_suite_that_writes_nothing(case: Case, command: str, says: str) -> None:
    case.suite["commands"] = [command]
    case.run()
    seen = case.look()
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


def test_a_suite_that_does_not_end_is_ended_with_all_that_it_started(case: Case) -> None:
    case.suite["commands"], case.suite["timeout"] = ["sh -c 'sleep 4321 & sleep 4321' {report}"], 0.3
    case.run()
    assert "its command ended with 124" in case.look()["summary"]
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 4321" not in left


@pytest.mark.parametrize("content", ["", "[]", "null", '{"subject": 7}', '{"subject": {"commit": 1, "locks": []}}', "[" * 100000])
def test_a_garbled_result_ticks_nothing(case: Case, content: str) -> None:
    case.run()
    (case.place / "unit.json").write_text(content)
    assert case.look()["status"] in {"failed", "unverifiable"}


def test_without_a_suite_or_a_commit_nothing_is_known(case: Case) -> None:
    case.run()
    assert "no suite is set for it" in case.look("pre.quality.e2e_tests")["summary"]
    assert case.look(locks=["none.lock"])["status"] == "unverifiable"
    assert "does not have commit" in case.look(commit="e" * 40)["summary"]
    assert (
        "has no item of"
        in case.run_module("check_suites", **case.arguments({"suites": {"x": {"commands": [], "report": "junit"}}}))["msg"]
    )
    assert "has no list of commands" in case.run(suites={"x": {}})["msg"]


def analysis(case: Case, **more: Any) -> dict[str, Any]:
    planted = {"shop/planted.py": {"content": "eval(input())", "finds": ["B307"]}}
    suite = {"item": SECURITY, "report": "bandit", "commands": ["python3 lint.py"], "files": ["shop/*.py"], "planted": planted}
    suites = {"lint": {**suite, **more}}
    case.run(suites=suites)
    return case.look(SECURITY, suites=suites)


def test_an_analysis_of_the_commit(case: Case) -> None:
    seen = analysis(case)
    assert (seen["status"], seen["summary"]) == ("passed", "bandit: 1 files, nothing at medium or above, 0 below, 0 suppressed")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"shop/b.py": "eval(input())\n"}, "B307 (high) in shop/b.py:1"),
        ({"shop/b.py": "y = 1  # nosec\n"}, "1 comments ask it to look away, 0 may: shop/b.py:1"),
        ({"shop/deep/c.py": "eval(input())\n"}, "1 files were not looked at: shop/deep/c.py"),
        ({"lint.py": LINT.replace('"eval("', '"exec("')}, "did not see what was planted: B307"),
        ({"lint.py": LINT.replace('"*.py"', '"a.py"')}, "did not see what was planted"),
    ],
)
def test_an_analysis_is_refused(case: Case, files: dict[str, str], says: str) -> None:
    case.commit = signing.commit(case.source, files)
    seen = analysis(case)
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


def test_what_was_planted_is_gone_afterwards(case: Case) -> None:
    suites = {
        "lint": {
            "item": SECURITY,
            "report": "bandit",
            "commands": ["python3 lint.py"],
            "planted": {"shop/planted.py": {"content": "1"}},
        },
        "look": {"item": UNIT, "report": "junit", "commands": ["ls shop"]},
    }
    case.run(suites=suites)
    assert (case.place / "look.report").read_text() == "a.py\n"
    assert "shop/planted.py" in json.loads((case.place / "lint.report").read_text())["metrics"]


def test_integration_tests_without_the_counter_of_a_service_show_nothing(case: Case) -> None:
    case.suite["item"] = "pre.quality.integration_tests"
    case.run()
    seen = case.look("pre.quality.integration_tests")
    assert (seen["status"], seen["summary"].partition(" (")[0]) == ("unverifiable", "unit: no counter of a service is asked for")
    case.suite["properties"] = {"postgresql_transactions": 1}
    case.run()
    seen = case.look("pre.quality.integration_tests")
    assert (seen["status"], seen["summary"].partition(",")[0]) == ("failed", "no postgresql_transactions was recorded")

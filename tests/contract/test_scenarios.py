"""`make test` runs each scenario, and its tests can be collected: an error in one is known before a host is made for it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/tests"))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_tests_of_a_scenario_can_be_collected(scenario: str) -> None:
    folder = ROOT / "molecule" / scenario
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "--quiet", str(folder / "tests")],
        cwd=ROOT,
        env={**os.environ, "MOLECULE_SCENARIO_DIRECTORY": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_each_scenario_is_run_once() -> None:
    (parts,) = re.findall(r"^parts=\((.*)\)$", (ROOT / "tools/test").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"scenario-(\w+)", parts)) == SCENARIOS

"""The cases of the scenario `failures` name tasks, versions and outcomes that there are: one at no task would never happen."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CASES = yaml.safe_load((ROOT / "molecule/failures/cases.yml").read_text())
VERSIONS = {one["version"] for one in yaml.safe_load((ROOT / "examples/interactive_examples/versions.yml").read_text())["versions"]}
KNOWN = {"name", "version", "when", "break", "mend", "on", "outcome", "serves", "message", "away", "again", "daily", "variables"}
SERVED = {
    "deployed": {"new"},
    "rolled_back": {"old"},
    "refused": {"old"},
    "failed": {"old", "new", "maintenance"},
}


def names(node: Any) -> Iterator[str]:
    """Of tasks and of whatever else has one."""
    if isinstance(node, list):
        for one in node:
            yield from names(one)
    elif isinstance(node, dict):
        if isinstance(node.get("name"), str):
            yield node["name"]
        for one in node.values():
            yield from names(one)


FILES = [ROOT / "playbooks/deploy.yml", *(ROOT / "roles").glob("*/tasks/*.yml")]
TASKS = {name for file in FILES for name in names(yaml.safe_load(file.read_text()))}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_a_case_can_happen(case: dict[str, Any]) -> None:
    assert set(case) <= KNOWN
    assert case["version"] in VERSIONS
    assert case["serves"] in SERVED[case["outcome"]]
    assert ("when" in case) == ("break" in case)
    assert case.get("when", "2. Backup") in TASKS
    re.compile(case["message"])
    for text in (case.get("break", ""), case.get("mend", "")):
        assert subprocess.run(["bash", "-n"], input=text, text=True, check=False, capture_output=True).stderr == ""


def test_each_broken_version_is_a_case() -> None:
    assert {version for version in VERSIONS if "broken" in version or "wrong" in version} <= {case["version"] for case in CASES}


def test_names_of_cases_are_their_own() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)


def test_addresses_of_scenarios_do_not_collide() -> None:
    inventories = [*(ROOT / "molecule").glob("*/inventory/hosts.yml"), ROOT / "inventory/demo/hosts.yml"]
    found = [host for file in inventories for host in re.findall(r"ansible_host: (\S+)", file.read_text())]
    assert len(set(found)) == len(found)

"""docs/reference says what roles, modules and playbooks say of themselves."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    subprocess.run([sys.executable, ROOT / "tools" / "reference", folder], check=True)
    return folder


def test_the_reference_is_current(written: Path) -> None:
    assert {path.name for path in written.iterdir()} == {path.name for path in REFERENCE.iterdir()}
    old = [path.name for path in written.iterdir() if path.read_text() != (REFERENCE / path.name).read_text()]
    assert old == [], "write it anew: make reference"


def test_no_markup_of_ansible_is_left(written: Path) -> None:
    lines = [line for path in written.iterdir() for line in path.read_text().splitlines()]
    assert [line for line in lines if re.search(r"\b(C|O|V|RV|M|I|B)\(", line)] == []


@pytest.mark.parametrize("playbook", sorted(path.name for path in (ROOT / "playbooks").glob("*.yml")))
def test_each_playbook_says_what_it_does(playbook: str) -> None:
    assert (ROOT / "playbooks" / playbook).read_text().startswith("# ")

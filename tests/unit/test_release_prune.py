"""Pruning keeps what somebody may go back to."""

import json
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Releases r1 (oldest) to r6, of which r5 serves and came after r2; and a half-made folder."""
    for number in range(1, 7):
        folder = tmp_path / "releases" / f"r{number}"
        folder.mkdir(parents=True)
        manifest = {"from_release": "r2" if number == 5 else "", "restore_point": f"before_r{number}"}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        os.utime(folder / "manifest.json", (number, number))
    (tmp_path / "releases" / "half").mkdir()
    (tmp_path / "current").symlink_to("releases/r5")
    return tmp_path


@pytest.mark.parametrize(
    ("keep", "removed"),
    [(9, []), (4, ["half"]), (2, ["half", "r1", "r3"]), (0, ["half", "r1", "r3", "r4", "r6"])],
)
def test_keeps_what_serves_what_served_before_and_the_newest(run_module: Any, home: Path, keep: int, removed: list[str]) -> None:
    result = run_module("release_prune", home=str(home), keep=keep, _ansible_check_mode=True)
    assert result.get("removed", result) == removed


def test_names_the_restore_points_of_what_goes(run_module: Any, home: Path) -> None:
    result = run_module("release_prune", home=str(home), keep=3, _ansible_check_mode=True)
    assert result["restore_points"] == ["before_r1"]


def test_without_a_serving_release_nothing_goes(run_module: Any, home: Path) -> None:
    (home / "current").unlink()
    assert run_module("release_prune", home=str(home), keep=0)["failed"]
    assert len(list((home / "releases").iterdir())) == 7

"""Backups of files: a snapshot restored is what it was made from."""

import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.file_backup import Repository, compare, judge_files

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SNAPSHOT = {
    "id": "5d2f81aa01",
    "short_id": "5d2f81aa",
    "time": "2026-01-02T04:04:20.123456789+01:00",
    "paths": ["/srv/shop/shared"],
}
Change = Callable[[Path], None]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder whose files are all older than the snapshot that the tests speak of."""
    root = tmp_path / "shared"
    (root / "uploads" / "__pycache__").mkdir(parents=True)
    (root / "uploads" / "one.txt").write_text("one")
    (root / "uploads" / "__pycache__" / "kept.pyc").write_text("cache")
    (root / "link").symlink_to("uploads/one.txt")
    (root / "empty").mkdir()
    return root


def judge(shared: Path, copy: Path, begun: datetime, **given: Any) -> Any:
    snapshot: Any = SNAPSHOT | {"tags": ["one"], "paths": [str(shared)], **given.get("snapshot", {})}
    compared = {str(shared): compare(shared, copy, begun)}
    return judge_files(snapshot, compared, given.get("damage", ""), run="one", run_started=BEGAN, paths=[str(shared)])


def backed_up(shared: Path, leave_out: str = "") -> tuple[Path, datetime]:
    """Copy the folder as a snapshot begun now would, and return the copy and that time."""
    time.sleep(0.02)  # the kernel's clock of files is coarse
    begun = datetime.now(UTC)
    copy = shared.parent / "copy"
    shutil.copytree(shared, copy, symlinks=True, ignore=lambda _, names: [name for name in names if name == leave_out])
    return copy, begun


def test_a_whole_backup_passes(shared: Path) -> None:
    seen = judge(shared, *backed_up(shared))
    assert (seen.status, seen.summary) == ("passed", f"6 entries of {shared} restored as they are")


@pytest.mark.parametrize("name", ["uploads", "one.txt", "empty", "link", "kept.pyc"])
def test_what_was_excluded_is_named(shared: Path, name: str) -> None:
    seen = judge(shared, *backed_up(shared, leave_out=name))
    assert seen.status == "failed"
    assert "missing from the backup" in seen.summary
    assert name in seen.summary


def test_a_copy_that_differs_is_refused(shared: Path) -> None:
    copy, begun = backed_up(shared)
    (copy / "uploads" / "one.txt").write_text("two")
    (copy / "more.txt").touch()
    seen = judge(shared, copy, begun)
    assert "1 entries are not as they were backed up: uploads/one.txt" in seen.summary
    assert "1 entries are in the backup only: more.txt" in seen.summary


def test_no_copy_at_all_is_refused(shared: Path) -> None:
    _, begun = backed_up(shared)
    assert "6 entries are missing" in judge(shared, shared.parent / "absent", begun).summary


def edit(shared: Path) -> None:
    (shared / "uploads" / "one.txt").write_text("newer")


def add(shared: Path) -> None:
    (shared / "uploads" / "two.txt").write_text("two")


def remove(shared: Path) -> None:
    (shared / "uploads" / "one.txt").unlink()


@pytest.mark.parametrize("change", [edit, add, remove])
def test_what_changed_since_is_no_fault(shared: Path, change: Change) -> None:
    copy, begun = backed_up(shared)
    time.sleep(0.02)
    change(shared)
    seen = judge(shared, copy, begun)
    assert seen.status == "passed", seen.summary
    assert "changed since" in seen.summary


def test_an_old_time_set_by_hand_does_not_hide_a_missing_file(shared: Path) -> None:
    copy, begun = backed_up(shared, leave_out="one.txt")
    assert judge(shared, copy, begun + timedelta(seconds=1)).status == "failed"
    os.utime(shared / "uploads" / "one.txt", (0, 0))
    assert judge(shared, copy, begun + timedelta(seconds=1)).status == "failed"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"snapshot": {"time": "2026-01-02T03:04:04Z"}}, "before the run began"),
        ({"snapshot": {"tags": ["other"]}}, "not tagged one"),
        ({"snapshot": {"tags": None}}, "not tagged one"),
        ({"snapshot": {"paths": ["/etc"]}}, "is not in the snapshot"),
        ({"damage": "pack 12 is damaged"}, "pack 12 is damaged"),
    ],
)
def test_another_snapshot_is_refused(shared: Path, given: dict[str, Any], says: str) -> None:
    seen = judge(shared, *backed_up(shared), **given)
    assert seen.status == "failed"
    assert says in seen.summary


def test_no_snapshot() -> None:
    assert judge_files(None, {}, "", run="one", run_started=BEGAN, paths=["/srv"]).status == "failed"


def test_no_restic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CouldNotLook, match="restic is not installed"):
        Repository("/absent", "/absent", {}).snapshot("5d2f81aa")

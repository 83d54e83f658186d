# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges a restic snapshot of files: restored, it is what it was made from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .assertion import CouldNotLook, Verdict, listed, verdict
from .tree import tree_entries

# The arguments of every module that reads a host's backups in a repository.
REPOSITORY_SPEC: dict[str, Any] = {
    "repository": {"type": "str", "required": True},
    "password_file": {"type": "path", "required": True, "no_log": False},
    "restic_environment": {"type": "dict", "default": {}, "no_log": True},
    "host": {"type": "str", "required": True},
}


@dataclass
class Compared:
    """A folder against its restored copy. ``since``: what differs only because it changed after the snapshot began."""

    entries: int = 0
    missing: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    since: list[str] = field(default_factory=list)


class Repository:
    """A restic repository; ``settings`` are further variables of its environment, as credentials of a store."""

    def __init__(self, address: str, password_file: str, settings: Mapping[str, Any]) -> None:
        self.environment = {
            **os.environ,
            **{name: str(value) for name, value in settings.items()},
            "RESTIC_REPOSITORY": address,
            "RESTIC_PASSWORD_FILE": password_file,
        }

    def snapshot(self, snapshot: str) -> dict[str, Any] | None:
        """What the repository knows of a snapshot; None where it has none of that id."""
        code, out, said = self._restic("snapshots", "--json", snapshot)
        if code != 0:
            if "no matching ID" in said:
                return None
            raise CouldNotLook(f"restic: {said}")
        found = json.loads(out)
        return dict(found[0]) if found else None

    def scheduled(self, host: str, tag: str, keep: Mapping[str, int]) -> tuple[list[dict[str, Any]], int]:
        """The snapshots of a host that bear a tag, and how many of them a retention would drop.

        Takes no lock, so that a backup under way is not disturbed.
        """
        counts = [word for name, count in keep.items() for word in (f"--keep-{name}", str(count))]
        groups = self._asked(
            "forget", "--no-lock", "--dry-run", "--json", "--host", host, "--tag", tag, "--group-by", "host", *counts
        )
        dropped = [snapshot for group in groups for snapshot in group.get("remove") or []]
        return [snapshot for group in groups for snapshot in group.get("keep") or []] + dropped, len(dropped)

    def tagged(self, tag: str) -> list[dict[str, Any]]:
        """The snapshots that bear a tag."""
        return self._asked("snapshots", "--no-lock", "--json", "--tag", tag)

    def of_host(self, host: str) -> list[dict[str, Any]]:
        """All snapshots of a host."""
        return self._asked("snapshots", "--no-lock", "--json", "--host", host)

    def sizes(self, snapshot: str, paths: Sequence[str]) -> dict[str, int]:
        """The entries of a snapshot that are one of ``paths`` or below it, each with its bytes."""
        code, out, said = self._restic("ls", "--recursive", "--no-lock", "--json", snapshot, *paths)
        if code != 0:
            raise CouldNotLook(f"restic: {said}")
        entries = [json.loads(line) for line in out.splitlines()]
        return {str(entry["path"]): int(entry.get("size", 0)) for entry in entries if entry.get("struct_type") == "node"}

    def restore(self, snapshot: str, target: Path, paths: Sequence[str] = ()) -> str:
        """Restore a snapshot, or ``paths`` of it, below ``target``; return what stopped it, or nothing."""
        included = [word for path in paths for word in ("--include", path)]
        code, _, said = self._restic("restore", snapshot, "--target", str(target), *included)
        return f"the snapshot is not restored: {said}" if code != 0 else ""

    def forget(self, snapshots: Sequence[str]) -> str:
        """Drop snapshots; their data goes with the next prune. Return what stopped it, or nothing."""
        code, _, said = self._restic("forget", *snapshots)
        return said if code != 0 else ""

    def _asked(self, *arguments: str) -> list[dict[str, Any]]:
        code, out, said = self._restic(*arguments)
        if code != 0:
            raise CouldNotLook(f"restic: {said}")
        try:
            found = (json.loads(out) if out.strip() else None) or []
        except ValueError:
            raise CouldNotLook(f"restic {arguments[0]} answers what is no JSON") from None
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise CouldNotLook(f"restic {arguments[0]} answers no list")
        return found

    @contextmanager
    def restored(self, snapshot: str, needed: int, room: Path) -> Iterator[tuple[Path, str]]:
        """A copy of the snapshot below ``room``, removed afterwards, and what stopped it from being made, or nothing."""
        require_room(room, needed)
        with tempfile.TemporaryDirectory(dir=room, prefix="restore-") as target:
            yield Path(target), self.restore(snapshot, Path(target))

    def check(self, subset: str) -> str:
        """Have the repository read its data; return what it found wrong, or nothing."""
        code, _, said = self._restic("check", f"--read-data-subset={subset}")
        return f"the repository's own check: {said}" if code != 0 else ""

    def _restic(self, *arguments: str) -> tuple[int, str, str]:
        try:
            command = ["restic", "--no-cache", "--quiet", *arguments]
            done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise CouldNotLook("restic is not installed on this host") from None
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        return done.returncode, done.stdout, lines[-1] if lines else f"exit code {done.returncode}"


def require_room(folder: Path, needed: int) -> None:
    """Raise CouldNotLook unless so many bytes fit into ``folder``, with a tenth to spare."""
    free = shutil.disk_usage(folder).free
    if free < needed * 1.1:
        raise CouldNotLook(f"a restored copy needs {needed} bytes in {folder}, of which {free} are free")


def compare(source: Path, copy: Path, begun: datetime) -> Compared:
    """Hold a restored copy against its source, which may have changed since the snapshot was ``begun``."""
    there = tree_entries(source, exclude=())
    kept = tree_entries(copy, exclude=()) if copy.is_dir() else {}
    compared = Compared(entries=len(there))
    for name in sorted(there.keys() | kept.keys()):
        if there.get(name) == kept.get(name):
            continue
        if _changed_since(source / name, source, begun):
            compared.since.append(name)
        elif name not in kept:
            compared.missing.append(name)
        elif name not in there:
            compared.extra.append(name)
        else:
            compared.other.append(name)
    return compared


def judge_files(
    snapshot: Mapping[str, Any] | None,
    compared: Mapping[str, Compared],
    damage: str,
    *,
    run: str,
    run_started: datetime,
    paths: Sequence[str],
) -> Verdict:
    """deploy.backup.files: a snapshot of this run, which restores to what it was made from."""
    if snapshot is None:
        return verdict(["the repository has no such snapshot"], "")
    begun = snapshot_time(snapshot)
    problems = []
    if begun < run_started:
        problems.append(f"the snapshot was begun {begun:%Y-%m-%d %H:%M:%S %Z}, before the run began")
    if run not in (snapshot.get("tags") or []):
        problems.append(f"the snapshot is not tagged {run}: it is of another run")
    for path in paths:
        if not any(Path(path).is_relative_to(kept) for kept in snapshot.get("paths") or []):
            problems.append(f"{path} is not in the snapshot")
    for path, found in compared.items():
        for names, what in (
            (found.missing, "are missing from the backup"),
            (found.other, "are not as they were backed up"),
            (found.extra, "are in the backup only"),
        ):
            if names:
                problems.append(f"{path}: {len(names)} entries {what}: {listed(names)}")
    if damage:
        problems.append(damage)
    entries = sum(found.entries for found in compared.values())
    since = [f"{path}/{name}" for path, found in compared.items() for name in found.since]
    return verdict(
        problems,
        f"{entries} entries of {listed(paths)} restored as they are" + (f", {len(since)} of them changed since" if since else ""),
        expected={"run": run, "paths": list(paths), "entries": entries},
        observed={"snapshot": snapshot.get("short_id"), "begun": begun.isoformat(), "paths": snapshot.get("paths")},
        evidence={"changed_since": since[:50]},
    )


def snapshot_time(snapshot: Mapping[str, Any]) -> datetime:
    """When the snapshot was begun, by the clock of the host that made it."""
    try:
        return datetime.fromisoformat(str(snapshot["time"])).astimezone(UTC)
    except (KeyError, ValueError):
        raise CouldNotLook(f"restic names no time of the snapshot: {snapshot.get('time')}") from None


def size(path: Path) -> int:
    """Bytes of the files below ``path``."""
    return sum(entry.lstat().st_size for entry in path.rglob("*"))


def _changed_since(path: Path, source: Path, begun: datetime) -> bool:
    """Whether the entry, or the folder that it was removed from, changed after ``begun``, by the time that the kernel keeps."""
    while not os.path.lexists(path) and path != source:
        path = path.parent
    return path.lstat().st_ctime >= begun.timestamp()

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The points in time of which there is a backup, and the one that is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .assertion import CouldNotLook, moment
from .dumps import read_manifest
from .file_backup import snapshot_time
from .old_databases import RUN

SCHEDULED = "scheduled"  # tag of the backups that the timer makes
LATEST = "latest"
MOST = 12  # points that a refusal names


class NoSuchPoint(Exception):
    """There is no backup of what was asked for; the message names those there are."""


@dataclass(frozen=True)
class Point:
    """A backup. ``snapshot``: the repository's id of it, empty where it lies on this host. ``path``: the dump that it holds."""

    run: str
    made: datetime
    snapshot: str = ""
    path: str = ""

    def __str__(self) -> str:
        where = f"in the repository as {self.snapshot[:8]}" if self.snapshot else "on this host"
        return f"{self.run} of {self.made:%Y-%m-%d %H:%M:%S} UTC, {where}"

    def told(self, now: datetime) -> dict[str, Any]:
        """What a module returns of it."""
        return {
            "run": self.run,
            "made": self.made.isoformat(timespec="seconds"),
            "age_hours": round((now - self.made).total_seconds() / 3600, 1),
            "snapshot": self.snapshot,
            "text": str(self),
        }


def on_this_host(directory: Path, database: str) -> tuple[list[Point], list[str]]:
    """The dumps of a folder, and the manifests that cannot be read. A dump that is not there any more is none."""
    points, unreadable = [], []
    for file in sorted(directory.glob(f"{database}-*.json")):
        run = file.stem.removeprefix(f"{database}-")
        if not (run == SCHEDULED or re.fullmatch(RUN, run)):
            continue
        try:
            started = read_manifest(file)["started"]
        except CouldNotLook as reason:
            unreadable.append(str(reason))
            continue
        if file.with_suffix(".dump").exists():
            points.append(Point(run, datetime.fromtimestamp(started, UTC), path=str(file.with_suffix(".dump"))))
    return points, unreadable


def in_repository(snapshots: Iterable[Mapping[str, Any]], directory: Path, database: str) -> list[Point]:
    """The snapshots that hold a dump of the database."""
    return [
        Point(run, snapshot_time(snapshot), str(snapshot["id"]), path)
        for snapshot in snapshots
        for run in runs(snapshot)
        if _holds(snapshot, path := f"{directory}/{database}-{run}.dump")
    ]


def of_files(snapshots: Iterable[Mapping[str, Any]], paths: Sequence[str]) -> list[Point]:
    """The snapshots that hold all of ``paths``."""
    return [
        Point(run, snapshot_time(snapshot), str(snapshot["id"]))
        for snapshot in snapshots
        for run in runs(snapshot)
        if all(_holds(snapshot, path) for path in paths)
    ]


def runs(snapshot: Mapping[str, Any]) -> list[str]:
    """What made a snapshot, by its tags."""
    return [tag for tag in snapshot.get("tags") or [] if tag == SCHEDULED or re.fullmatch(RUN, tag)]


def choose(asked: str, here: Sequence[Point], elsewhere: Sequence[Point]) -> Point:
    """The point that ``asked`` names: the id of a run, ``latest``, or a time, for the newest that is not after it.

    What is on this host comes before its copy in the repository.
    """
    # Each snapshot since the last scheduled dump holds that very dump.
    since = min((point.made for point in here if point.run == SCHEDULED), default=None)
    own = {point.run for point in here if point.run != SCHEDULED}
    copies = [p for p in elsewhere if p.run not in own and not (p.run == SCHEDULED and since and p.made >= since)]
    points = sorted([*here, *copies], key=lambda point: point.made)
    if asked == LATEST:
        found = points
    elif re.fullmatch(RUN, asked):
        found = [point for point in points if point.run == asked]
    else:
        try:
            limit = moment("restore_point", asked)
        except CouldNotLook as reason:
            raise NoSuchPoint(f"{reason}; give the id of a run, 'latest', or a time with its zone. {named(points)}") from None
        found = [point for point in points if point.made <= limit]
    if not found:
        raise NoSuchPoint(f"restore_point: there is no backup of {asked}. {named(points)}")
    return found[-1]


def named(points: Sequence[Point]) -> str:
    """The newest of the points that there are, for a person."""
    newest = sorted(points, key=lambda point: point.made, reverse=True)
    more = f"; and {len(newest) - MOST} older ones" if len(newest) > MOST else ""
    return f"There are: {'; '.join(map(str, newest[:MOST]))}{more}" if newest else "There is no backup at all"


def _holds(snapshot: Mapping[str, Any], path: str) -> bool:
    return any(Path(path).is_relative_to(kept) for kept in snapshot.get("paths") or [])

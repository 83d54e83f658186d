# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges whether a rollback would work now: the earlier release, the restore point, the backup, and how long it takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from .answers import HTTP_OK, json_differences
from .assertion import CouldNotLook, Verdict, listed, verdict
from .dumps import Contents, File, drift
from .spare_start import Started
from .systemd import Properties

UNIT = ("LoadState", "UnitFileState", "NeedDaemonReload", "FragmentPath", "DropInPaths", "ExecStart")
# Phases of this run that a rollback goes through as well: closing the site, the switch with its caches, looking at it.
PHASES = ("maintenance", "release", "verification")
EMPTIED = 10  # rows of a table that do not all go in the minutes between the dump and the restore point
RENAMES = 2  # the newer database aside, the restore point into its place


@dataclass(frozen=True)
class Earlier:
    """The earlier release on a host. digest: of its tree, empty where it is not there. damage: what its packages lack.

    environment: bytes of its environment file, None where there is none. way: the release that a rollback would choose.
    """

    digest: str
    damage: str
    environment: int | None
    units: Mapping[str, Properties]
    way: Mapping[str, Any]
    no_way: str
    started: Started | None


@dataclass(frozen=True)
class Data:
    """The database's way back. live_head: the migrations that the live database has. counters: its counters of rows written.

    owners: of the databases.

    point: what the restore point holds, None where there is none. written: rows written to it since. rename: seconds that
    renaming it takes. copies: backups of this run that the repository holds, None where it was not asked.
    """

    manifest: Mapping[str, Any]
    file: File | None
    live_head: Sequence[str]
    counters: Mapping[str, Any]
    owners: Mapping[str, str]
    point: Contents | None
    written: int
    rename: float
    copies: Sequence[Mapping[str, Any]] | None


def judge_earlier(seen: Earlier, manifest: Mapping[str, Any], release: Path, restore_point: str) -> Verdict:
    """The earlier release is whole, is what a rollback would choose, and starts."""
    name = release.name
    problems = []
    if seen.no_way:
        problems.append(seen.no_way)
    elif seen.way.get("target") != name:
        problems.append(f"a rollback would go to {seen.way.get('target')}, not to {name}")
    elif (seen.way.get("restore_point") or "") != restore_point:
        problems.append(
            f"a rollback would use restore point {seen.way.get('restore_point') or 'none'}, not {restore_point or 'none'}"
        )
    if not seen.digest:
        problems.append(f"release {name} is not there")
    elif seen.digest != manifest.get("tree_digest"):
        problems.append(f"the files of release {name} are not those that were deployed")
    if seen.damage:
        problems.append(f"its packages: {seen.damage}")
    if not seen.environment:
        problems.append(f"its environment file {'is empty' if seen.environment == 0 else 'is missing'}")
    problems += [f"{unit}: {problem}" for unit, properties in seen.units.items() for problem in _unit_problems(properties, release)]
    if not seen.units:
        problems.append(f"the manifest of {name} names no unit")
    if seen.started is None:
        problems.append("it was not started, as it is not whole")
    else:
        problems += _start_problems(seen.started, manifest, bool(restore_point))
    return verdict(
        problems,
        f"{name} is whole and well {seen.started.seconds if seen.started else 0:.1f} s after its start on a spare socket",
        expected={"release": name, "tree_digest": manifest.get("tree_digest")},
        observed={"tree_digest": seen.digest, "start_seconds": round(seen.started.seconds, 2) if seen.started else None},
        evidence={"health": seen.started.health.text if seen.started else None, "way_back": dict(seen.way)},
    )


def judge_data(
    seen: Data, manifest: Mapping[str, Any], *, run: str, database: str, restore_point: str, compatible: Collection[str] = ()
) -> Verdict:
    """The dump of this run is as it was made and off the host, and the restore point holds what the earlier release had.

    compatible: migrations that earlier code is declared to work with; without a restore point the schema may have these.
    """
    dumped = seen.manifest["tables"]
    problems = []
    if seen.manifest["run_id"] != run or seen.manifest["database"] != database:
        problems.append(f"the dump is of {seen.manifest['database']} and run {seen.manifest['run_id']}")
    if seen.file is None:
        problems.append(f"the dump {seen.manifest['file']} is missing")
    elif (seen.file.size, seen.file.sha256) != (seen.manifest["size"], seen.manifest["sha256"]):
        problems.append(f"the dump {seen.manifest['file']} is not the file that was made")
    if seen.copies is not None and not any(seen.manifest["file"] in (copy.get("paths") or []) for copy in seen.copies):
        problems.append("the dump has no copy in the repository")
    head = sorted(manifest.get("migration_head") or [])
    newer = set(seen.live_head) - set(head)
    if not restore_point:
        if sorted(seen.live_head) != head and not (newer and newer <= set(compatible)):
            there = listed(seen.live_head) or "no migration"
            problems.append(
                f"the schema is at {there}, the earlier release's at {listed(head) or 'none'}, and there is no restore point"
            )
    elif seen.point is None:
        problems.append(f"the restore point {restore_point} is missing")
    else:
        problems += _point_problems(seen, dumped, head, database, restore_point)
    kept = f"the earlier release is to go on with {listed(newer)}" if newer else "the schema is the earlier release's"
    way = f"restore point {restore_point} with {_rows(seen.point)} rows" if restore_point else kept
    return verdict(
        problems,
        f"dump of {sum(dumped.values())} rows{' with a copy in the repository' if seen.copies is not None else ''}, {way}",
        expected={"run": run, "restore_point": restore_point, "migration_head": head},
        observed={
            "live_head": list(seen.live_head),
            "restore_point_head": seen.point.head if seen.point else None,
            "rename_seconds": round(seen.rename, 3),
        },
        evidence={"dumped": dumped, "restore_point": seen.point.tables if seen.point else None},
    )


def estimate(phases: Sequence[Mapping[str, Any]], now: float, start: float, rename: float, limit: float) -> Verdict:
    """How long a rollback would take, from what was measured: this run's own phases, the start and the renames just tried.

    phases: the beginnings of the run's phases, ``{phase, time}`` in order (Unix time). limit: seconds that it may take.
    """
    parts: dict[str, float] = {}
    try:
        times = [(str(entry["phase"]), float(entry["time"])) for entry in phases]
    except (KeyError, TypeError, ValueError):
        raise CouldNotLook("the run's record does not say when its phases began") from None
    # What was staged before the site was closed is no part of a rollback.
    closed = max((at for at, (phase, _) in enumerate(times) if phase == PHASES[0]), default=len(times))
    for (phase, began), (_, ended) in pairwise([*times[closed:], ("", now)]):
        if phase in PHASES:
            parts[phase] = parts.get(phase, 0.0) + ended - began
    if lacking := set(PHASES) - parts.keys():
        raise CouldNotLook(f"no record here says how long {listed(lacking)} took, so that a rollback's time cannot be estimated")
    parts |= {"start": start, "renames": RENAMES * rename}
    seconds = sum(parts.values())
    problems = [f"a rollback would take {seconds:.0f} s, {limit:g} s at most"] if seconds > limit else []
    if any(part < 0 for part in parts.values()):
        problems.append("the times that the run measured run backwards")
    said = ", ".join(f"{name} {part:.1f}" for name, part in parts.items())
    return verdict(
        problems,
        f"a rollback would take about {seconds:.0f} s ({said})",
        expected={"rollback_seconds": limit},
        observed={"rollback_seconds": round(seconds, 1)},
        evidence={name: round(part, 2) for name, part in parts.items()},
    )


def _unit_problems(properties: Properties, release: Path) -> list[str]:
    if properties.get("LoadState") != "loaded":
        return [properties.get("LoadState") or "unknown"]
    problems = []
    fragment = properties.get("FragmentPath", "")
    if not fragment or not Path(fragment).is_file():
        problems.append("its file is gone; it would not be there after the next daemon-reload")
    if properties.get("NeedDaemonReload") == "yes":
        problems.append("its file changed without a daemon-reload")
    command = properties.get("ExecStart", "")
    if command and f"{release}/" not in command:
        problems.append(f"it starts nothing of {release.name}")
    return problems


def _start_problems(started: Started, manifest: Mapping[str, Any], schema_is_newer: bool) -> list[str]:
    problems = []
    expected = {name: manifest.get(name) for name in ("version", "commit")}
    if started.version.status != HTTP_OK:
        problems.append(f"it does not start: {started.version.outcome}; {started.said}".rstrip("; "))
    elif other := json_differences(expected, started.version.json()):
        problems.append(f"what starts is another version: {listed(other)}")
    # On a schema that is not its own it may be unwell: the restore point comes before it then.
    elif started.health.status != HTTP_OK and not schema_is_newer:
        problems.append(f"it starts and is not well: {started.health.outcome}; {started.said}".rstrip("; "))
    return problems


def _point_problems(seen: Data, dumped: Mapping[str, int], head: list[str], database: str, restore_point: str) -> list[str]:
    point = seen.point
    if point is None:
        return []
    problems = []
    if sorted(point.head) != head:
        there = listed(point.head) or "no migration"
        problems.append(f"the restore point is at {there}, the earlier release's schema at {listed(head) or 'none'}")
    if seen.owners.get(restore_point) != seen.owners.get(database):
        problems.append(
            f"the restore point belongs to {seen.owners.get(restore_point)}, the database to {seen.owners.get(database)}"
        )
    if lacking := dumped.keys() - point.tables.keys():
        problems.append(f"the restore point lacks {listed(lacking)}")
    may_differ = drift(seen.manifest, point.tables, seen.counters)
    other = [
        f"{table} ({dumped[table]} dumped, {count} there)"
        for table, count in point.tables.items()
        if table in dumped and (abs(dumped[table] - count) > may_differ[table] or (not count and dumped[table] >= EMPTIED))
    ]
    if seen.written:
        problems.append(f"{seen.written} rows of the restore point were written since it was made")
    if other:
        problems.append(f"the rows of the restore point are not those of the dump: {listed(other)}")
    return problems


def _rows(contents: Contents | None) -> int:
    return sum(contents.tables.values()) if contents else 0

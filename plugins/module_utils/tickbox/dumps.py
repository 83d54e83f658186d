# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges dumps of a database: of this run, whole, and restored into what they were made from."""

from __future__ import annotations

import calendar
import hashlib
import json
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .assertion import CouldNotLook, Verdict, listed, verdict
from .writes import moved

MANIFEST: dict[str, type | tuple[type, ...]] = {
    "run_id": str,
    "database": str,
    "file": str,
    "size": int,
    "sha256": str,
    "started": (int, float),
    "tables": dict,
}
# Between a dump and the look at it people go on working: by how many rows a table may have changed where the server's
# counters do not say that it were more.
DRIFT_ROWS = 100
DRIFT_SHARE = 0.05
# Seconds until an idle connection has told the server what it wrote: PGSTAT_IDLE_INTERVAL is 10 s.
COUNTERS_LAG = 11.0


@dataclass(frozen=True)
class File:
    """A dump's file as it lies there. ``listing``: its own table of contents, or why it has none."""

    size: int
    sha256: str
    modified: datetime
    listing: str


@dataclass(frozen=True)
class Contents:
    """What a database holds: rows of each table, migrations, and the definitions of everything else.

    ``provided``: tables whose rows come with an extension, and not with a dump.
    """

    tables: Mapping[str, int]
    provided: frozenset[str]
    head: list[str]
    definitions: Mapping[tuple[str, str], str]


def read_manifest(path: Path) -> dict[str, Any]:
    """Read what the dump was said to contain; CouldNotLook where that is not a whole manifest."""
    try:
        manifest = json.loads(path.read_text())
        wrong = [name for name, kind in MANIFEST.items() if not isinstance(manifest[name], kind)]
        if not all(isinstance(count, int) for count in manifest["tables"].values()):
            wrong.append("tables")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CouldNotLook(f"{path} is no manifest of a dump: {error!r}") from None
    if wrong:
        raise CouldNotLook(f"{path} is no manifest of a dump: {', '.join(wrong)} of the wrong type")
    return dict(manifest)


def look_at_file(path: Path) -> File | None:
    """Read the dump's file; None where there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    status = path.stat()
    done = subprocess.run(["pg_restore", "--list", str(path)], capture_output=True, text=True, check=False)
    return File(status.st_size, digest, datetime.fromtimestamp(status.st_mtime, UTC), done.stdout or done.stderr)


def damage(manifest: Mapping[str, Any], file: Path) -> str:
    """Say why the file is not the dump that the manifest describes, or nothing."""
    if not file.is_file():
        return f"{file} is missing"
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    return "" if found == manifest["sha256"] else f"{file} is corrupt: its digest is not that of its manifest"


def judge_dump(
    manifest: Mapping[str, Any],
    file: File | None,
    live: Contents,
    *,
    counters: Mapping[str, Any],
    run: str,
    database: str,
    run_started: datetime,
) -> Verdict:
    """deploy.backup.database: made by this run, the file as recorded, its rows in keeping with the live ones.

    counters: of the live database, as ``writes.read`` returns them.
    """
    started = datetime.fromtimestamp(manifest["started"], UTC)
    problems = []
    if manifest["run_id"] != run:
        problems.append(f"the dump is of run {manifest['run_id']}, not of {run}")
    if manifest["database"] != database:
        problems.append(f"the dump is of database {manifest['database']}, not of {database}")
    if started < run_started:
        problems.append(f"the dump was begun {started:%Y-%m-%d %H:%M:%S} UTC, before the run began ({run_started:%H:%M:%S %Z})")
    if file is None:
        problems.append(f"{manifest['file']} is missing")
    else:
        problems += _file_problems(manifest, file, started)
        filled = {table for table, count in manifest["tables"].items() if count} - live.provided
        problems += _listing_problems(file.listing, database, filled, started)
    problems += _table_problems(manifest["tables"], live.tables, drift(manifest, live.tables, counters))
    total = sum(manifest["tables"].values())
    return verdict(
        problems,
        f"{len(manifest['tables'])} tables with {total} rows in {manifest['size']} bytes, begun {started:%H:%M:%S} UTC",
        expected={"run": run, "begun_after": run_started.isoformat(), "rows": sum(live.tables.values())},
        observed={"run": manifest["run_id"], "begun": started.isoformat(), "rows": total, "size": file.size if file else None},
        evidence={"dumped": manifest["tables"], "live": live.tables},
    )


def judge_restored(manifest: Mapping[str, Any], restored: Contents | None, live: Contents, stopped: str = "") -> Verdict:
    """deploy.backup.integrity: the restored copy has the rows that the dump was made from, and the live definitions."""
    if restored is None:
        return verdict([f"the dump cannot be restored: {stopped}"], "")
    problems = content_problems(manifest, restored.tables, restored.head)
    head = sorted(manifest.get("migration_head") or [])
    for name, keys in {
        "lacks": live.definitions.keys() - restored.definitions.keys(),
        "has besides": restored.definitions.keys() - live.definitions.keys(),
        "has changed": {
            key
            for key in live.definitions.keys() & restored.definitions.keys()
            if live.definitions[key] != restored.definitions[key]
        },
    }.items():
        if keys:
            problems.append(f"the restored copy {name} {listed(f'{kind} {what}' for kind, what in keys)}")
    kinds = {kind: len([key for key in restored.definitions if key[0] == kind]) for kind in ("constraint", "index")}
    return verdict(
        problems,
        f"restored: {len(restored.tables)} tables, {sum(restored.tables.values())} rows, {kinds['constraint']} constraints, "
        f"{kinds['index']} indexes, migration {listed(restored.head) or 'none'}",
        expected={"tables": len(manifest["tables"]), "rows": sum(manifest["tables"].values()), "migration_head": head},
        observed={"tables": len(restored.tables), "rows": sum(restored.tables.values()), "migration_head": restored.head, **kinds},
        evidence={"rows": restored.tables},
    )


def content_problems(manifest: Mapping[str, Any], tables: Mapping[str, int], head: list[str]) -> list[str]:
    """Name where a restored copy has not the tables, rows and migrations that the dump was made from."""
    problems = _table_problems(manifest["tables"], tables)
    wanted = sorted(manifest.get("migration_head") or [])
    if head != wanted:
        problems.append(f"it is at migration {listed(head) or 'none'}, not {listed(wanted) or 'none'}")
    return problems


def _file_problems(manifest: Mapping[str, Any], file: File, started: datetime) -> list[str]:
    problems = []
    if file.size != manifest["size"] or not file.size:
        problems.append(f"the file has {file.size} bytes, not {manifest['size']}")
    if file.sha256 != manifest["sha256"]:
        problems.append("the file's digest is not the recorded one")
    if int(file.modified.timestamp()) < int(started.timestamp()):
        problems.append(f"the file is older ({file.modified:%Y-%m-%d %H:%M:%S} UTC) than the dump is said to be")
    return problems


def _listing_problems(listing: str, database: str, filled: set[str], started: datetime) -> list[str]:
    """Name what the file lacks by its own table of contents: of what it is a dump, when it was made, whose rows it holds."""
    named = re.search(r"^;\s+dbname: (.*)$", listing, re.MULTILINE)
    if not named:
        return [f"the file is no dump: {listing.strip()[:100]}"]
    problems = [] if named[1] == database else [f"the file is a dump of database {named[1]}"]
    made = _archive_created(listing)
    if made is None:
        problems.append("the file does not say when it was made")
    elif made < int(started.timestamp()):
        problems.append(
            f"the file was made at {datetime.fromtimestamp(made, UTC):%Y-%m-%d %H:%M:%S} UTC, before the dump was begun"
        )
    entries = re.findall(r"^\d.* (?:TABLE|MATERIALIZED VIEW) DATA (\S+) (.*)$", listing, re.MULTILINE)
    held = [f"{schema}.{rest}" for schema, rest in entries]  # rest: the table and its owner
    if lacking := {table for table in filled if not any(entry.startswith(f"{table} ") for entry in held)}:
        problems.append(f"the file holds no rows of {listed(lacking)}")
    return problems


def _archive_created(listing: str) -> float | None:
    """When pg_dump made the file (Unix time). It keeps the local time of its host, which is where the file is looked at."""
    said = re.search(r"^; Archive created at (.* (\S+))$", listing, re.MULTILINE)
    try:
        made = time.strptime(said[1], "%Y-%m-%d %H:%M:%S %Z") if said else None
    except ValueError:
        return None
    return made and (calendar.timegm(made) if said and said[2] == "UTC" else time.mktime(made))


def drift(manifest: Mapping[str, Any], tables: Mapping[str, int], now: Mapping[str, Any]) -> dict[str, float]:
    """By how many rows each of ``tables`` may differ from the dump, by the counters at the dump and ``now``."""
    changed = moved(manifest.get("counters"), now)
    return {table: max(DRIFT_ROWS, DRIFT_SHARE * count, changed.get(table, 0)) for table, count in tables.items()}


def _table_problems(
    dumped: Mapping[str, int], there: Mapping[str, int], may_differ: Mapping[str, float] | None = None
) -> list[str]:
    place = "the restored copy" if may_differ is None else "the live database"
    problems = []
    if may_differ is not None and any(there.values()) and not any(dumped.values()):
        problems.append("the dump has no row, the live database has")
    if lacking := there.keys() - dumped.keys():
        problems.append(f"{place} has tables that the dump lacks: {listed(lacking)}")
    if more := dumped.keys() - there.keys():
        problems.append(f"{place} lacks tables that the dump was made from: {listed(more)}")
    other = [
        f"{table} ({dumped[table]} dumped, {there[table]} there)"
        for table in sorted(dumped.keys() & there.keys())
        if abs(dumped[table] - there[table]) > (may_differ or {}).get(table, 0)
    ]
    if other:
        problems.append(f"rows differ from {place}: {listed(other)}")
    return problems

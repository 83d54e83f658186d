# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many rows were written since a moment, by the counters that PostgreSQL keeps of each table.

What they do not tell is unknown, and unknown counts as some: a crash or a reset empties them, TRUNCATE passes them by.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .assertion import listed
from .files import replace
from .postgresql import rows

# Large objects are kept in a table of the system's own, and people's data all the same.
TABLES = """
    SELECT n.nspname || '.' || c.relname, c.oid::bigint, pg_relation_filenode(c.oid)::bigint, s.n_tup_ins, s.n_tup_upd, s.n_tup_del
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_stat_all_tables s ON s.relid = c.oid
    WHERE c.relkind = 'r' AND (n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' OR c.oid = 'pg_largeobject'::regclass)
    ORDER BY 1
"""
# The archiver's counters begin anew with all others where the server lost them in a crash, and are hardly reset by anybody.
SERVER = """
    SELECT d.oid::bigint, d.datname, extract(epoch FROM s.stats_reset)::text, extract(epoch FROM a.stats_reset)::text,
      (SELECT system_identifier::text FROM pg_control_system()), pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
      current_setting('track_counts') = 'on'
    FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid, pg_stat_archiver a WHERE d.datname = current_database()
"""
COUNTERS = ("inserted", "updated", "deleted")
MARK: dict[str, type | tuple[type, ...]] = {
    "database": int,
    "name": str,
    "reset": (str, type(None)),
    "begun": (str, type(None)),
    "server": str,
    "xid": int,
    "counted": bool,
    "tables": dict,
}


@dataclass(frozen=True)
class Writes:
    """Rows written by table, those with any; an update and a deletion count as the insertion of a row does.

    known: whether that is all. why: what keeps it from being known.
    """

    tables: Mapping[str, int] = field(default_factory=dict)
    known: bool = True
    why: str = ""

    @property
    def total(self) -> int:
        """All rows together."""
        return sum(self.tables.values())

    @property
    def some(self) -> bool:
        """Whether rows were written, as far as anybody knows."""
        return not self.known or self.total > 0

    @property
    def text(self) -> str:
        """For a person."""
        if not self.known:
            return f"nobody knows how many rows were written since go-live ({self.why})"
        named = listed(f"{table} {count}" for table, count in self.tables.items())
        return f"{self.total} rows in {len(self.tables)} tables were written since go-live{f' ({named})' if named else ''}"

    def as_dict(self) -> dict[str, Any]:
        """As a module returns it."""
        return {**asdict(self), "total": self.total, "some": self.some, "text": self.text}


def read(cursor: Any) -> dict[str, Any]:
    """The counters of the database of ``cursor`` as they stand now; the form of a mark."""
    cursor.execute("SELECT pg_stat_clear_snapshot()")
    database, name, reset, begun, server, xid, counted = rows(cursor, SERVER)[0]
    tables = {
        table: {"oid": oid, "file": file, **dict(zip(COUNTERS, counters, strict=True))}
        for table, oid, file, *counters in rows(cursor, TABLES)
    }
    seen = {"database": database, "name": name, "reset": reset, "begun": begun, "server": server, "xid": xid, "counted": counted}
    return {**seen, "tables": tables}


def count(mark: Mapping[str, Any] | None, now: Mapping[str, Any]) -> Writes:
    """What was written between two readings of the counters. ``mark``: None where there is none."""
    if mark is None:
        return Writes(known=False, why="no counters were noted at go-live")
    if doubt := _doubt(mark, now):
        return Writes(known=False, why=doubt)
    before: Mapping[str, Any] = mark["tables"]
    tables = {
        table: sum(seen[name] - before.get(table, {}).get(name, 0) for name in COUNTERS) for table, seen in now["tables"].items()
    }
    return Writes({table: written for table, written in tables.items() if written})


def moved(mark: Any, now: Mapping[str, Any]) -> dict[str, int]:
    """By how many rows the length of a table may have changed between two readings: those inserted, and those deleted.

    A table of which the counters do not tell is left out, and all are where nothing was noted. A migration that rewrites a table
    leaves its counters as they are.
    """
    before = checked(mark)
    if before is None or _server_doubt(before, now):
        return {}
    return {
        table: sum(seen[name] - before["tables"][table][name] for name in ("inserted", "deleted"))
        for table, seen in now["tables"].items()
        if table in before["tables"] and all(seen[name] >= before["tables"][table][name] for name in COUNTERS)
    }


def _doubt(mark: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Why the difference of two readings is not what was written; nothing where it is."""
    return _server_doubt(mark, now) or next(
        filter(None, (_table_doubt(table, before, now["tables"]) for table, before in mark["tables"].items())), ""
    )


def _server_doubt(mark: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if (mark["server"], mark["database"]) != (now["server"], now["database"]):
        return f"{now['name']} is another database than the one whose counters were noted"
    if not (mark["counted"] and now["counted"]):
        return "track_counts is off: the server does not count"
    if (mark["reset"], mark["begun"]) != (now["reset"], now["begun"]):
        return "the server's counters were reset, or lost in a crash"
    return ""


def _table_doubt(table: str, before: Mapping[str, int], there: Mapping[str, Mapping[str, int]]) -> str:
    seen = there.get(table)
    if seen is None or seen["oid"] != before["oid"]:
        return f"{table} was {'dropped' if seen is None else 'made anew'}"
    if any(seen[name] < before[name] for name in COUNTERS):
        return f"the counters of {table} were reset"
    return "" if seen["file"] == before["file"] else f"{table} was rewritten, as TRUNCATE and VACUUM FULL do"


def note(path: Path, mark: Mapping[str, Any]) -> None:
    """Keep a mark, so that there is a whole one or none."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    replace(path, json.dumps(mark, indent=1) + "\n", 0o640)


def noted(path: Path) -> dict[str, Any] | None:
    """Read a mark; None where there is none that can be read, which is as good as none."""
    try:
        return checked(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError):
        return None


def checked(mark: Any) -> dict[str, Any] | None:
    """The mark where it is whole, else None."""
    whole = (
        isinstance(mark, dict)
        and all(isinstance(mark.get(name), kind) for name, kind in MARK.items())
        and all(
            isinstance(table, dict) and all(isinstance(table.get(name), int) for name in ("oid", "file", *COUNTERS))
            for table in mark["tables"].values()
        )
    )
    return mark if whole else None

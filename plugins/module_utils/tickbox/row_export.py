# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rows that one database has and another has not, as files.

Both are read in the order of a digest of the rows, side by side: the server sorts, and tables of any size need no memory here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .postgresql import rows

with suppress(ImportError):  # reported by connection()
    from psycopg2 import sql

WRITTEN, GONE = "written", "gone"
AT_ONCE = 500  # rows that are fetched together
XIDS = 1 << 32  # transactions are numbered by 32 bits in a row
COLUMNS = """
    SELECT n.nspname, c.relname, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND a.attnum > 0 AND NOT a.attisdropped
    GROUP BY 1, 2 ORDER BY 1, 2
"""
# What a value looks like as text depends on these; both sides write it in the same way.
SETTINGS = {"timezone": "UTC", "datestyle": "ISO", "intervalstyle": "iso_8601", "bytea_output": "hex", "extra_float_digits": "1"}
Row = tuple[Any, ...]  # digest of the shared columns, whether it is recent, values
Table = tuple[str, str]


@dataclass(frozen=True)
class Exported:
    """What became of one table. only_there: columns that the other database lacks."""

    file: str | None
    written: int
    gone: int
    only_there: list[str]


def differing(newer: Iterator[Row], other: Iterator[Row]) -> Iterator[tuple[str, Row]]:
    """Rows of two sequences in the order of their digests that the newer has and the other has not (``written``), and the reverse
    (``gone``). A recent row of the newer is written even so; a recent row of the other was written later, and nothing is gone."""
    mine, theirs = next(newer, None), next(other, None)
    while mine or theirs:
        if mine and (theirs is None or mine[0] < theirs[0]):
            yield WRITTEN, mine
            mine = next(newer, None)
        elif theirs and (mine is None or theirs[0] < mine[0]):
            if not theirs[1]:
                yield GONE, theirs
            theirs = next(other, None)
        else:
            if mine and mine[1]:
                yield WRITTEN, mine
            mine, theirs = next(newer, None), next(other, None)


def csv_line(values: Sequence[str | None]) -> str:
    """A line as PostgreSQL reads it: an empty text stands in quotes, NULL is nothing."""
    return ",".join("" if value is None else '"' + value.replace('"', '""') + '"' for value in values) + "\n"


def columns(cursor: Any) -> dict[Table, list[str]]:
    """The columns of each table, in their order."""
    return {(schema, table): names for schema, table, names in rows(cursor, COLUMNS)}


def export(newer: Any, other: Any, folder: Path, tables: Sequence[str] | None, since: int | None) -> dict[str, Exported]:
    """Write the rows of ``newer`` that are not in ``other`` into the folder, one file a table.

    newer, other: connections. tables: those that are compared, all where None. since: the first transaction after go-live, None
    where it is not known: a row that differs in nothing but columns that the other lacks is told from those of before by it.
    """
    for opened in (newer, other):
        opened.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with opened.cursor() as cursor:
            for name, value in SETTINGS.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
    with newer.cursor() as mine, other.cursor() as theirs:
        here, there = columns(mine), columns(theirs)
    wanted = [table for table in here if tables is None or ".".join(table) in tables]
    return {
        ".".join(table): _export_table(newer, other, folder, table, here[table], there.get(table, []), since) for table in wanted
    }


def _export_table(
    newer: Any, other: Any, folder: Path, table: Table, here: list[str], there: list[str], since: int | None
) -> Exported:
    shared = [name for name in here if name in there]
    only_there = [name for name in here if name not in there]
    name = f"{quote('.'.join(table), safe='. ')}.csv"
    counts = {WRITTEN: 0, GONE: 0}
    recent = _recent(since)
    mine = _read(newer, table, shared, [*shared, *only_there], recent if only_there else sql.SQL("false"))
    theirs = _read(other, table, shared, shared, recent if since is not None else sql.SQL("false")) if shared else _nothing()
    with closing(mine), closing(theirs), (folder / name).open("w", encoding="utf-8", newline="") as file:
        file.write(csv_line(["_change", *shared, *only_there]))
        for change, row in differing(mine, theirs):
            counts[change] += 1
            file.write(csv_line([change, *chain(row[2:], [None] * (len(here) - len(row) + 2))]))
    if not any(counts.values()):
        (folder / name).unlink()
    return Exported(name if any(counts.values()) else None, counts[WRITTEN], counts[GONE], only_there)


def _recent(since: int | None) -> Any:
    """Whether a row was written by that transaction or later; any may have been where it is not known."""
    if since is None:
        return sql.SQL("true")
    later = sql.SQL("xmin::text::bigint > 2 AND (xmin::text::bigint - {} + {}) % {} < {}")  # up to 2: older than all others
    return later.format(*map(sql.Literal, (since % XIDS, XIDS, XIDS, XIDS // 2)))


def _read(opened: Any, table: Table, key: Sequence[str], names: Sequence[str], recent: Any) -> Generator[Row, None, None]:
    def texts(some: Sequence[str]) -> Any:
        return sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in some)

    query = sql.SQL('SELECT md5(ROW({})::text) COLLATE "C", {}, {} FROM ONLY {} ORDER BY 1').format(
        texts(key), recent, texts(names), sql.Identifier(*table)
    )
    with opened.cursor(name="rows") as cursor:
        cursor.itersize = AT_ONCE
        cursor.execute(query)
        yield from cursor


def _nothing() -> Generator[Row, None, None]:
    yield from ()


def index(exported: Mapping[str, Exported], counted: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """What a reader of the files needs to know of each table; those that could not be compared are named as well."""
    unknown: dict[str, Any] = {"file": None, "written": None, "gone": None, "only_there": []}
    tables = sorted({*exported, *counted})
    return {
        table: {"counted": counted.get(table), **(asdict(exported[table]) if table in exported else unknown)} for table in tables
    }

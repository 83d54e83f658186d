# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a database holds, and a scratch database to restore a dump into. Runs as the server's own user."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .dumps import Contents
from .postgresql import connection, create_like, require_room, rows, table_counts
from .writes import read as read_counters

with suppress(ImportError):  # reported by connection()
    from psycopg2 import errors, sql

MARK = "restore test of a backup"  # the comment of a scratch database, by which one left behind is known
# What a restored database must have besides its rows; each by kind, name and definition.
DEFINITIONS = """
    WITH n AS (SELECT oid, nspname FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'),
         c AS (SELECT c.*, n.nspname || '.' || c.relname AS name FROM pg_class c JOIN n ON n.oid = c.relnamespace)
    SELECT 'relation', c.name, concat_ws(' ', c.relkind, pg_get_userbyid(c.relowner),
      (SELECT string_agg(one::text, ' ' ORDER BY one::text) FROM unnest(coalesce(c.relacl,
        acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner))) one))
    FROM c
    UNION ALL SELECT 'column', c.name || '.' || a.attname,
      concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, pg_get_expr(d.adbin, d.adrelid))
    FROM c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    UNION ALL SELECT 'constraint', n.nspname || '.' || k.conname || ' of ' || k.conrelid::regclass, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN n ON n.oid = k.connamespace
    UNION ALL SELECT 'index', c.name, pg_get_indexdef(c.oid) FROM c WHERE c.relkind = 'i'
    UNION ALL SELECT 'view', c.name, pg_get_viewdef(c.oid) FROM c WHERE c.relkind IN ('v', 'm')
    UNION ALL SELECT 'trigger', c.name || '.' || t.tgname, pg_get_triggerdef(t.oid)
    FROM pg_trigger t JOIN c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid)
    FROM pg_proc p JOIN n ON n.oid = p.pronamespace WHERE p.prokind IN ('f', 'p')
"""

PROVIDED = """
    SELECT n.nspname || '.' || c.relname FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e'
"""


def contents(database: str, head_query: str | None) -> Contents:
    """Read a database under one snapshot."""
    with connection(database) as opened:
        opened.set_session(isolation_level="REPEATABLE READ", readonly=True)
        cursor = opened.cursor()
        # Without a search path every name is written with its schema, whoever asks.
        cursor.execute("SET search_path TO ''")
        tables = table_counts(cursor)
        provided = frozenset(name for (name,) in rows(cursor, PROVIDED))
        definitions = {(kind, name): str(definition) for kind, name, definition in rows(cursor, DEFINITIONS)}
        head: list[str] = []
        if head_query and tables:
            cursor.execute("RESET search_path")
            with suppress(errors.UndefinedTable):  # nothing was migrated yet
                head = sorted(str(row[0]) for row in rows(cursor, head_query))
        return Contents(tables, provided, head, definitions)


def counters(database: str) -> Mapping[str, Any]:
    """The server's counters of rows written to the database, as they stand now."""
    with connection(database) as opened:
        return read_counters(opened.cursor())


def scratch_name(database: str, run: str) -> str:
    """The name of the database for a restore test, within what the server takes."""
    return f"{database}_restore_{run}"[:63]


@contextmanager
def scratch(database: str, name: str) -> Iterator[str]:
    """An empty database for a restore test, dropped whatever happens; one that a killed run left is dropped as well."""
    with connection("postgres", autocommit=True) as opened:
        cursor = opened.cursor()
        require_room(cursor, database)
        left = "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') = %s AND starts_with(datname, %s)"
        for (old,) in rows(cursor, left, (MARK, scratch_name(database, ""))):
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(old)))
        made = sql.Identifier(name)
        create_like(cursor, database, name)
        try:
            cursor.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(made, sql.Literal(MARK)))
            yield name
        finally:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(made))


def restore(file: Path, database: str) -> str:
    """Restore a dump; return what stopped it, or nothing."""
    command = ["pg_restore", "--exit-on-error", "--jobs=2", f"--dbname={database}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return "" if done.returncode == 0 else next((line for line in lines if "error:" in line), f"exit code {done.returncode}")

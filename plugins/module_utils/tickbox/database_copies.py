# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies of a database with its rights and settings: of the database as it is, or out of a dump. Runs as the server's own user."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from . import catalogue
from .dumps import look_at_file, read_manifest
from .postgresql import DatabaseError, connection, create_like, databases, owner_of, rows, table_counts
from .restore_points import record_text
from .rolled_back import differences

with contextlib.suppress(ImportError):  # reported by connection()
    from psycopg2 import sql

NAME_LIMIT = 63  # bytes that PostgreSQL keeps of a name
WAIT = 10  # seconds for closed connections to be gone


@contextlib.contextmanager
def closed(cursor: Any, *names: str, but: Collection[int] = ()) -> Iterator[None]:
    """Let no connection into these databases, and end those that are open, but for those of the processes ``but``."""
    existing = [name for name in names if name in databases(cursor)]
    for name in existing:
        cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
    try:
        end_connections(cursor, existing, but)
        yield
    finally:
        for name in set(existing) | set(names):
            if name in databases(cursor):
                cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name)))


def end_connections(cursor: Any, names: list[str], but: Collection[int] = ()) -> None:
    """End the connections to these databases and wait until they are gone."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s) AND pid <> ALL(%s::int[])"
    deadline = time.monotonic() + WAIT
    while rows(cursor, query, (names, list(but))):
        if time.monotonic() > deadline:
            raise DatabaseError(f"connections to {', '.join(names)} did not end within {WAIT} s")
        time.sleep(0.02)


def contents(database: str, head_query: str | None) -> dict[str, Any]:
    """The rows of each table, and the migrations."""
    with connection(database) as opened:
        cursor = opened.cursor()
        tables = table_counts(cursor)
        return {"tables": tables, "head": sorted(str(row[0]) for row in rows(cursor, head_query)) if head_query and tables else []}


def copy(cursor: Any, database: str, point: str, head_query: str | None) -> None:
    """Copy a database that nobody may change meanwhile, and record what it held."""
    with _drafted(cursor, point) as draft, closed(cursor, database):
        cursor.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY file_copy").format(
                *map(sql.Identifier, (draft, database, owner_of(cursor, database)))
            )
        )
        _finish(cursor, database, draft, point, contents(draft, head_query))


def copy_from_dump(cursor: Any, database: str, point: str, head_query: str | None, manifest_file: Path) -> None:
    """Restore a dump beside the database, and record what it held; DatabaseError where it is not what was dumped."""
    manifest = require_dump(manifest_file, database)
    with _drafted(cursor, point) as draft:
        create_like(cursor, database, draft, owner_of(cursor, database))
        if stopped := catalogue.restore(Path(manifest["file"]), draft):
            raise DatabaseError(f"{manifest['file']} cannot be restored: {stopped}")
        held = contents(draft, head_query)
        problems: list[str] = differences(manifest["tables"], held["tables"])
        if problems or held["head"] != sorted(manifest.get("migration_head") or []):
            raise DatabaseError(f"{manifest['file']} does not hold what was dumped: {'; '.join(problems) or 'its migrations'}")
        _finish(cursor, database, draft, point, held)


def require_dump(manifest_file: Path, database: str) -> dict[str, Any]:
    """The manifest of a dump of ``database`` that is the file which was made."""
    manifest = read_manifest(manifest_file)
    if manifest["database"] != database:
        raise DatabaseError(f"{manifest['file']} is a dump of {manifest['database']}")
    file = look_at_file(Path(manifest["file"]))
    if file is None or (file.size, file.sha256) != (manifest["size"], manifest["sha256"]):
        raise DatabaseError(f"{manifest['file']} is {'missing' if file is None else 'not the file that was made'}")
    return manifest


def fill_from(source: str, target: str) -> None:
    """Copy what is in a database that is at work into an empty one."""
    with tempfile.TemporaryFile("w+") as said:
        dumping = subprocess.Popen(["pg_dump", "--format=custom", "--compress=0", source], stdout=subprocess.PIPE, stderr=said)
        restoring = ["pg_restore", "--exit-on-error", f"--dbname={target}"]
        restored = subprocess.run(restoring, stdin=dumping.stdout, stderr=said, check=False).returncode
        if dumping.stdout:
            dumping.stdout.close()  # a dump that nobody reads any more ends
        if dumping.wait() or restored:
            said.seek(0)
            raise DatabaseError(f"{source} cannot be copied: {' '.join(said.read().split())[:400]}")


def copy_rights_and_settings(cursor: Any, source: str, target: str) -> None:
    """What CREATE DATABASE ... TEMPLATE and a dump leave out: rights on the database itself, and its settings."""
    _copy_rights(cursor, source, target)
    copy_settings(cursor, source, target)


def copy_settings(cursor: Any, source: str, target: str) -> None:
    """What ALTER DATABASE ... SET and ALTER ROLE ... IN DATABASE ... SET said of ``source``."""
    settings = rows(
        cursor,
        "SELECT s.setrole, pg_get_userbyid(s.setrole), unnest(s.setconfig) FROM pg_db_role_setting s"
        " JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = %s",
        (source,),
    )
    for has_role, role, setting in settings:
        name, value = setting.split("=", 1)
        who = sql.SQL("ROLE {} IN ").format(sql.Identifier(role)) if has_role else sql.SQL("")
        command = sql.SQL("ALTER {}DATABASE {} SET {} = {}")
        cursor.execute(command.format(who, sql.Identifier(target), sql.Identifier(name), sql.Literal(value)))


def _copy_rights(cursor: Any, source: str, target: str) -> None:
    """The rights on the database itself."""
    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(target)))
    granted = rows(
        cursor,
        "SELECT a.grantee, pg_get_userbyid(a.grantee), a.privilege_type FROM pg_database d,"
        " aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE d.datname = %s",
        (source,),
    )
    for grantee, role, privilege in granted:
        to = sql.Identifier(role) if grantee else sql.SQL("PUBLIC")
        cursor.execute(sql.SQL("GRANT {} ON DATABASE {} TO {}").format(sql.SQL(privilege), sql.Identifier(target), to))


@contextlib.contextmanager
def _drafted(cursor: Any, point: str) -> Iterator[str]:
    """The name of the draft: a copy that was cut short never bears the restore point's name."""
    draft = f"{point}_part"
    drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(draft))
    cursor.execute(drop)
    try:
        yield draft
    finally:
        cursor.execute(drop)


def _finish(cursor: Any, database: str, draft: str, point: str, held: dict[str, Any]) -> None:
    """Rights, settings, the record, and the name."""
    copy_rights_and_settings(cursor, database, draft)
    record = record_text(point, database, held)
    cursor.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(draft), sql.Literal(record)))
    cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(draft), sql.Identifier(point)))

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What several modules ask of a PostgreSQL server, over its local socket as the server's own user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import psycopg2
    import psycopg2.extras
    from psycopg2 import sql

    PSYCOPG2 = True
except ImportError:  # reported by the module that needs it
    PSYCOPG2 = False

USER_TABLES = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relispopulated AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY 1, 2
"""


class DatabaseError(Exception):
    """The server refused, or cannot be reached; the message is one line."""


@contextmanager
def connection(database: str, autocommit: bool = False) -> Iterator[Any]:
    """A connection to ``database`` as the user that runs the module. Raises DatabaseError for any error of the server."""
    if not PSYCOPG2:
        raise DatabaseError("python3-psycopg2 is not installed on this host")
    opened = None
    try:
        opened = psycopg2.connect(dbname=database)
        opened.autocommit = autocommit
        yield opened
    except psycopg2.Error as error:
        raise DatabaseError(" ".join(str(error).split())) from error
    finally:
        if opened is not None:
            opened.close()


def rows(cursor: Any, query: Any, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    cursor.execute(query, values or None)  # without values, psycopg2 leaves a % as it is
    return list(cursor.fetchall())


def table_counts(cursor: Any) -> dict[str, int]:
    """The exact number of rows of each user table and materialised view, by ``schema.table``."""
    counts = {}
    for schema, table in rows(cursor, USER_TABLES):
        counted = rows(cursor, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table)))
        counts[f"{schema}.{table}"] = int(counted[0][0])
    return counts


def databases(cursor: Any) -> list[str]:
    return [name for (name,) in rows(cursor, "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1")]


def require_room(cursor: Any, database: str, size: int | None = None) -> None:
    """Raise DatabaseError unless a copy of ``database`` fits beside it, with a tenth to spare for what is written meanwhile.

    ``size``: bytes that the copy takes, where they are not those of the database as it is now.
    """
    now, directory = rows(cursor, "SELECT pg_database_size(%s), current_setting('data_directory')", (database,))[0]
    size = now if size is None else size
    room = os.statvfs(Path(directory))
    free = room.f_bavail * room.f_frsize
    if free < size * 1.1:
        raise DatabaseError(f"a copy of {database} needs {size} bytes in {directory}, of which {free} are free")


def owner_of(cursor: Any, database: str) -> str:
    """The role that owns a database."""
    found = rows(cursor, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (database,))
    if not found:
        raise DatabaseError(f"there is no database {database}")
    return str(found[0][0])


def create_like(cursor: Any, source: str, name: str, owner: str | None = None) -> None:
    """Make an empty database with the encoding and the order of ``source``, into which only superusers and its owner may look.

    It belongs to whoever asks where no owner is named. Raises DatabaseError where there is no ``source``.
    """
    query = "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = %s"
    like = rows(cursor, query, (source,))
    if not like:
        raise DatabaseError(f"there is no database {source}")
    settings = map(sql.Literal, like[0])
    belongs = sql.SQL(" OWNER {}").format(sql.Identifier(owner)) if owner else sql.SQL("")
    create = sql.SQL("CREATE DATABASE {}{} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}")
    cursor.execute(create.format(sql.Identifier(name), belongs, *settings))
    cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))

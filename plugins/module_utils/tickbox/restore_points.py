# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at a restore point: whether it was left alone since it was made, and whether it can be renamed into place."""

from __future__ import annotations

import json
import os
import pwd
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from .assertion import CouldNotLook
from .postgresql import connection, rows

with suppress(ImportError):  # reported by connection()
    from psycopg2 import sql

WRITTEN = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables"


RECORD: dict[str, type] = {"name": str, "database": str, "made": str, "tables": dict, "head": list}


def record_text(point: str, database: str, contents: Mapping[str, Any]) -> str:
    """What is kept with a restore point, as its comment, so that it goes wherever the restore point goes."""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"name": point, "database": database, "made": made, "tables": contents["tables"], "head": contents["head"]})


def read_record(comment: str | None) -> dict[str, Any] | None:
    """What a database held when it was made as a restore point; None for one that does not say so."""
    try:
        found = json.loads(comment or "")
    except ValueError:
        return None
    whole = isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in RECORD.items())
    return found if whole else None


@contextmanager
def acting_as(user: str) -> Iterator[None]:
    """Be that user meanwhile: the server knows its own user by the process that connects."""
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise CouldNotLook(f"there is no user {user} on this host") from None
    before = os.getegid(), os.geteuid()
    os.setegid(found.pw_gid)
    os.seteuid(found.pw_uid)
    try:
        yield
    finally:
        os.seteuid(before[1])
        os.setegid(before[0])


def written(point: str) -> int:
    """Rows of its tables that were written since it was made, as the server counts them."""
    with connection(point) as opened:
        return int(rows(opened.cursor(), WRITTEN)[0][0])


def rename(point: str) -> float:
    """Seconds that renaming it takes. The transaction is rolled back: its name stays."""
    with connection("postgres") as opened:
        cursor = opened.cursor()
        began = time.monotonic()
        cursor.execute("SET LOCAL lock_timeout = '5s'")
        cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(point), sql.Identifier("tickbox_trial")))
        opened.rollback()
        return time.monotonic() - began

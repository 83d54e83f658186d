#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a dump of a database, with what it must contain."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_dump
short_description: Dump a PostgreSQL database and record what the dump must contain
description:
  - Counts the rows of every table and dumps the database under one and the same snapshot, so that a restored copy can be compared
    exactly.
  - Writes C(<database>-<run>.dump) (custom format) and beside it C(<database>-<run>.json), each by a rename once it is whole.
    A dump that this run already made is kept.
  - Fails before it begins where the server's disk has no room for a copy of the database, which the restore test and the restore
    point will make.
  - Runs as the server's own user over the local socket.
options:
  database:
    description: Name of the database.
    type: str
    required: true
  directory:
    description: Folder of the dumps.
    type: path
    required: true
  run:
    description: Id of the run that makes the dump.
    type: str
    required: true
  head_query:
    description: Query whose rows name the migrations that the schema has, sorted and kept with the dump.
    type: str
  keep:
    description: How many dumps of earlier runs stay beside the new one.
    type: int
    default: 5
requirements: [psycopg2, pg_dump]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Create a full backup of the production database
  database_dump:
    database: shop
    directory: /var/backups/tickbox/shop
    run: 20260102t030405z_9f1c
    head_query: SELECT version_num FROM alembic_version
  become: true
  become_user: postgres
"""

RETURN = r"""
manifest:
  description: What the dump must contain, as it stands in the file beside it.
  returned: always, but for the file's size and digest in check mode
  type: dict
  sample:
    run_id: 20260102t030405z_9f1c
    database: shop
    file: /var/backups/tickbox/shop/shop-20260102t030405z_9f1c.dump
    size: 51234
    sha256: 5f2d...
    started: 1767323045.1
    ended: 1767323047.9
    tables: {public.orders: 812}
    counters: {tables: {public.orders: {inserted: 812}}}
    migration_head: [3f1c]
    database_size: 8123456
"""

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.postgresql import DatabaseError, connection, require_room, rows, table_counts
from ansible.module_utils.tickbox.writes import read as read_counters


def dump(given: dict[str, Any], target: Path, check_mode: bool) -> dict[str, Any]:
    """Make the dump at ``target`` and return its manifest."""
    manifest: dict[str, Any] = {
        "run_id": given["run"],
        "database": given["database"],
        "file": str(target),
        "started": time.time(),
    }
    with connection(given["database"]) as opened:
        opened.set_session(isolation_level="REPEATABLE READ", readonly=True)
        cursor = opened.cursor()
        require_room(cursor, given["database"])
        manifest["counters"] = read_counters(cursor)
        snapshot = rows(cursor, "SELECT pg_export_snapshot()")[0][0]
        manifest["tables"] = table_counts(cursor)
        manifest["database_size"] = int(rows(cursor, "SELECT pg_database_size(current_database())")[0][0])
        manifest["migration_head"] = heads(cursor, given["head_query"])
        if not check_mode:
            manifest.update(write(given["database"], snapshot, target))
    return manifest


def heads(cursor: Any, query: str | None) -> list[str]:
    """The migrations that the schema has; none where the table that holds them is not there yet."""
    if not query:
        return []
    cursor.execute("SAVEPOINT heads")
    try:
        return sorted(str(row[0]) for row in rows(cursor, query))
    except Exception as error:
        if getattr(error, "pgcode", None) != "42P01":  # undefined_table
            raise
        cursor.execute("ROLLBACK TO heads")
        return []


def write(database: str, snapshot: str, target: Path) -> dict[str, Any]:
    draft = target.with_suffix(".part")
    command = ["pg_dump", "--format=custom", "--compress=1", f"--snapshot={snapshot}", f"--file={draft}", database]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        draft.unlink(missing_ok=True)
        raise DatabaseError(f"pg_dump of {database} ended with {done.returncode}: {' '.join(done.stderr.split())}")
    with draft.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    draft.rename(target)
    return {"size": target.stat().st_size, "sha256": digest, "ended": time.time()}


def drop_old(target: Path, database: str, keep: int) -> None:
    """Remove the oldest dumps that runs made of this database; each run's id begins with its time."""
    others = sorted(path for path in target.parent.glob(f"{database}-2*.dump") if path != target)
    for old in others[: max(0, len(others) - keep)]:
        old.unlink()
        old.with_suffix(".json").unlink(missing_ok=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "run": {"type": "str", "required": True},
            "head_query": {"type": "str"},
            "keep": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    os.umask(0o077)
    target = Path(module.params["directory"]) / f"{module.params['database']}-{module.params['run']}.dump"
    description = target.with_suffix(".json")
    try:
        if description.exists() and target.exists():
            module.exit_json(changed=False, manifest=json.loads(description.read_text()))
        manifest = dump(module.params, target, module.check_mode)
        if not module.check_mode:
            draft = description.with_suffix(".json.part")
            draft.write_text(json.dumps(manifest, indent=2) + "\n")
            draft.rename(description)
            drop_old(target, module.params["database"], module.params["keep"])
    except (DatabaseError, OSError, ValueError) as error:
        module.fail_json(msg=f"The database {module.params['database']} was not dumped: {error}")
    module.exit_json(changed=True, manifest=manifest)


if __name__ == "__main__":
    main()

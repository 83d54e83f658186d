#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a copy of a database to go back to by renaming."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_point
short_description: Make a restore point of a PostgreSQL database, and go back to it
description:
  - O(state=present) closes the connections to the database and copies it with C(CREATE DATABASE ... TEMPLATE), with its owner,
    rights and settings. Connections are let in again at the end, whatever happens.
    What it holds then is kept with it as its comment, tables with their rows, and migrations by O(head_query).
    Out of O(dump) it is made while the database is at work.
  - O(state=restored) renames the database to O(aside) and the restore point to the database. Nothing is dropped. What is there then
    is read again, for M(check_rollback).
    Once connections are closed it counts what was written since O(mark). Where that is some, or nobody knows, it renames nothing,
    lets connections in again and fails, unless O(accept_writes=true).
  - O(state=compared) reads what the restore point held and what the database holds, and changes nothing.
  - Each is repeated without harm. Where the restore point is not there, O(state=restored) fails, unless O(aside) shows that
    it was restored already.
  - Runs as the server's own user over the local socket.
options:
  database:
    description: Name of the database.
    type: str
    required: true
  name:
    description: Name of the restore point.
    type: str
    required: true
  state:
    description: What to do.
    type: str
    choices: [present, restored, compared]
    default: present
  aside:
    description: Name under which the newer database is kept. Needed for O(state=restored).
    type: str
  head_query:
    description: Query whose rows name the migrations of the schema.
    type: str
  dump:
    description: File that describes a dump, as M(database_dump) wrote it. With O(state=present) the restore point is made out of
      it.
    type: path
  mark:
    description: The counters of go-live, as M(database_writes) returned them; without any it is not known what was written since.
    type: dict
  accept_writes:
    description: Whether rows that were written since may be left behind in the database that is set aside.
    type: bool
    default: false
requirements: [psycopg2]
attributes:
  check_mode:
    support: full
    details: Fails where the server has no room for the restore point, or the dump is not what was made; with O(state=restored),
      where the restore point does not hold what it held when it was made. Writes are not counted.
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Make the restore point
  restore_point:
    database: shop
    name: shop_before_20260102t030405z_9f1c
  become: true
  become_user: postgres

- name: Go back to the restore point
  restore_point:
    database: shop
    name: shop_before_20260102t030405z_9f1c
    aside: shop_aside_20260103t101112z_77aa
    mark: "{{ written.mark }}"
    state: restored
  become: true
  become_user: postgres
"""

RETURN = r"""
kept:
  description: The database that was set aside.
  returned: O(state=restored)
  type: str
restored:
  description: What is there now, by the names of the databases and what the one named O(database) holds; C(record) is what came
    with it as its comment, nothing where there is none. In check mode that of the restore point. With O(state=compared), C(record)
    is what came with the restore point. C(earlier) says that a run before restored it, so that rows may have been added since.
  returned: O(state=restored) or O(state=compared)
  type: dict
  sample:
    record:
      name: shop_before_20260102t030405z_9f1c
      database: shop
      made: "2026-01-02T03:04:41+00:00"
      tables: {public.orders: 12}
      head: [3f1c]
    tables: {public.orders: 12}
    head: [3f1c]
    databases: [postgres, shop, shop_aside_20260103t101112z_77aa]
    earlier: false
writes:
  description: What was written since O(mark), as M(database_writes) returns it.
  returned: O(state=restored), where it was renamed, or refused for it
  type: dict
refused:
  description: Whether nothing was renamed because of what was written.
  returned: O(state=restored)
  type: bool
seconds:
  description: How long that took. No connection was let in meanwhile, but for the reading at the end.
  returned: always
  type: float
"""

import contextlib
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import writes
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.database_copies import (
    NAME_LIMIT,
    closed,
    contents,
    copy,
    copy_from_dump,
    end_connections,
    require_dump,
)
from ansible.module_utils.tickbox.postgresql import DatabaseError, connection, databases, owner_of, require_room, rows
from ansible.module_utils.tickbox.restore_points import read_record
from ansible.module_utils.tickbox.rolled_back import differences

with contextlib.suppress(ImportError):  # connection() says so
    from psycopg2 import sql


class Written(Exception):
    """Rows would be left behind, and nobody has accepted that."""

    def __init__(self, counted: writes.Writes) -> None:
        super().__init__(counted.text)
        self.counted = counted


def record_of(cursor: Any, database: str) -> dict[str, Any] | None:
    """What a database held when it was made as a restore point."""
    comment = rows(cursor, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (database,))
    found: dict[str, Any] | None = read_record(comment[0][0]) if comment else None
    return found


def look(cursor: Any, database: str, head_query: str | None, point: str | None = None) -> dict[str, Any]:
    """What a database holds, and what it, or that restore point, held when it was made."""
    return {"record": record_of(cursor, point or database), "databases": databases(cursor), **contents(database, head_query)}


def require_whole(cursor: Any, point: str, head_query: str | None) -> dict[str, Any]:
    """Refuse a restore point that is not what it was."""
    seen = look(cursor, point, head_query)
    if not seen["record"]:
        raise DatabaseError(f"nobody recorded what {point} held when it was made, so it cannot be known for what it is")
    problems: list[str] = differences(seen["record"]["tables"], seen["tables"])
    if problems or seen["head"] != seen["record"]["head"]:
        raise DatabaseError(f"{point} was changed since it was made: {'; '.join(problems) or 'its migrations'}")
    return seen


def make(cursor: Any, given: dict[str, Any], check_mode: bool) -> bool:
    """Make the restore point; whether there was something to do."""
    database, point, dump = given["database"], given["name"], given["dump"]
    if point in databases(cursor):
        return False
    owner_of(cursor, database)
    require_room(cursor, database)
    if check_mode and dump:
        require_dump(Path(dump), database)
    elif not check_mode and dump:
        copy_from_dump(cursor, database, point, given["head_query"], Path(dump))
    elif not check_mode:
        copy(cursor, database, point, given["head_query"])
    return True


def restore(cursor: Any, given: dict[str, Any]) -> writes.Writes | None:
    """Rename both; what was written since the mark. None where an earlier attempt has set the newer database aside already."""
    database, point, aside = given["database"], given["name"], given["aside"]
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    renames = [rename.format(sql.Identifier(point), sql.Identifier(database))]
    counted = None
    with contextlib.ExitStack() as stack:
        if aside not in databases(cursor):
            # Into a closed database nobody gets any more, so the one who counts is there before.
            counting = stack.enter_context(connection(database))
            stack.enter_context(closed(cursor, database, point, aside, but=[counting.get_backend_pid()]))
            counted = writes.count(writes.checked(given["mark"]), writes.read(counting.cursor()))
            if counted.some and not given["accept_writes"]:
                raise Written(counted)
            counting.close()
            end_connections(cursor, [database])
            renames.insert(0, rename.format(sql.Identifier(database), sql.Identifier(aside)))
        else:
            stack.enter_context(closed(cursor, database, point, aside))
        # statements that are sent together are one transaction
        cursor.execute(sql.SQL("; ").join(renames))
    return counted


def go_back(cursor: Any, given: dict[str, Any], check_mode: bool) -> tuple[bool, dict[str, Any]]:
    """Go back to the restore point; whether there was something to do, and what is there then."""
    database, point, aside = given["database"], given["name"], given["aside"]
    existing = databases(cursor)
    done = point not in existing and aside in existing and database in existing
    if not done and point not in existing:
        raise DatabaseError(f"there is no restore point {point}")
    result: dict[str, Any] = {"kept": aside, "refused": False}
    if check_mode and not done:
        return True, {**result, "restored": require_whole(cursor, point, given["head_query"])}
    counted = None if done else restore(cursor, given)
    if counted:
        result["writes"] = counted.as_dict()
    return not done, {**result, "restored": {**look(cursor, database, given["head_query"]), "earlier": done}}


def work(given: dict[str, Any], check_mode: bool) -> tuple[bool, dict[str, Any]]:
    with connection("postgres", autocommit=True) as opened:
        cursor = opened.cursor()
        if given["state"] == "restored":
            return go_back(cursor, given, check_mode)
        if given["state"] == "compared":
            return False, {"restored": look(cursor, given["database"], given["head_query"], given["name"])}
        return make(cursor, given, check_mode), {}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "restored", "compared"], "default": "present"},
            "aside": {"type": "str"},
            "head_query": {"type": "str"},
            "dump": {"type": "path"},
            "mark": {"type": "dict"},
            "accept_writes": {"type": "bool", "default": False},
        },
        required_if=[("state", "restored", ["aside"])],
        supports_check_mode=True,
    )
    given = module.params
    for name in (f"{given['name']}_part", given["aside"] or ""):
        if len(name.encode()) > NAME_LIMIT:
            module.fail_json(msg=f"{name} is longer than the {NAME_LIMIT} bytes of a PostgreSQL name: shorten app_name")
    began = time.monotonic()
    try:
        changed, result = work(given, module.check_mode)
    except Written as refusal:
        module.fail_json(
            msg=f"{given['database']} stays as it is: {refusal}. To go back all the same: -e rollback_accept_data_loss=true",
            refused=True,
            writes=refusal.counted.as_dict(),
        )
    except (DatabaseError, CouldNotLook, OSError) as error:
        module.fail_json(msg=f"Restore point {given['name']} of {given['database']}: {error}")
    module.exit_json(changed=changed, seconds=round(time.monotonic() - began, 2), **result)


if __name__ == "__main__":
    main()

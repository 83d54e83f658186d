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
  - O(state=restored) renames the database to O(aside) and the restore point to the database. Nothing is dropped.
  - Either is repeated without harm. Where the restore point is not there, O(state=restored) fails, unless O(aside) shows that
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
    choices: [present, restored]
    default: present
  aside:
    description: Name under which the newer database is kept. Needed for O(state=restored).
    type: str
requirements: [psycopg2]
attributes:
  check_mode:
    support: full
    details: Fails where the server has no room for the restore point.
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
    state: restored
  become: true
  become_user: postgres
"""

RETURN = r"""
kept:
  description: The database that was set aside.
  returned: O(state=restored)
  type: str
seconds:
  description: How long the database took no connections.
  returned: always
  type: float
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.postgresql import DatabaseError, connection, databases, require_room, rows

with contextlib.suppress(ImportError):  # connection() says so
    from psycopg2 import sql

NAME_LIMIT = 63  # bytes that PostgreSQL keeps of a name
WAIT = 10  # seconds for closed connections to be gone


@contextlib.contextmanager
def closed(cursor: Any, *names: str) -> Iterator[None]:
    """Let no connection into these databases, and end those that are open."""
    existing = [name for name in names if name in databases(cursor)]
    for name in existing:
        cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
    try:
        deadline = time.monotonic() + WAIT
        while rows(cursor, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s)", (existing,)):
            if time.monotonic() > deadline:
                raise DatabaseError(f"connections to {', '.join(existing)} did not end within {WAIT} s")
            time.sleep(0.02)
        yield
    finally:
        for name in set(existing) | set(names):
            if name in databases(cursor):
                cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(name)))


def make(cursor: Any, database: str, point: str) -> None:
    draft = f"{point}_part"  # a copy that was cut short never bears the restore point's name
    identifiers = {"database": sql.Identifier(database), "draft": sql.Identifier(draft), "point": sql.Identifier(point)}
    owner = rows(cursor, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (database,))
    cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {draft}").format(**identifiers))
    with closed(cursor, database):
        cursor.execute(
            sql.SQL("CREATE DATABASE {draft} TEMPLATE {database} OWNER {owner} STRATEGY file_copy").format(
                **identifiers, owner=sql.Identifier(owner[0][0])
            )
        )
        copy_rights_and_settings(cursor, database, draft)
        cursor.execute(sql.SQL("ALTER DATABASE {draft} RENAME TO {point}").format(**identifiers))


def copy_rights_and_settings(cursor: Any, source: str, target: str) -> None:
    """What CREATE DATABASE ... TEMPLATE leaves out: rights on the database itself, and ALTER DATABASE ... SET."""
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


def restore(cursor: Any, database: str, point: str, aside: str) -> None:
    with closed(cursor, database, point, aside):
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        if aside not in databases(cursor):
            cursor.execute(rename.format(sql.Identifier(database), sql.Identifier(aside)))
        cursor.execute(rename.format(sql.Identifier(point), sql.Identifier(database)))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
            "aside": {"type": "str"},
        },
        required_if=[("state", "restored", ["aside"])],
        supports_check_mode=True,
    )
    database, point, aside = (module.params[key] for key in ("database", "name", "aside"))
    restored = module.params["state"] == "restored"
    for name in (f"{point}_part", aside or ""):
        if len(name.encode()) > NAME_LIMIT:
            module.fail_json(msg=f"{name} is longer than the {NAME_LIMIT} bytes of a PostgreSQL name: shorten app_name")
    began = time.monotonic()
    try:
        with connection("postgres", autocommit=True) as opened:
            cursor = opened.cursor()
            existing = databases(cursor)
            if restored:
                done = point not in existing and aside in existing and database in existing
                if not done and point not in existing:
                    raise DatabaseError(f"there is no restore point {point}")
            else:
                done = point in existing
                if database not in existing:
                    raise DatabaseError(f"there is no database {database}")
                if not done:
                    require_room(cursor, database)
            if not done and not module.check_mode:
                if restored:
                    restore(cursor, database, point, aside)
                else:
                    make(cursor, database, point)
    except (DatabaseError, OSError) as error:
        module.fail_json(msg=f"Restore point {point} of {database}: {error}")
    kept = {"kept": aside} if restored else {}
    module.exit_json(changed=not done, seconds=round(time.monotonic() - began, 2), **kept)


if __name__ == "__main__":
    main()

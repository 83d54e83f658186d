#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a database for a trial, empty or a copy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scratch_database
short_description: Make and drop a database for a trial, empty or a copy of another
description:
  - Makes the database anew, whatever a run before left, and marks it by its comment. A database of that name without the mark is
    nobody's scratch and is left alone.
  - A copy is made out of a dump, so that the database which is copied goes on working. Fails before it begins where there is no
    room.
  - Runs on the database host as the server's own user. Such a database is no change of the system that is deployed to.
options:
  name:
    description: Name of the database.
    type: str
    required: true
  owner:
    description: Role that owns it.
    type: str
  source:
    description: Database that it is a copy of; empty where none is named.
    type: str
  state:
    description: Whether it is to be there.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: none
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Make a database for the trial
  scratch_database:
    name: shop_trial
    owner: shop_owner
  become: true
  become_user: postgres

- name: Copy the database for the trial of a downgrade
  scratch_database:
    name: shop_downgrade
    owner: shop_owner
    source: shop
  become: true
  become_user: postgres
"""

RETURN = r"""
name:
  description: Name of the database.
  returned: success
  type: str
"""

from contextlib import suppress

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.database_copies import copy_settings, fill_from
from ansible.module_utils.tickbox.postgresql import DatabaseError, connection, create_like, require_room, rows

with suppress(ImportError):  # reported by connection()
    from psycopg2 import sql

MARK = "scratch database of a trial"


def work(name: str, owner: str, source: str | None, present: bool) -> None:
    made = sql.Identifier(name)
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(made)
    with connection("postgres", autocommit=True) as opened:
        cursor = opened.cursor()
        found = rows(cursor, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (name,))
        if found and found[0][0] != MARK:
            raise DatabaseError(f"the database {name} is not a scratch database of Tickbox; rename it, or drop it yourself")
        cursor.execute(drop)
        if not present:
            return
        if source:
            require_room(cursor, source)
            create_like(cursor, source, name, owner)
        else:
            cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(made, sql.Identifier(owner)))
        cursor.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(made, sql.Literal(MARK)))
        cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(made))
        if source:
            copy_settings(cursor, source, name)
            fill_from(source, name)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            **{name: {"type": "str"} for name in ("owner", "source")},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["owner"])],
    )
    given = module.params
    try:
        work(given["name"], given["owner"], given["source"], given["state"] == "present")
    except DatabaseError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, name=given["name"])


if __name__ == "__main__":
    main()

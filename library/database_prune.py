#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: drop the databases that nobody goes back to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_prune
short_description: Drop old restore points and databases that were set aside
description:
  - Of the databases that runs left beside O(database), C(<database>_before_<run>), C(<database>_aside_<run>) and
    C(<database>_restored_<run>), keeps those of O(named) and the newest O(keep) others. Half made ones of runs that were killed go.
  - One that somebody is connected to is left, and said to be in use.
  - Runs as the server's own user over the local socket.
options:
  database:
    description: Name of the database.
    type: str
    required: true
  named:
    description: Databases that stay in any case, as the restore points that the releases on the hosts name.
    type: list
    elements: str
    default: []
  keep:
    description: How many others stay.
    type: int
    required: true
requirements: [psycopg2]
attributes:
  check_mode:
    support: full
    details: Says what would be dropped.
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Drop databases that nobody goes back to
  database_prune:
    database: shop
    named: [shop_before_20260102t030405z_9f1c]
    keep: 3
  become: true
  become_user: postgres
"""

RETURN = r"""
dropped:
  description: The databases that were dropped, each with its size in bytes.
  returned: success
  type: dict
  sample: {shop_aside_20260101t101112z_77aa: 8123456}
in_use:
  description: Those that would have been, and that somebody is connected to.
  returned: success
  type: list
  elements: str
kept:
  description: Those that stay.
  returned: success
  type: list
  elements: str
"""

from contextlib import suppress

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.old_databases import beside, superfluous
from ansible.module_utils.tickbox.postgresql import DatabaseError, connection, databases, rows

with suppress(ImportError):  # connection() says so
    from psycopg2 import sql

SEEN = "SELECT pg_database_size(%s), (SELECT count(*) FROM pg_stat_activity WHERE datname = %s)"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "named": {"type": "list", "elements": "str", "default": []},
            "keep": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["keep"] < 0:
        module.fail_json(msg=f"keep is {given['keep']}: a number of databases is not negative")
    dropped: dict[str, int] = {}
    in_use: list[str] = []
    try:
        with connection("postgres", autocommit=True) as opened:
            cursor = opened.cursor()
            there = databases(cursor)
            for name in superfluous(there, given["database"], given["named"], given["keep"]):
                size, connected = rows(cursor, SEEN, (name, name))[0]
                if connected:
                    in_use.append(name)
                    continue
                if not module.check_mode:
                    cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
                dropped[name] = int(size)
    except DatabaseError as error:
        module.fail_json(msg=f"Databases beside {given['database']} were not pruned: {error}", dropped=dropped, in_use=in_use)
    kept = [name for name, *_ in beside(there, given["database"]) if name not in dropped]
    module.exit_json(changed=bool(dropped), dropped=dropped, in_use=in_use, kept=kept)


if __name__ == "__main__":
    main()

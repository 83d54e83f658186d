#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the configuration of a PostgreSQL server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_postgresql
short_description: Whether a PostgreSQL server is configured as it should be, live and in its files
description:
  - C(pre.environment.database) is ticked when O(settings) and what data needs (fsync, full_page_writes, checksums, autovacuum and
    more) are live and stand so in the files; none waits for a restart, no file has an error or changed since it was loaded, and no
    role, database or table has a value of its own that undoes them.
  - Nobody is let in by pg_hba.conf without proof, from beyond O(clients), or unencrypted over a network. The memory that the server
    plans with fits its control group, and max_connections O(connections).
  - Runs on the database's host as the server's own user (C(become_user=postgres)). Changes nothing.
extends_documentation_fragment: [look]
options:
  database:
    description: The application's database.
    type: str
    required: true
  roles:
    description: Roles that the application connects as.
    type: list
    elements: str
    default: []
  settings:
    description: Further settings and their values, as in postgresql.conf.
    type: dict
    default: {}
  connections:
    description: The most connections that the application opens, all its processes on all its hosts together.
    type: int
    required: true
  spare:
    description: Connections that must be left for others, as monitoring and backups.
    type: int
    default: 10
  clients:
    description: Addresses or networks that pg_hba.conf may let in, beside the loopback.
    type: list
    elements: str
    default: []
requirements: [python3-psycopg2]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Database is configured and optimized
  check_postgresql:
    database: shop
    roles: [shop, shop_owner]
    settings: {listen_addresses: 127.0.0.1}
    connections: 60
  become: true
  become_user: postgres
"""

RETURN = r"""
assertions:
  description: One, with item, status (passed, failed or unverifiable), summary, expected, observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import ipaddress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import cgroups, server
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.postgresql import DatabaseError, connection, rows
from ansible.module_utils.tickbox.postgresql_policy import Rule, Server, Setting, judge_database

ITEM = "pre.environment.database"

# The server's own values: those of the files, and not what this session or its role may have set.
SETTINGS = "SELECT name, reset_val, coalesce(unit, ''), vartype, pending_restart FROM pg_settings"
WRITTEN = "SELECT DISTINCT ON (name) name, setting FROM pg_file_settings WHERE name IS NOT NULL ORDER BY name, seqno DESC"
ERRORS = """
    SELECT concat_ws(' ', sourcefile, 'line', sourceline, name, error) FROM pg_file_settings
    WHERE error IS NOT NULL AND NOT EXISTS (SELECT FROM pg_settings s WHERE s.name = pg_file_settings.name AND s.pending_restart)
    UNION ALL
    SELECT concat_ws(' ', 'pg_ident.conf line', line_number, error) FROM pg_ident_file_mappings WHERE error IS NOT NULL
"""
# By the time that the kernel keeps of each file, which nobody sets back.
STALE = """
    SELECT file FROM (
      SELECT DISTINCT sourcefile AS file FROM pg_file_settings WHERE sourcefile IS NOT NULL
      UNION SELECT current_setting('hba_file') UNION SELECT current_setting('ident_file')
    ) files WHERE (pg_stat_file(file)).change > pg_conf_load_time() ORDER BY 1
"""
RULES = """
    SELECT line_number, coalesce(type, ''), coalesce(database, '{}'), coalesce(user_name, '{}'), coalesce(address, ''),
           coalesce(netmask, ''), coalesce(auth_method, ''), coalesce(error, '')
    FROM pg_hba_file_rules ORDER BY line_number
"""
MAPS = "SELECT sys_name, pg_username FROM pg_ident_file_mappings WHERE error IS NULL ORDER BY line_number"
OVERRIDES = """
    SELECT CASE WHEN setrole = 0 THEN '' ELSE pg_get_userbyid(setrole) END, coalesce(datname, ''),
           split_part(one, '=', 1), substr(one, strpos(one, '=') + 1)
    FROM pg_db_role_setting LEFT JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) AS one
"""
NEGLECTED = """
    SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(c.reloptions) AS one
    WHERE n.nspname !~ '^pg_' AND one ~* '^autovacuum_enabled=(off|false|no|0|f|n)$' ORDER BY 1
"""
LIMITS = """
    SELECT rolname, rolconnlimit FROM pg_roles WHERE rolconnlimit >= 0
    UNION ALL SELECT datname, datconnlimit FROM pg_database WHERE datconnlimit >= 0
"""
HELD = "SELECT usename, count(*) FROM pg_stat_activity WHERE usename IS NOT NULL AND backend_type = 'client backend' GROUP BY 1"
REST = """
    SELECT pg_is_in_recovery(), (SELECT max(age(datfrozenxid)) FROM pg_database),
      (SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database),
      EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum launcher'),
      (SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolsuper), version(), pg_conf_load_time()::text
"""


def look(database: str) -> Server:
    limits = cgroups.allowed(server_process())
    memory = server.read_memory(Path("/proc/meminfo").read_text())
    with connection(database) as opened:
        opened.set_session(readonly=True)
        cursor = opened.cursor()
        standby, age, failures, launcher, superusers, version, loaded = rows(cursor, REST)[0]
        return Server(
            settings={
                name: Setting(value or "", unit, kind, bool(pending)) for name, value, unit, kind, pending in rows(cursor, SETTINGS)
            },
            written={name: value or "" for name, value in rows(cursor, WRITTEN)},
            errors=[text for (text,) in rows(cursor, ERRORS)],
            stale=[file for (file,) in rows(cursor, STALE)],
            rules=[
                Rule(line, kind, tuple(databases), tuple(users), address, netmask, method, error)
                for line, kind, databases, users, address, netmask, method, error in rows(cursor, RULES)
            ],
            maps=[(system, role) for system, role in rows(cursor, MAPS)],
            overrides=[(role, place, name, value) for role, place, name, value in rows(cursor, OVERRIDES)],
            neglected=[table for (table,) in rows(cursor, NEGLECTED)],
            superusers=frozenset((superusers or "").split(",")),
            limits=dict(rows(cursor, LIMITS)),
            held={role: int(count) for role, count in rows(cursor, HELD)},
            memory=memory if limits.memory is None else min(memory, limits.memory),
            age=int(age or 0),
            checksum_failures=int(failures),
            launcher=launcher,
            standby=standby,
            extra={"version": version, "loaded": loaded},
        )


def server_process() -> int:
    """The server's first process, by the file that it keeps in its data folder."""
    with connection("postgres") as opened:
        text = rows(opened.cursor(), "SELECT pg_read_file('postmaster.pid')")[0][0]
    first = text.partition("\n")[0].strip()
    if not first.isdecimal():
        raise CouldNotLook("postmaster.pid names no process")
    return int(first)


def judge(params: dict[str, Any]) -> Verdict:
    try:
        for client in params["clients"]:
            ipaddress.ip_network(client, strict=False)
    except ValueError as error:
        raise CouldNotLook(f"clients: {error}") from None
    try:
        seen = look(params["database"])
    except DatabaseError as error:
        raise CouldNotLook(str(error)) from None
    return judge_database(
        seen,
        policy={name: str(value) for name, value in params["settings"].items()},
        connections=params["connections"],
        spare=params["spare"],
        clients=params["clients"],
        names=[params["database"], *params["roles"]],
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "roles": {"type": "list", "elements": "str", "default": []},
            "settings": {"type": "dict", "default": {}},
            "connections": {"type": "int", "required": True},
            "spare": {"type": "int", "default": 10},
            "clients": {"type": "list", "elements": "str", "default": []},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    exit_with(module, [examine(ITEM, lambda: judge(module.params))])


if __name__ == "__main__":
    main()

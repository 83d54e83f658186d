#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a dump restored beside the database that serves."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_restore
short_description: Restore a dump of a PostgreSQL database into a database beside it
description:
  - Refuses a dump that is not the file its manifest describes, that has other migrations than O(head), or for which the server's
    disk has no room.
  - Restores into a draft, which is renamed to O(name) once its tables, rows and migrations are those of the manifest. It has the
    owner, rights and settings of O(database) then, and what it holds as its comment, so that M(restore_point) can rename it into
    place. A draft that a killed run left is dropped; a whole O(name) is left as it is.
  - O(database) itself is not touched. Runs as the server's own user over the local socket.
options:
  database:
    description: Name of the database that the dump is of.
    type: str
    required: true
  manifest:
    description: File that describes the dump. The dump lies beside it and has the same name with the ending C(.dump).
    type: path
    required: true
  name:
    description: Name of the database to restore into, C(<database>_restored_<run>).
    type: str
    required: true
  head_query:
    description: Query whose rows name the migrations of the schema.
    type: str
  head:
    description: Migrations that the dump must have; any where it is not given.
    type: list
    elements: str
requirements: [psycopg2, pg_restore]
attributes:
  check_mode:
    support: full
    details: Refuses what it would refuse, and restores nothing.
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Restore the dump beside the database
  database_restore:
    database: shop
    manifest: /var/backups/tickbox/shop/shop-20260102t030405z_9f1c.json
    name: shop_restored_20260103t101112z_77aa
    head_query: SELECT version_num FROM alembic_version
  become: true
  become_user: postgres
"""

RETURN = r"""
name:
  description: The database.
  returned: success
  type: str
tables:
  description: The rows of each of its tables; in check mode those that it will have.
  returned: success
  type: dict
  sample: {public.orders: 812}
head:
  description: Its migrations.
  returned: success
  type: list
  elements: str
seconds:
  description: How long that took.
  returned: success
  type: float
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import catalogue
from ansible.module_utils.tickbox.assertion import CouldNotLook, listed
from ansible.module_utils.tickbox.database_copies import NAME_LIMIT, copy_rights_and_settings
from ansible.module_utils.tickbox.dumps import content_problems, damage, read_manifest
from ansible.module_utils.tickbox.old_databases import beside
from ansible.module_utils.tickbox.postgresql import DatabaseError, connection, create_like, databases, require_room, rows
from ansible.module_utils.tickbox.restore_points import read_record, record_text

with suppress(ImportError):  # connection() says so
    from psycopg2 import sql


def require_fit(manifest: dict[str, Any], dump: Path, database: str, head: list[str] | None) -> None:
    """Refuse a dump that is another's, damaged, or of another schema."""
    if manifest["database"] != database:
        raise DatabaseError(f"{dump} is a dump of {manifest['database']}")
    if problem := damage(manifest, dump):
        raise DatabaseError(f"{problem}. Name another point, or move this dump away to have its copy fetched from the repository")
    has = sorted(manifest.get("migration_head") or [])
    if head is not None and has != sorted(head):
        raise DatabaseError(
            f"the dump's schema is at {listed(has) or 'none'}, that of the release which serves at {listed(head) or 'none'}. "
            "Bring the release of that time to serve first, or look at the dump with restore_to=scratch"
        )


def is_whole(cursor: Any, name: str) -> bool:
    """Whether the database is there, and was named so once it was whole."""
    comment = rows(cursor, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (name,))
    record = read_record(comment[0][0]) if comment else None
    if comment and (not record or record["name"] != name):
        raise DatabaseError(f"there is a database {name} that no restore made; rename it, or drop it yourself")
    return record is not None


def drop(cursor: Any, name: str) -> None:
    cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def restore(cursor: Any, manifest: dict[str, Any], dump: Path, given: dict[str, Any]) -> catalogue.Contents:
    database, name = given["database"], given["name"]
    for old, _, half in beside(databases(cursor), database, "restored"):
        if half:  # of a run that was killed: the lock lets one run in at a time
            drop(cursor, old)
    draft = f"{name}_part"
    identifier = sql.Identifier(draft)
    create_like(cursor, database, draft)
    try:
        if stopped := catalogue.restore(dump, draft):
            raise DatabaseError(f"the dump cannot be restored: {stopped}")
        with connection(draft, autocommit=True) as opened:
            opened.cursor().execute("ANALYZE")  # a dump has no statistics, and visitors may come next
        found = catalogue.contents(draft, given["head_query"])
        if problems := content_problems(manifest, found.tables, found.head):
            raise DatabaseError("; ".join(problems))
        owner = rows(cursor, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (database,))[0][0]
        cursor.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(identifier, sql.Identifier(owner)))
        copy_rights_and_settings(cursor, database, draft)
        held = sql.Literal(record_text(name, database, {"tables": found.tables, "head": found.head}))
        cursor.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(identifier, held))
        cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(identifier, sql.Identifier(name)))
    finally:
        drop(cursor, draft)
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "manifest": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "head_query": {"type": "str"},
            "head": {"type": "list", "elements": "str"},
        },
        supports_check_mode=True,
    )
    given = module.params
    name, path = given["name"], Path(given["manifest"])
    if len(f"{name}_part".encode()) > NAME_LIMIT:
        module.fail_json(msg=f"{name}_part is longer than the {NAME_LIMIT} bytes of a PostgreSQL name: shorten app_name")
    began = time.monotonic()
    try:
        manifest = read_manifest(path)
        tables, head = manifest["tables"], sorted(manifest.get("migration_head") or [])
        require_fit(manifest, path.with_suffix(".dump"), given["database"], given["head"])
        with connection("postgres", autocommit=True) as opened:
            cursor = opened.cursor()
            if given["database"] not in databases(cursor):
                raise DatabaseError(f"there is no database {given['database']} beside which to restore: provision the host first")
            done = is_whole(cursor, name)
            if not done:
                require_room(cursor, given["database"], manifest.get("database_size"))
                if not module.check_mode:
                    found = restore(cursor, manifest, path.with_suffix(".dump"), given)
                    tables, head = found.tables, found.head
    except (DatabaseError, CouldNotLook, OSError) as error:
        module.fail_json(msg=f"{path} was not restored into {name}: {error}")
    module.exit_json(changed=not done, name=name, tables=tables, head=head, seconds=round(time.monotonic() - began, 2))


if __name__ == "__main__":
    main()

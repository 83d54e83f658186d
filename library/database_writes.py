#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what was written to a database since go-live."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_writes
short_description: Note, count and export the rows that were written to a PostgreSQL database since a moment
description:
  - O(state=marked) notes the counters that the server keeps of each table, rows inserted, updated and deleted, in O(path).
  - O(state=counted) says how many rows of which tables were written since. Processes that are at work report what they wrote up to
    ten seconds later; M(restore_point) counts once more when their connections are closed, exactly. Without a mark, after a reset
    of the counters, a crash of the server, or where a table was truncated, dropped or made anew it is not known, which counts as
    some.
  - O(state=exported) compares the database that was set aside with the one that serves, and writes the rows that the first has and
    the other has not as CSV into O(directory), a file a table, with C(index.json). The first column, C(_change), says C(written) or
    C(gone), which the serving database has and the one set aside has not. Columns that both have are compared; where one has more
    of them, each row that was written since the mark is exported. Tables without writes are left out where the writes are known.
    Nothing is held in memory, however big a table is.
  - An export that is there is kept.
  - Runs as root, and asks the database as its own user.
options:
  database:
    description: Name of the database that serves.
    type: str
    required: true
  path:
    description: File of the mark, on the database's host. What is exported without it is not limited to what was written since.
    type: path
  state:
    description: What to do.
    type: str
    choices: [marked, counted, exported]
    required: true
  aside:
    description: Name of the database that was set aside. Needed for O(state=exported).
    type: str
  directory:
    description: Folder of the export, made with mode 0700. Needed for O(state=exported).
    type: path
  database_user:
    description: The server's own user.
    type: str
    default: postgres
requirements: [psycopg2]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Note the counters before visitors are let in
  database_writes:
    database: shop
    path: /var/lib/tickbox/shop/writes/20260102t030405z_9f1c.json
    state: marked

- name: Export what was written since
  database_writes:
    database: shop
    path: /var/lib/tickbox/shop/writes/20260102t030405z_9f1c.json
    state: exported
    aside: shop_aside_20260103t101112z_77aa
    directory: /var/backups/tickbox/shop/writes-20260103t101112z_77aa
"""

RETURN = r"""
mark:
  description: The counters of go-live, for M(restore_point); nothing where there are none.
  returned: O(state=marked) or O(state=counted)
  type: dict
writes:
  description: Rows written by table, and together. C(known) is false where that is not known, and C(why) says why; C(some) is
    whether any were, as far as anybody knows; C(text) says it in a sentence.
  returned: O(state=counted)
  type: dict
  sample:
    tables: {public.orders: 12}
    total: 12
    known: true
    why: ""
    some: true
    text: 12 rows in 1 tables were written since go-live (public.orders 12)
export:
  description: What C(index.json) holds. For each table its file, rows written and gone, what the server counted, and the columns
    that only the newer database has.
  returned: O(state=exported), but for check mode
  type: dict
  sample:
    database: shop
    aside: shop_aside_20260103t101112z_77aa
    counted: 12 rows in 1 tables were written since go-live (public.orders 12)
    written: 11
    gone: 1
    tables:
      public.orders: {file: public.orders.csv, written: 11, gone: 1, counted: 12, only_there: [discount]}
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import row_export, writes
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.postgresql import DatabaseError, connection
from ansible.module_utils.tickbox.restore_points import acting_as

INDEX = "index.json"


def counters(database: str, user: str) -> dict[str, Any]:
    with acting_as(user), connection(database) as opened:
        found: dict[str, Any] = writes.read(opened.cursor())
        return found


def export(given: dict[str, Any], mark: dict[str, Any] | None, folder: Path) -> dict[str, Any]:
    """Write the files into ``folder``, which is made."""
    folder.mkdir(mode=0o700)
    with connection(given["aside"]) as newer, connection(given["database"]) as serving:
        now = writes.read(newer.cursor())
        newer.rollback()
        counted = writes.count(mark, now)
        # The counters may be another database's, as those of a copy; transactions are numbered for the server as a whole.
        since = mark["xid"] if mark and mark["server"] == now["server"] else None
        found = row_export.export(newer, serving, folder, list(counted.tables) if counted.known else None, since)
    seen = {
        **{name: given[name] for name in ("database", "aside")},
        "counted": counted.text,
        **{change: sum(asdict(table)[change] for table in found.values()) for change in (row_export.WRITTEN, row_export.GONE)},
        "tables": row_export.index(found, counted.tables),
    }
    (folder / INDEX).write_text(json.dumps(seen, indent=2) + "\n")
    return seen


def exported(given: dict[str, Any], mark: dict[str, Any] | None, check_mode: bool) -> tuple[bool, dict[str, Any]]:
    """Export by way of a draft, so that there is a whole folder or none."""
    folder = Path(given["directory"])
    draft = folder.with_name(f".{folder.name}.part")
    with acting_as(given["database_user"]):
        if (folder / INDEX).exists():
            return False, {"export": json.loads((folder / INDEX).read_text())}
        if check_mode:
            return True, {}
        if draft.exists():
            shutil.rmtree(draft)
        found = export(given, mark, draft)
        draft.rename(folder)
    return True, {"export": found}


def work(given: dict[str, Any], check_mode: bool) -> tuple[bool, dict[str, Any]]:
    path, state = Path(given["path"] or ""), given["state"]
    if state == "marked":
        mark = counters(given["database"], given["database_user"])
        if not check_mode:
            writes.note(path, mark)
        return True, {"mark": mark}
    known = writes.noted(path) if given["path"] else None
    if state == "exported":
        return exported(given, known, check_mode)
    counted = writes.count(known, counters(given["database"], given["database_user"]))
    return False, {"mark": known, "writes": counted.as_dict()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "path": {"type": "path"},
            "state": {"type": "str", "choices": ["marked", "counted", "exported"], "required": True},
            "aside": {"type": "str"},
            "directory": {"type": "path"},
            "database_user": {"type": "str", "default": "postgres"},
        },
        required_if=[
            ("state", "marked", ["path"]),
            ("state", "counted", ["path"]),
            ("state", "exported", ["aside", "directory"]),
        ],
        supports_check_mode=True,
    )
    try:
        changed, result = work(module.params, module.check_mode)
    except (DatabaseError, CouldNotLook, OSError, ValueError) as error:
        module.fail_json(msg=f"What is written to {module.params['database']} cannot be {module.params['state']}: {error}")
    module.exit_json(changed=changed, **result)


if __name__ == "__main__":
    main()

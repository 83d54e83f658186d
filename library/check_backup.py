#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the backups of a run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_backup
short_description: Whether the backups of this run hold what they were made from
description:
  - C(deploy.backup.database) is ticked when the dump that O(manifest) describes was begun after the run began and belongs to
    it, its file is the recorded one, and its tables and rows are in keeping with the live database (up to 5 % or 100 rows of a
    table may have changed since).
  - C(deploy.backup.integrity) is ticked when the dump, restored into a scratch database that is dropped afterwards, has exactly
    the tables, rows and migrations of O(manifest), and the columns, constraints, indexes, views, triggers, functions, owners
    and grants of the live database. With O(repository), when that repository's own check has read its data as well.
  - C(deploy.backup.files) is ticked when O(snapshot) is of this run and, restored into a temporary folder, equals O(paths),
    apart from what changed after it was begun.
  - The items of the database run on its host as the server's own user (C(become_user=postgres)); C(deploy.backup.files) runs as
    root on the host of the files.
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    required: true
    choices: [deploy.backup.database, deploy.backup.integrity, deploy.backup.files]
  run:
    description: Id of the run.
    type: str
    required: true
  run_started:
    description: When the run began (ISO 8601 with its zone, or Unix time).
    type: str
    required: true
  database:
    description: Name of the database. Needed for the items of the database.
    type: str
  manifest:
    description: File that describes the dump. Needed for the items of the database.
    type: path
  head_query:
    description: Query whose rows name the migrations of the schema.
    type: str
  repository:
    description: Address of a restic repository. Needed for C(deploy.backup.files).
    type: str
  password_file:
    description: File with the repository's password. Needed with O(repository).
    type: path
  restic_environment:
    description: Further variables for restic, as the credentials of a store.
    type: dict
    default: {}
  read_data_subset:
    description: How much of its data the repository reads in its check.
    type: str
    default: 100%
  snapshot:
    description: Id of the snapshot, which is tagged with the id of the run. Needed for C(deploy.backup.files).
    type: str
  paths:
    description: Folders that the snapshot holds. Needed for C(deploy.backup.files).
    type: list
    elements: path
    default: []
  room:
    description: Folder with room for a restored copy of O(paths).
    type: path
    default: /var/tmp
requirements: [python3-psycopg2, pg_restore, restic]
attributes:
  check_mode:
    support: partial
    details: Makes no scratch database and no copy, and says so as C(unverifiable).
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Verify backup integrity
  check_backup:
    items: [deploy.backup.database, deploy.backup.integrity]
    run: 20260102t030405z_9f1c
    run_started: "2026-01-02T03:04:05+00:00"
    database: shop
    manifest: /var/backups/tickbox/shop/shop-20260102t030405z_9f1c.json
    head_query: SELECT version_num FROM alembic_version
  become: true
  become_user: postgres

- name: The files' backup holds them
  check_backup:
    items: [deploy.backup.files]
    run: 20260102t030405z_9f1c
    run_started: "2026-01-02T03:04:05+00:00"
    repository: /mnt/backup/restic
    password_file: /etc/restic/password
    snapshot: 5d2f81aa
    paths: [/srv/shop/shared]
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import catalogue, dumps, file_backup
from ansible.module_utils.tickbox.assertion import PASSED, CouldNotLook, Verdict, all_of, examine, exit_with, moment, verdict
from ansible.module_utils.tickbox.postgresql import DatabaseError

NEEDED = {
    "deploy.backup.database": ("database", "manifest"),
    "deploy.backup.integrity": ("database", "manifest"),
    "deploy.backup.files": ("repository", "snapshot", "paths"),
}


class Look:
    """What each item needs to see."""

    def __init__(self, params: dict[str, Any], check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode

    def live(self) -> dumps.Contents:
        return catalogue.contents(self.params["database"], self.params["head_query"])

    def repository(self) -> file_backup.Repository:
        return file_backup.Repository(self.params["repository"], self.params["password_file"], self.params["restic_environment"])

    def refuse_check_mode(self) -> None:
        if self.check_mode:
            raise CouldNotLook("nothing is restored in check mode")

    def database(self) -> Verdict:
        manifest = dumps.read_manifest(Path(self.params["manifest"]))
        file, live = dumps.look_at_file(Path(manifest["file"])), self.live()

        def judged() -> Verdict:
            return dumps.judge_dump(
                manifest,
                file,
                live,
                counters=catalogue.counters(self.params["database"]),
                run=self.params["run"],
                database=self.params["database"],
                run_started=moment("run_started", self.params["run_started"]),
            )

        seen = judged()
        if seen.status == PASSED or not manifest.get("counters"):
            return seen
        time.sleep(dumps.COUNTERS_LAG)
        return judged()

    def integrity(self) -> Verdict:
        self.refuse_check_mode()
        database = self.params["database"]
        manifest = dumps.read_manifest(Path(self.params["manifest"]))
        with catalogue.scratch(database, catalogue.scratch_name(database, self.params["run"])) as scratch:
            stopped = catalogue.restore(Path(manifest["file"]), scratch)
            restored = None
            try:
                restored = None if stopped else catalogue.contents(scratch, self.params["head_query"])
            except DatabaseError as error:
                stopped = str(error)
        seen = dumps.judge_restored(manifest, restored, self.live(), stopped)
        if not self.params["repository"]:
            return seen
        damage = self.repository().check(self.params["read_data_subset"])
        return all_of(seen, verdict([damage] if damage else [], "the repository's check read its data"))

    def files(self) -> Verdict:
        self.refuse_check_mode()
        repository, paths = self.repository(), self.params["paths"]
        run_started = moment("run_started", self.params["run_started"])
        snapshot = repository.snapshot(self.params["snapshot"])
        compared, damage = {}, ""
        if snapshot:
            begun = file_backup.snapshot_time(snapshot)
            needed = sum(file_backup.size(Path(path)) for path in paths)
            damage = repository.check(self.params["read_data_subset"])
            with repository.restored(snapshot["id"], needed, Path(self.params["room"])) as (copy, stopped):
                damage = damage or stopped
                compared = {path: file_backup.compare(Path(path), copy / path.lstrip("/"), begun) for path in paths}
        return file_backup.judge_files(snapshot, compared, damage, run=self.params["run"], run_started=run_started, paths=paths)


def answered(look: Any) -> Verdict:
    """The verdict of ``look``; a server that refuses is something that could not be seen."""
    try:
        seen: Verdict = look()
    except DatabaseError as error:
        raise CouldNotLook(str(error)) from None
    return seen


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "required": True, "choices": list(NEEDED)},
            "run": {"type": "str", "required": True},
            "run_started": {"type": "str", "required": True},
            "database": {"type": "str"},
            "manifest": {"type": "path"},
            "head_query": {"type": "str"},
            "repository": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "restic_environment": {"type": "dict", "default": {}, "no_log": True},
            "read_data_subset": {"type": "str", "default": "100%"},
            "snapshot": {"type": "str"},
            "paths": {"type": "list", "elements": "path", "default": []},
            "room": {"type": "path", "default": "/var/tmp"},  # noqa: S108 - room for a copy, made there under a name of its own
            "report_only": {"type": "bool", "default": False},
        },
        required_by={"repository": ["password_file"]},
        supports_check_mode=True,
    )
    items = list(dict.fromkeys(module.params["items"]))
    for item in items:
        if missing := [name for name in NEEDED[item] if not module.params[name]]:
            module.fail_json(msg=f"{item} needs {', '.join(missing)}")
    look = Look(module.params, module.check_mode)
    judges = {
        "deploy.backup.database": look.database,
        "deploy.backup.integrity": look.integrity,
        "deploy.backup.files": look.files,
    }
    exit_with(module, [examine(item, lambda item=item: answered(judges[item])) for item in items])


if __name__ == "__main__":
    main()

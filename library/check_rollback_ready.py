#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: whether a rollback would work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_rollback_ready
short_description: Whether the way back to the earlier release is open, and how long it is
description:
  - C(deploy.go_live.rollback_ready) is ticked on an application's host (with O(home)) when the earlier release is what a rollback
    would go to, its files, packages and units are as they were deployed, and its web process, started once more on a spare socket
    and stopped again, is well and of its version. Where a restore point goes with it, its schema may not be its own now, and it
    need only start.
  - On the database's host (with O(database)) when the dump of this run is as it was made and the repository has a copy, and the
    restore point holds the earlier release's migrations, its tables and their rows, untouched, and can be renamed (tried in a
    transaction that is rolled back).
  - The time is estimated from this run's own phases and from the start and the renames that were just tried.
  - Runs as root; asks the database as its own user.
extends_documentation_fragment: [look]
options:
  earlier:
    description: Manifest of the earlier release.
    type: dict
    required: true
  restore_point:
    description: Restore point that goes with it; empty where its schema is the present one.
    type: str
    default: ""
  compatible:
    description: Migrations that earlier code works with as well. Without a restore point the schema may have these.
    type: list
    elements: str
    default: []
  phases:
    description: The beginnings of this run's phases in order, each with C(phase) and C(time) (Unix time).
    type: list
    elements: dict
    required: true
  now:
    description: The time by the clock of O(phases) (Unix time).
    type: float
    required: true
  seconds:
    description: Seconds that a rollback may take.
    type: float
    default: 120
  home:
    description: The application's folder, which holds C(releases) and C(current); empty on a host without it.
    type: str
    default: ""
  lock:
    description: Lock file of the packages, as a path in the release's code. Needed with O(home).
    type: str
    default: ""
  health_path:
    description: Where the application answers for its health.
    type: str
    default: /healthz
  version_path:
    description: Where it answers with version and commit.
    type: str
    default: /version
  start_seconds:
    description: Seconds that the process may take until it is well.
    type: float
    default: 30
  database:
    description: Name of the database; empty on a host without it.
    type: str
    default: ""
  database_user:
    description: The server's own user.
    type: str
    default: postgres
  head_query:
    description: Query whose rows name the migrations of the schema.
    type: str
    default: ""
  run:
    description: Id of this run. Needed with O(database).
    type: str
    default: ""
  dump:
    description: File that describes the dump of this run. Needed with O(database).
    type: str
    default: ""
  repository:
    description: Address of the restic repository that has a copy of the dump; not asked where empty.
    type: str
    default: ""
  password_file:
    description: File with its password.
    type: str
    default: ""
  restic_environment:
    description: Further variables for restic, as the credentials of a store.
    type: dict
    default: {}
requirements: [python3-psycopg2, python3-packaging, restic]
attributes:
  check_mode:
    support: partial
    details: Starts nothing, and says so as C(unverifiable).
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Be prepared for rollback if necessary
  check_rollback_ready:
    earlier: "{{ release_from_manifest }}"
    restore_point: "{{ release_manifest.restore_point }}"
    phases: [{phase: maintenance, time: 1767323045}, {phase: release, time: 1767323047}, {phase: verification, time: 1767323052}]
    now: 1767323060
    home: /srv/shop
    lock: requirements.lock
"""

RETURN = r"""
assertions:
  description: One, with item, status (passed, failed or unverifiable), summary, expected, observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import catalogue, dependencies, dumps, rollback_ready, spare_start, systemd
from ansible.module_utils.tickbox.assertion import PASSED, CouldNotLook, Verdict, all_of, examine, exit_with
from ansible.module_utils.tickbox.file_backup import Repository
from ansible.module_utils.tickbox.postgresql import DatabaseError, connection, rows
from ansible.module_utils.tickbox.releases import NoWayBack, way_back
from ansible.module_utils.tickbox.restore_points import acting_as, rename, written
from ansible.module_utils.tickbox.tree import tree_digest
from ansible.module_utils.tickbox.writes import read as read_counters

ITEM = "deploy.go_live.rollback_ready"
OWNERS = "SELECT datname, pg_get_userbyid(datdba) FROM pg_database"


def manifests(home: Path) -> dict[str, Any]:
    found = {}
    for path in sorted((home / "releases").glob("*/manifest.json")):
        try:
            found[path.parent.name] = dict(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            continue  # no release, as far as a rollback is concerned
    return found


def look_at_release(params: dict[str, Any], manifest: dict[str, Any], release: Path) -> rollback_ready.Earlier:
    home = Path(params["home"])
    way, no_way = {}, ""
    try:
        way = way_back(Path(os.path.realpath(home / "current")).name, manifests(home))
    except NoWayBack as reason:
        no_way = str(reason)
    digest, damage = "", "they are not there"
    if (release / "code").is_dir():
        digest = tree_digest(release / "code")
        damage = look_at_packages(release, params["lock"], str(manifest.get("tree_digest")))
    environment = release / "config" / "app.env"
    units = systemd.show([str(unit) for unit in manifest.get("units") or []], rollback_ready.UNIT)
    web = units.get(str(manifest.get("web_unit")), {}).get("FragmentPath", "")
    started = None
    if digest and web and Path(web).is_file():
        socket = Path(str(manifest.get("socket") or "/"))
        asked = (params["health_path"], params["version_path"], params["start_seconds"])
        started = spare_start.start(Path(web), release.name, socket, *asked)
    return rollback_ready.Earlier(
        digest, damage, environment.stat().st_size if environment.is_file() else None, units, way, no_way, started
    )


def look_at_packages(release: Path, lock: str, digest: str) -> str:
    """What is wrong with the release's packages, or nothing."""
    try:
        seen = dependencies.judge(release, lock, digest)
    except (OSError, CouldNotLook) as error:
        return str(error)
    return "" if seen.status == PASSED else seen.summary


def look_at_data(params: dict[str, Any]) -> rollback_ready.Data:
    manifest = dumps.read_manifest(Path(params["dump"]))
    copies = None
    if params["repository"]:
        repository = Repository(params["repository"], params["password_file"], params["restic_environment"])
        copies = repository.tagged(params["run"])
    file = dumps.look_at_file(Path(manifest["file"]))
    database, point = params["database"], params["restore_point"]
    try:
        with acting_as(params["database_user"]):
            with connection(database) as opened:
                cursor = opened.cursor()
                owners = dict(rows(cursor, OWNERS))
                head = [str(row[0]) for row in rows(cursor, params["head_query"])] if params["head_query"] else []
                counters = read_counters(cursor)
            there = bool(point) and point in owners
            return rollback_ready.Data(
                manifest,
                file,
                head,
                counters,
                owners,
                catalogue.contents(point, params["head_query"] or None) if there else None,
                written(point) if there else 0,
                rename(point) if there else 0.0,
                copies,
            )
    except DatabaseError as error:
        raise CouldNotLook(str(error)) from None


def look(params: dict[str, Any], check_mode: bool) -> Verdict:
    if check_mode:
        raise CouldNotLook("nothing is started in check mode")
    manifest = params["earlier"]
    name = str(manifest.get("release_id") or "")
    if not name or "/" in name:
        raise CouldNotLook("the manifest of the earlier release names none")
    seen, start, renamed = [], 0.0, 0.0
    if params["home"]:
        release = Path(params["home"]) / "releases" / name
        earlier = look_at_release(params, manifest, release)
        start = earlier.started.seconds if earlier.started else 0.0
        seen.append(rollback_ready.judge_earlier(earlier, manifest, release, params["restore_point"]))
    if params["database"]:
        data = look_at_data(params)
        renamed = data.rename
        kept = {name: params[name] for name in ("run", "database", "restore_point", "compatible")}
        seen.append(rollback_ready.judge_data(data, manifest, **kept))
    if all(one.status == PASSED for one in seen):
        seen.append(rollback_ready.estimate(params["phases"], params["now"], start, renamed, params["seconds"]))
    return all_of(*seen)


def main() -> None:
    text = {"type": "str", "default": ""}
    module = AnsibleModule(
        argument_spec={
            "earlier": {"type": "dict", "required": True},
            "restore_point": text,
            "compatible": {"type": "list", "elements": "str", "default": []},
            "phases": {"type": "list", "elements": "dict", "required": True},
            "now": {"type": "float", "required": True},
            "seconds": {"type": "float", "default": 120},
            **dict.fromkeys(("home", "lock", "database", "head_query", "run", "dump", "repository"), text),
            "password_file": {**text, "no_log": False},
            "health_path": {"type": "str", "default": "/healthz"},
            "version_path": {"type": "str", "default": "/version"},
            "start_seconds": {"type": "float", "default": 30},
            "database_user": {"type": "str", "default": "postgres"},
            "restic_environment": {"type": "dict", "default": {}, "no_log": True},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not module.params["home"] and not module.params["database"]:
        module.fail_json(msg=f"{ITEM} needs home, database or both")
    exit_with(module, [examine(ITEM, lambda: look(module.params, module.check_mode))])


if __name__ == "__main__":
    main()

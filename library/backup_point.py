#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the dump of a point in time."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_point
short_description: Find the dump of a point in time, and have it on the host
description:
  - Looks for O(point) among the dumps in O(directory) and, of those that are not there any more, in the snapshots of O(host) in the
    restic repository. A dump that only the repository has is fetched into O(fetch_to), with its manifest.
  - A point that is not there fails the module, which names those that are.
  - Runs as root on the database's host. Neither the dumps nor the repository are changed.
extends_documentation_fragment: [repository]
options:
  database:
    description: Name of the database.
    type: str
    required: true
  directory:
    description: Folder of the dumps.
    type: path
    required: true
  point:
    description: Id of a run, C(latest), or a time (ISO 8601 with its zone) for the newest dump that is not of later.
    type: str
    default: latest
  fetch_to:
    description: Folder for a dump that is fetched, made where it is missing.
    type: path
    required: true
  owner:
    description: User who may read what is fetched.
    type: str
    default: postgres
requirements: [restic]
attributes:
  check_mode:
    support: full
    details: Fetches nothing.
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Find the last dump before the mishap
  backup_point:
    database: shop
    directory: /var/backups/tickbox/shop
    point: "2026-01-02T14:00:00+01:00"
    repository: s3:https://s3.example.com/backups/db1
    password_file: /etc/tickbox/restic-password
    host: db1
    fetch_to: /var/backups/tickbox/fetched-20260103t101112z_77aa
"""

RETURN = r"""
point:
  description: The point that was found; C(text) is what a person is told of it. C(snapshot) is empty where the dump lies here.
  returned: success
  type: dict
  sample:
    run: 20260102t030405z_9f1c
    made: "2026-01-02T03:04:05+00:00"
    age_hours: 31.1
    snapshot: ""
    text: 20260102t030405z_9f1c of 2026-01-02 03:04:05 UTC, on this host
manifest:
  description: The file that describes the dump, which lies beside it; empty where it was not fetched.
  returned: success
  type: str
unseen:
  description: What could not be read, so that it is no point; manifests, or the repository.
  returned: success
  type: list
  elements: str
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.backup_points import NoSuchPoint, Point, choose, in_repository, on_this_host
from ansible.module_utils.tickbox.file_backup import REPOSITORY_SPEC, Repository, require_room


def find(given: dict[str, Any], repository: Repository) -> tuple[Point, list[str]]:
    """The point that is asked for, and what could not be read on the way to it."""
    directory, database = Path(given["directory"]), given["database"]
    here, unseen = on_this_host(directory, database)
    if given["point"] in {point.run for point in here}:
        return choose(given["point"], here, []), unseen
    try:
        elsewhere = in_repository(repository.of_host(given["host"]), directory, database)
    except CouldNotLook as reason:
        if not here:
            raise
        elsewhere = []
        unseen.append(f"the repository {given['repository']}: {reason}")
    try:
        return choose(given["point"], here, elsewhere), unseen
    except NoSuchPoint as reason:
        raise NoSuchPoint("; ".join([str(reason), *(f"not read: {one}" for one in unseen)])) from None


def fetch(point: Point, repository: Repository, target: Path, owner: str) -> Path:
    """Bring a dump and its manifest from the repository; return the manifest."""
    wanted = [point.path, str(Path(point.path).with_suffix(".json"))]
    sizes = repository.sizes(point.snapshot, wanted)
    if lacking := [path for path in wanted if path not in sizes]:
        raise CouldNotLook(f"snapshot {point.snapshot[:8]} holds no {' and no '.join(lacking)}")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_room(target, sum(sizes.values()))
    raw = target / "snapshot"
    try:
        if stopped := repository.restore(point.snapshot, raw, wanted):
            raise CouldNotLook(stopped)
        for path in wanted:
            file = (raw / path.lstrip("/")).rename(target / Path(path).name)
            shutil.chown(file, owner)
    finally:
        shutil.rmtree(raw, ignore_errors=True)
    shutil.chown(target, owner)
    return target / Path(wanted[1]).name


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "point": {"type": "str", "default": "latest"},
            **REPOSITORY_SPEC,
            "fetch_to": {"type": "path", "required": True},
            "owner": {"type": "str", "default": "postgres"},
        },
        supports_check_mode=True,
    )
    given = module.params
    repository = Repository(given["repository"], given["password_file"], given["restic_environment"])
    try:
        point, unseen = find(given, repository)
        manifest: Path | str = Path(point.path).with_suffix(".json")
        if point.snapshot:
            manifest = "" if module.check_mode else fetch(point, repository, Path(given["fetch_to"]), given["owner"])
    except NoSuchPoint as reason:
        module.fail_json(msg=str(reason))
    except (CouldNotLook, OSError, LookupError) as reason:
        module.fail_json(msg=f"The dump of {given['point']} of {given['database']} cannot be had: {reason}")
    module.exit_json(
        changed=bool(point.snapshot) and not module.check_mode,
        point=point.told(datetime.now(UTC)),
        manifest=str(manifest),
        unseen=unseen,
    )


if __name__ == "__main__":
    main()

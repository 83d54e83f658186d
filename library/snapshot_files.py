#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: files of a snapshot, beside the live ones."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_files
short_description: Bring files of a backup into a folder
description:
  - Finds the snapshot of O(host) for O(point) that holds O(paths), and restores those below O(target), with owners and modes.
    The live files are not touched.
  - Restores into a draft beside O(target), which is renamed once each of O(paths) is there. A O(target) that is there is left.
  - A point or a path that is not in the repository fails the module, which names the points that are.
  - Runs as root on the host of the files.
extends_documentation_fragment: [repository]
options:
  point:
    description: Id of a run, C(latest), or a time (ISO 8601 with its zone) for the newest snapshot that is not of later.
    type: str
    default: latest
  paths:
    description: Files and folders to bring back, as they are called on the host.
    type: list
    elements: path
    required: true
  target:
    description: Folder that is made for them.
    type: path
    required: true
requirements: [restic]
attributes:
  check_mode:
    support: full
    details: Finds the snapshot and its paths, looks whether there is room, and restores nothing.
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Bring back what was uploaded
  snapshot_files:
    repository: s3:https://s3.example.com/backups/app1
    password_file: /etc/tickbox/restic-password
    host: app1
    point: 20260102t030405z_9f1c
    paths: [/srv/shop/shared/uploads]
    target: /var/lib/tickbox/shop/restored/20260103t101112z_77aa
"""

RETURN = r"""
point:
  description: The snapshot that was found; C(text) is what a person is told of it.
  returned: success
  type: dict
  sample:
    run: scheduled
    made: "2026-01-02T02:34:05+00:00"
    age_hours: 31.1
    snapshot: 5d2f81aa01
    text: scheduled of 2026-01-02 02:34:05 UTC, in the repository as 5d2f81aa
entries:
  description: Files and folders that it holds of O(paths).
  returned: success
  type: int
size:
  description: Bytes of them.
  returned: success
  type: int
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.backup_points import NoSuchPoint, choose, of_files
from ansible.module_utils.tickbox.file_backup import REPOSITORY_SPEC, Repository, require_room


def nearest(folder: Path) -> Path:
    """The folder itself, or the one above it that is there already."""
    return folder if folder.exists() else nearest(folder.parent)


def restore(repository: Repository, snapshot: str, paths: list[str], target: Path) -> None:
    draft = target.with_name(f"{target.name}.part")
    shutil.rmtree(draft, ignore_errors=True)  # of a run that was killed
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft.mkdir(mode=0o700)
    try:
        if stopped := repository.restore(snapshot, draft, paths):
            raise CouldNotLook(stopped)
        if lacking := [path for path in paths if not (there := draft / path.lstrip("/")).exists() and not there.is_symlink()]:
            raise CouldNotLook(f"the snapshot was restored without {', '.join(lacking)}")
        draft.chmod(0o700)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **REPOSITORY_SPEC,
            "point": {"type": "str", "default": "latest"},
            "paths": {"type": "list", "elements": "path", "required": True},
            "target": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    paths, target = [path.rstrip("/") for path in given["paths"]], Path(given["target"])
    if wrong := [path for path in paths if not Path(path).is_absolute() or any(sign in path for sign in "*?[\\")]:
        module.fail_json(
            msg=f"restore_paths: {', '.join(wrong)}: name each file or folder as it is called on the host, from the root"
        )
    repository = Repository(given["repository"], given["password_file"], given["restic_environment"])
    done = target.is_dir()
    try:
        point = choose(given["point"], [], of_files(repository.of_host(given["host"]), paths))
        sizes = repository.sizes(point.snapshot, paths)
        if lacking := [path for path in paths if path not in sizes]:
            raise CouldNotLook(f"{point} does not hold {', '.join(lacking)}")
        if not done:
            require_room(nearest(target), sum(sizes.values()))
            if not module.check_mode:
                restore(repository, point.snapshot, paths, target)
    except NoSuchPoint as reason:
        module.fail_json(msg=f"{', '.join(paths)}: {reason}")
    except (CouldNotLook, OSError, ValueError) as reason:
        module.fail_json(msg=f"Files were not restored into {target}: {reason}")
    module.exit_json(changed=not done, point=point.told(datetime.now(UTC)), entries=len(sizes), size=sum(sizes.values()))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: forget the snapshots of old runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_prune
short_description: Forget the snapshots that old runs made
description:
  - Of the snapshots of O(host) that are tagged with the id of a run, keeps those of the runs in O(named) and of the newest O(keep)
    others. Those that the timer makes, tagged C(scheduled), have a retention of their own.
  - What is forgotten takes up room until the repository is pruned, which C(tickbox-backup.service) does.
  - Waits for others that work with the repository, for O(patience) seconds at most.
extends_documentation_fragment: [repository]
options:
  named:
    description: Runs whose snapshots stay in any case, as those that made the releases on the hosts.
    type: list
    elements: str
    default: []
  keep:
    description: Of how many other runs the snapshots stay.
    type: int
    required: true
  patience:
    description: Seconds for which a locked repository is waited for.
    type: float
    default: 120
requirements: [restic]
attributes:
  check_mode:
    support: full
    details: Says what would be forgotten.
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Forget the snapshots of old runs
  snapshot_prune:
    repository: s3:https://s3.example.com/backups/app1
    password_file: /etc/tickbox/restic-password
    host: app1
    named: [20260102t030405z_9f1c]
    keep: 30
"""

RETURN = r"""
forgotten:
  description: Runs whose snapshots were forgotten, each with their ids.
  returned: success
  type: dict
  sample: {20251202t030405z_11aa: [5d2f81aa, 77ab01c2]}
kept:
  description: Of how many runs there are snapshots still.
  returned: success
  type: int
"""

import re
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.backup_points import SCHEDULED, runs
from ansible.module_utils.tickbox.file_backup import REPOSITORY_SPEC, Repository

PAUSE = 2  # seconds between two attempts


def by_run(snapshots: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The ids of the snapshots of each run; what a timer made is no run's."""
    found: dict[str, list[str]] = {}
    for snapshot in snapshots:
        made_by = runs(snapshot)
        if len(made_by) == 1 and made_by[0] != SCHEDULED:
            found.setdefault(made_by[0], []).append(str(snapshot["short_id"]))
    return found


def old(found: Collection[str], named: Collection[str], keep: int) -> list[str]:
    """The runs to forget, the oldest first; a run's id begins with its time."""
    others = sorted(set(found) - set(named))
    return others[: max(0, len(others) - keep)]


def forget(repository: Repository, snapshots: list[str], patience: float) -> None:
    deadline = time.monotonic() + patience
    while said := repository.forget(snapshots):
        if not re.search(r"already locked|unable to create lock", said) or time.monotonic() > deadline:
            raise CouldNotLook(f"restic: {said}")
        time.sleep(PAUSE)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **REPOSITORY_SPEC,
            "named": {"type": "list", "elements": "str", "default": []},
            "keep": {"type": "int", "required": True},
            "patience": {"type": "float", "default": 120},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["keep"] < 0:
        module.fail_json(msg=f"keep is {given['keep']}: a number of runs is not negative")
    repository = Repository(given["repository"], given["password_file"], given["restic_environment"])
    try:
        found = by_run(repository.of_host(given["host"]))
        forgotten = {run: found[run] for run in old(found, given["named"], given["keep"])}
        if forgotten and not module.check_mode:
            forget(repository, [snapshot for ids in forgotten.values() for snapshot in ids], given["patience"])
    except CouldNotLook as reason:
        module.fail_json(msg=f"Snapshots of old runs were not forgotten in {given['repository']}: {reason}")
    module.exit_json(changed=bool(forgotten), forgotten=forgotten, kept=len(found) - len(forgotten))


if __name__ == "__main__":
    main()

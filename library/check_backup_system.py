#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the backups that make themselves."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_backup_system
short_description: Whether backups are made by themselves, young, kept as set, off the host, and were restored
description:
  - C(pre.environment.backup) is ticked when the timers of O(service) and O(test_service) are enabled and will elapse, the last
    run of each succeeded and is young enough, the service backs O(paths) up to O(repository) and keeps what O(keep) says, and the
    repository itself holds a young backup of this host and none that should have been dropped.
  - The repository must be off the host, that is reached over a network, by restic or as a network file system. Where it is a
    folder on any other mount of its own, what lies behind that cannot be seen from the host, and the item is C(unverifiable) unless
    O(trust_mount) says that it is known. A folder on the disk of the data, and a server at an address of this host, are refused in
    any case.
  - Runs as root on the host. Changes nothing, and takes no lock in the repository.
extends_documentation_fragment: [look, repository]
options:
  environment_file:
    description: File that gives the service the repository's address.
    type: path
    default: /etc/tickbox/restic.env
  tag:
    description: Tag of the backups that the timer makes.
    type: str
    default: scheduled
  paths:
    description: Files and folders that each backup must hold.
    type: list
    elements: path
    required: true
  keep:
    description: Retention, C(daily), C(weekly) and so on, as restic counts it.
    type: dict
    required: true
  service:
    description: Service that backs up, without its ending. Its timer has the same name.
    type: str
    default: tickbox-backup
  test_service:
    description: Service that restores the last backup to see whether it can be; none where empty.
    type: str
    default: tickbox-restore-test
  max_age_hours:
    description: Age of the last backup at most.
    type: float
    default: 26
  test_max_age_hours:
    description: Age of the last restore test at most.
    type: float
    default: 960
  metrics:
    description: Folder where the services leave the times of their success for the monitoring.
    type: path
    default: /var/lib/prometheus/node-exporter
  trust_mount:
    description: Whether a repository on a mount of its own is known to be off the host.
    type: bool
    default: false
requirements: [restic]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Backup system is in place
  check_backup_system:
    repository: s3:https://s3.example.com/backups/db1
    password_file: /etc/tickbox/restic-password
    restic_environment: "{{ backup_environment }}"
    host: db1
    paths: [/etc, /var/backups/tickbox/shop]
    keep: {daily: 7, weekly: 5, monthly: 12}
"""

RETURN = r"""
assertions:
  description: One, with item, status (passed, failed or unverifiable), summary, expected, observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import backup_system, systemd
from ansible.module_utils.tickbox.accessible import own_address
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.configuration import read_environment_file
from ansible.module_utils.tickbox.file_backup import REPOSITORY_SPEC, Repository

ITEM = "pre.environment.backup"
SUCCESS = {"service": "backup", "test_service": "restore_test"}  # names under which they leave the time of a success


def job(params: dict[str, Any], which: str) -> backup_system.Kept:
    name = params[which]
    service = systemd.show([f"{name}.service"], backup_system.SERVICE)[f"{name}.service"]
    # Several commands are several lines of the same name.
    command = ["systemctl", "show", "--value", "--property=ExecStart", "--", f"{name}.service"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    success = Path(params["metrics"]) / f"tickbox_{SUCCESS[which]}.prom"
    return backup_system.Kept(
        {**service, "ExecStart": done.stdout},
        systemd.show([f"{name}.timer"], backup_system.TIMER)[f"{name}.timer"],
        backup_system.read_success(success.read_text(errors="replace") if success.exists() else "", SUCCESS[which]),
    )


def is_here(name: str) -> bool:
    """Whether an address of the machine of this name is one of this host."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(own_address(str(entry[4][0])) for entry in found)


def look(params: dict[str, Any]) -> Verdict:
    try:
        keep = {str(name): int(count) for name, count in params["keep"].items()}
    except (TypeError, ValueError):
        raise CouldNotLook("keep: each count is a number") from None
    address = params["repository"].removeprefix("local:")
    local = not address.startswith(backup_system.REMOTE)
    if local and not Path(address).is_dir():
        raise CouldNotLook(f"the repository {address} is not there")
    repository = Repository(params["repository"], params["password_file"], params["restic_environment"])
    snapshots, superfluous = repository.scheduled(params["host"], params["tag"], keep)
    data = [Path("/"), *(Path(path) for path in params["paths"])]
    where = backup_system.place(Path(address), data, Path("/proc/self/mountinfo").read_text()) if local else None
    machine = backup_system.host_of(params["repository"], where)
    return backup_system.judge_backup_system(
        job(params, "service"),
        job(params, "test_service") if params["test_service"] else None,
        snapshots,
        superfluous,
        where,
        now=datetime.now(UTC),
        repository=params["repository"],
        settings=read_environment_file(Path(params["environment_file"]).read_text(errors="surrogateescape")),
        host=params["host"],
        paths=params["paths"],
        keep=keep,
        max_age=timedelta(hours=params["max_age_hours"]),
        test_max_age=timedelta(hours=params["test_max_age_hours"]),
        trust_mount=params["trust_mount"],
        own_host=machine if machine and is_here(machine) else "",
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **REPOSITORY_SPEC,
            "environment_file": {"type": "path", "default": "/etc/tickbox/restic.env"},
            "tag": {"type": "str", "default": "scheduled"},
            "paths": {"type": "list", "elements": "path", "required": True},
            "keep": {"type": "dict", "required": True},
            "service": {"type": "str", "default": "tickbox-backup"},
            "test_service": {"type": "str", "default": "tickbox-restore-test"},
            "max_age_hours": {"type": "float", "default": 26},
            "test_max_age_hours": {"type": "float", "default": 960},
            "metrics": {"type": "path", "default": "/var/lib/prometheus/node-exporter"},
            "trust_mount": {"type": "bool", "default": False},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    exit_with(module, [examine(ITEM, lambda: look(module.params))])


if __name__ == "__main__":
    main()

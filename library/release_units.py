#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: several systemd units in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_units
short_description: Start, stop, enable and disable the units of releases together
description:
  - Does in one call what would be one M(ansible.builtin.systemd_service) task a unit, because a release has several units and
    the maintenance window is counted in tasks. Stops before it starts.
  - A unit that is unknown to systemd counts as stopped and disabled.
options:
  stop:
    description: Units to stop and to disable, so that they do not come back at boot.
    type: list
    elements: str
    default: []
  start:
    description: Units to start.
    type: list
    elements: str
    default: []
  restart:
    description: Units to restart, or to start where they do not run.
    type: list
    elements: str
    default: []
  enable:
    description: Units to enable at boot.
    type: list
    elements: str
    default: []
  daemon_reload:
    description: Have systemd read its unit files first, where one was changed or added.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Restart services
  release_units:
    stop: [shop-worker@v1.service]
    start: [shop-web@v2.service, shop-worker@v2.service]
    enable: [shop-web@v2.service, shop-worker@v2.service]
"""

RETURN = r"""
stopped:
  description: Units that ran or were enabled and no longer are.
  returned: always
  type: list
  elements: str
started:
  description: Units that were started or restarted.
  returned: always
  type: list
  elements: str
enabled:
  description: Units that were enabled.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

RUNNING = ("active", "activating", "reloading", "deactivating")


def states(module: AnsibleModule, units: list[str]) -> dict[str, dict[str, str]]:
    """ActiveState and UnitFileState of each unit."""
    if not units:
        return {}
    command = ["systemctl", "show", "--property=Id,ActiveState,UnitFileState", *units]
    _rc, out, _err = module.run_command(command, check_rc=True)
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if line) for block in out.strip().split("\n\n")]
    return dict(zip(units, blocks, strict=True))


def systemctl(module: AnsibleModule, verb: str, units: list[str]) -> None:
    if not units or module.check_mode:
        return
    rc, out, err = module.run_command(["systemctl", verb, *units])
    if rc != 0:
        _rc, journal, _err = module.run_command(
            ["journalctl", "--no-pager", "--quiet", "--lines=15", "--output=cat", *[f"--unit={unit}" for unit in units]]
        )
        last = " | ".join(journal.strip().splitlines()[-5:])
        module.fail_json(msg=f"systemctl {verb} {' '.join(units)}: {(err or out).strip()}. The journal ends: {last}")


def main() -> None:
    names = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "stop": names,
            "start": names,
            "restart": names,
            "enable": names,
            "daemon_reload": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["daemon_reload"] and not module.check_mode:
        module.run_command(["systemctl", "daemon-reload"], check_rc=True)
    named = sorted({*given["stop"], *given["start"], *given["enable"]})
    before = states(module, named)
    running = [unit for unit in given["stop"] if before[unit]["ActiveState"] in (*RUNNING, "failed")]
    disable = [unit for unit in given["stop"] if before[unit]["UnitFileState"] == "enabled"]
    start = [unit for unit in given["start"] if before[unit]["ActiveState"] != "active"]
    enable = [unit for unit in given["enable"] if before[unit]["UnitFileState"] != "enabled"]
    systemctl(module, "stop", running)
    systemctl(module, "reset-failed", [unit for unit in running if before[unit]["ActiveState"] == "failed"])
    systemctl(module, "disable", disable)
    systemctl(module, "enable", enable)
    systemctl(module, "start", start)
    systemctl(module, "restart", given["restart"])
    stopped = sorted({*running, *disable})
    started = [*start, *given["restart"]]
    module.exit_json(changed=bool(stopped or started or enable), stopped=stopped, started=started, enabled=enable)


if __name__ == "__main__":
    main()

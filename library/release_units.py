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
from ansible.module_utils.tickbox.unit_control import UNIT_SPEC, change_units


def main() -> None:
    module = AnsibleModule(
        argument_spec={**UNIT_SPEC, "daemon_reload": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    if module.params["daemon_reload"] and not module.check_mode:
        module.run_command(["systemctl", "daemon-reload"], check_rc=True)
    module.exit_json(**change_units(module))


if __name__ == "__main__":
    main()

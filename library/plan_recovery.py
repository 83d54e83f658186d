#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what makes the hosts whole again after a run was cut off."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_recovery
short_description: Decide what a run that was cut off left to be done
description:
  - Holds the plan of the run, which M(deploy_lock) found in the lock, against what the hosts have, and says what makes them whole.
  - Changes nothing.
options:
  interrupted:
    description: The run as M(deploy_lock) returned it. Empty where none was cut off.
    type: dict
    required: true
  releases:
    description: What M(release_info) returned, by the hosts of the application.
    type: dict
    required: true
  closed:
    description: Whether the maintenance page of the run is up, by the web hosts.
    type: dict
    required: true
  databases:
    description: Databases that the server has.
    type: list
    elements: str
    required: true
  database:
    description: The application's database.
    type: str
    required: true
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Find out what is left to be done
  plan_recovery:
    interrupted: "{{ lock.interrupted }}"
    releases: {app1: "{{ release_info }}"}
    closed: {web1: true}
    databases: [postgres, shop, shop_before_20260102t030405z_9f1c]
    database: shop
  delegate_to: localhost
"""

RETURN = r"""
action:
  description: >-
    C(none) where the hosts are whole, C(back) where they go back to the release that served, C(on) where visitors met the new
    release already and what they wrote would be lost on the way back.
  returned: always
  type: str
target:
  description: The release that the way back leads to, or that serves where the hosts are whole. Empty where none does.
  returned: always
  type: str
taken_back:
  description: The release that is taken back, empty where the hosts are whole.
  returned: always
  type: str
restore_point:
  description: The database that takes the place of O(database), empty where it stays.
  returned: always
  type: str
aside:
  description: Name that the newer database is kept by.
  returned: always
  type: str
summary:
  description: What was found, in one line.
  returned: always
  type: str
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.recovery import recovery


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interrupted": {"type": "dict", "required": True},
            "releases": {"type": "dict", "required": True},
            "closed": {"type": "dict", "required": True},
            "databases": {"type": "list", "elements": "str", "required": True},
            "database": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        decided = recovery(**module.params)
    except KeyError as missing:
        module.fail_json(msg=f"The lock of the interrupted run is not whole, it lacks {missing}: remove it by hand")
    module.exit_json(changed=False, **asdict(decided))


if __name__ == "__main__":
    main()

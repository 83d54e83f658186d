#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what is going on with an application, in words."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_status
short_description: Say what is going on with an application
description:
  - Puts into words what other modules found on the hosts, and names the commands that make the hosts whole where a run was cut off.
  - Runs on the controller, and changes nothing.
options:
  hosts:
    description:
      - By host, C(lock), what M(deploy_lock) found; on hosts of the application C(releases), what M(release_info) returned; on web
        hosts C(maintenance), who set maintenance mode.
    type: dict
    required: true
  recovery:
    description: What M(plan_recovery) decided. Empty where no run was cut off in the middle.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Say what is going on
  run_status:
    hosts:
      app1: {lock: "{{ lock }}", releases: "{{ release_info }}", maintenance: [operator]}
  delegate_to: localhost
"""

RETURN = r"""
lines:
  description: What is going on, a line each.
  returned: always
  type: list
  elements: str
  sample: ["app1 serves v1.0.0-1a2b3c4d; releases: v1.0.0-1a2b3c4d verified", no run under way]
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.status import run_lines, serving_lines


def main() -> None:
    module = AnsibleModule(
        argument_spec={"hosts": {"type": "dict", "required": True}, "recovery": {"type": "dict", "default": {}}},
        supports_check_mode=True,
    )
    hosts = module.params["hosts"]
    module.exit_json(changed=False, lines=serving_lines(hosts) + run_lines(hosts, module.params["recovery"], time.time()))


if __name__ == "__main__":
    main()

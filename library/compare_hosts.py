#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: whether the hosts that switched first answer as well as the others."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compare_hosts
short_description: Compare the errors and times of the first hosts of a release with those of the others
description:
  - Asks Prometheus what the application counted on its hosts since O(began), once it has read all of them after O(ended), and fails
    where O(canary) answered with more errors than O(others), or took longer for a route, by more than chance would bring about, or
    where too few requests were answered to tell.
  - Runs on the host of Prometheus.
extends_documentation_fragment: [figures]
options:
  canary:
    description: Names under which Prometheus reads the hosts that have the new release.
    type: list
    elements: str
    required: true
  others:
    description: Those of the hosts that do not have it yet.
    type: list
    elements: str
    required: true
  began:
    description: Since when they are compared (Unix time).
    type: float
    required: true
  ended:
    description: Until when at least (Unix time).
    type: float
    required: true
  error_ratio:
    description: Part of the answers by which more may fail than on the others.
    type: float
    default: 0.01
  slower:
    description: How many times the others' p95 answers of a route may take.
    type: float
    default: 2
  noise:
    description: Seconds by which they may take longer than the others' p95 in any case.
    type: float
    default: 0.1
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: The first host answers as well as the others
  compare_hosts:
    canary: [app1]
    others: [app2, app3]
    began: "{{ load.load.began }}"
    ended: "{{ load.load.ended }}"
    prometheus_user: operator
    prometheus_password: "{{ vault_dashboard_password }}"
"""

RETURN = r"""
canary:
  description: How many requests the first hosts answered, and how many with an error, for a person.
  returned: always
  type: str
others:
  description: What the others did.
  returned: always
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.canary import Answers, answers_of, worse
from ansible.module_utils.tickbox.series import FIGURES_SPEC, Prometheus, last_read, samples_past


def look(given: dict[str, Any]) -> tuple[Answers, Answers]:
    prometheus = Prometheus(given["prometheus_url"], given["prometheus_user"], given["prometheus_password"])
    counter = f'{given["requests_metric"]}{{job="{given["job"]}"}}'
    hosts = {*given["canary"], *given["others"]}
    counted, now = samples_past(
        prometheus, counter, began=given["began"], ended=given["ended"], instances=hosts, timeout=given["timeout"]
    )
    last = last_read(counted, hosts)
    if unread := sorted(host for host in hosts if last[host] < given["ended"]):
        raise CouldNotLook(f"Prometheus has not read {', '.join(unread)} since")
    times = prometheus.samples(f'{given["duration_metric"]}_bucket{{job="{given["job"]}"}}', now - given["began"], now)
    return answers_of(given["canary"], counted, times), answers_of(given["others"], counted, times)


def main() -> None:
    hosts = {"type": "list", "elements": "str", "required": True}
    moment = {"type": "float", "required": True}
    module = AnsibleModule(
        argument_spec={
            "canary": hosts,
            "others": hosts,
            "began": moment,
            "ended": moment,
            "error_ratio": {"type": "float", "default": 0.01},
            "slower": {"type": "float", "default": 2},
            "noise": {"type": "float", "default": 0.1},
            **FIGURES_SPEC,
        },
        supports_check_mode=True,
    )
    names = ", ".join(module.params["canary"])
    try:
        canary, others = look(module.params)
        problems = worse(canary, others, *(module.params[name] for name in ("error_ratio", "slower", "noise")))
    except CouldNotLook as reason:
        module.fail_json(msg=f"{names} cannot be compared with the others: {reason}", canary="", others="")
    if problems:
        module.fail_json(msg=f"{names}: {'; '.join(problems)}", canary=canary.text, others=others.text)
    module.exit_json(changed=False, canary=canary.text, others=others.text)


if __name__ == "__main__":
    main()

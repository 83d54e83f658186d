#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the maintenance window."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_window
short_description: Whether maintenance may begin now
description:
  - C(deploy.maintenance.window) is ticked by two looks. Neither changes anything.
  - On the controller, with O(reports), now lies in one of O(windows) with time enough for what earlier runs took, and no freeze
    begins before the end. All times are in UTC.
  - On the monitoring host, with O(run), Alertmanager has an active silence for the run, which names it in its comment, holds back
    O(alerts) and nothing else, and lasts for O(seconds).
extends_documentation_fragment: [look]
options:
  windows:
    description: When maintenance may be, each with C(start) and C(end) as C(02:30) (UTC) and C(days) (C(mon) to C(sun); all days
      where left out). One that ends before it starts goes over midnight; C(24:00) is the end of a day.
    type: list
    elements: dict
    default: []
  freezes:
    description: When nothing may be deployed, each with C(from) and C(to) (days in UTC, both included) and C(reason).
    type: list
    elements: dict
    default: []
  reports:
    description: Folder of the run records. The newest runs of O(app) in O(environment) say how long visitors are kept out.
    type: path
  app:
    description: Name of the application.
    type: str
  environment:
    description: Name of the environment.
    type: str
  least_seconds:
    description: What is needed at least, and where no run has been measured yet.
    type: float
    default: 120
  factor:
    description: How many times the longest measured run must fit; one is the way there and one the way back.
    type: float
    default: 2
  run:
    description: Id of this run.
    type: str
  alerts:
    description: Alerts that maintenance raises.
    type: list
    elements: str
    default: []
  seconds:
    description: How long the silence must still last.
    type: float
    default: 120
  alertmanager_url:
    description: Address of Alertmanager on this host.
    type: str
    default: http://127.0.0.1:9093
  user:
    description: Name that logs in to it; none where it is open.
    type: str
  password_file:
    description: File with its password.
    type: path
    default: /etc/prometheus/dashboard.password
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: The window is open
  check_window:
    windows:
      - {days: [tue, wed, thu], start: "22:00", end: "02:00"}
    freezes:
      - {from: "2026-12-20", to: "2027-01-03", reason: year's end}
    reports: reports
    app: shop
    environment: production
  delegate_to: localhost
  register: window

- name: The silence is there
  check_window:
    run: 20260102t030405z_9f1c
    alerts: [TargetDown]
    seconds: "{{ window.seconds }}"
"""

RETURN = r"""
assertions:
  description: The one for C(deploy.maintenance.window), with item, status (passed, failed or unverifiable), summary, expected,
    observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
seconds:
  description: How long the window must be.
  returned: with O(reports)
  type: float
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import window
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.prometheus import Service

ITEM = "deploy.maintenance.window"


def is_open(params: dict[str, Any]) -> Verdict:
    measured = window.read_measured(Path(params["reports"]), params["app"], params["environment"])
    return window.judge_window(
        params["windows"], params["freezes"], measured, params["least_seconds"], params["factor"], datetime.now(UTC)
    )


def is_silent(params: dict[str, Any]) -> Verdict:
    password = Path(params["password_file"]).read_text().strip() if params["user"] else ""
    alertmanager = Service("Alertmanager", params["alertmanager_url"], params["user"] or "", password)
    silences = alertmanager.get("/api/v2/silences")
    if not isinstance(silences, list):
        raise CouldNotLook("Alertmanager lists its silences in a form that cannot be read")
    return window.judge_silence(silences, params["run"], params["alerts"], params["seconds"], time.time())


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "windows": {"type": "list", "elements": "dict", "default": []},
            "freezes": {"type": "list", "elements": "dict", "default": []},
            "reports": {"type": "path"},
            "app": {"type": "str"},
            "environment": {"type": "str"},
            "least_seconds": {"type": "float", "default": 120},
            "factor": {"type": "float", "default": 2},
            "run": {"type": "str"},
            "alerts": {"type": "list", "elements": "str", "default": []},
            "seconds": {"type": "float", "default": 120},
            "alertmanager_url": {"type": "str", "default": "http://127.0.0.1:9093"},
            "user": {"type": "str"},
            "password_file": {"type": "path", "default": "/etc/prometheus/dashboard.password", "no_log": False},
            "report_only": {"type": "bool", "default": False},
        },
        required_together=[("reports", "app", "environment")],
        required_one_of=[("reports", "run")],
        mutually_exclusive=[("reports", "run")],
        supports_check_mode=True,
    )
    params = module.params
    if params["reports"] is None:
        exit_with(module, [examine(ITEM, lambda: is_silent(params))])
    seen = examine(ITEM, lambda: is_open(params))
    exit_with(module, [seen], seconds=seen["expected"].get("seconds", params["least_seconds"]))


if __name__ == "__main__":
    main()

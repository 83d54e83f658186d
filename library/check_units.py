#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: the units of a release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_units
short_description: Whether a release's units were restarted, run from it, are stable and answer
description:
  - Looks at systemd, C(/proc) and the application's own health answer. Changes nothing.
  - C(deploy.release.restart) is ticked when each unit's main process started after O(started_after), runs from O(release_path),
    no C(daemon-reload) is pending, and over O(window) no unit restarted or was down.
  - C(deploy.verification.running) is ticked when the units are enabled and active over O(window), the timers will elapse,
    O(current_socket) leads to O(socket), only processes of O(web_unit) listen there, and the health answer through it is
    as O(health_json) says.
  - Runs on the host of the units, as root.
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: [deploy.release.restart, deploy.verification.running]
    default: [deploy.release.restart, deploy.verification.running]
  release_path:
    description: The folder of the release.
    type: path
    required: true
  units:
    description: Names of the release's services, each of which must keep a main process. A C(.timer) among them counts as one
      of O(timers).
    type: list
    elements: str
    required: true
  timers:
    description: Names of the release's timers, each of which must be set to elapse.
    type: list
    elements: str
    default: []
  started_after:
    description:
      - The time by this host's clock (ISO 8601 with its zone, or Unix time) after which each main process must have started.
      - Needed for C(deploy.release.restart).
    type: str
  web_unit:
    description: The service whose process listens on the socket; needed for C(deploy.verification.running).
    type: str
  socket:
    description: The release's own socket; needed for C(deploy.verification.running).
    type: path
  current_socket:
    description: The link that the web server follows; needed for C(deploy.verification.running).
    type: path
  health_path:
    description: Where the application answers for its health.
    type: str
    default: /healthz
  health_json:
    description: What the health answer must say; it may say more.
    type: dict
    default: {status: ok}
  window:
    description: Seconds over which the units must be stable. The time that their processes have run already counts.
    type: float
    default: 3
  report_only:
    description: Return the assertions without failing.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Application restarted, and running
  check_units:
    release_path: /srv/shop/releases/20260102T030405
    units:
      - shop-web@20260102T030405.service
      - shop-worker@20260102T030405.service
    timers: [shop-cleanup@20260102T030405.timer]
    started_after: "2026-01-02T03:05:00+00:00"
    web_unit: shop-web@20260102T030405.service
    socket: /run/shop/20260102T030405.sock
    current_socket: /run/shop/current.sock
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

import os
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import processes, systemd
from ansible.module_utils.tickbox.answers import Answer, ask_unix
from ansible.module_utils.tickbox.assertion import Verdict, examine, exit_with, moment
from ansible.module_utils.tickbox.units import SocketFacts, judge_restart, judge_running

RESTART = "deploy.release.restart"
RUNNING = "deploy.verification.running"


class Look:
    """What the items need to see, seen once."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.services = [unit for unit in params["units"] if not unit.endswith(".timer")]
        self.timers = [*params["timers"], *(unit for unit in params["units"] if unit.endswith(".timer"))]

    @cached_property
    def window(self) -> tuple[list[dict[str, dict[str, str]]], list[Answer], list[dict[str, set[int]]]]:
        """The units' samples, and the health answers and listeners at its beginning and end."""
        answers, listeners = [], []

        def ask() -> None:
            if self.params["current_socket"]:
                answers.append(ask_unix(Path(self.params["current_socket"]), self.params["health_path"]))
                listeners.append(processes.listeners(self.params["socket"], os.getpid()))

        ask()
        samples = systemd.watch(self.services, self.params["window"])
        ask()
        return samples, answers, listeners

    def restart(self) -> Verdict:
        started_after = moment("started_after", self.params["started_after"])
        samples, _, _ = self.window
        looked = {
            unit: processes.look(int(properties["MainPID"]))
            for unit, properties in samples[-1].items()
            if properties.get("MainPID", "0") != "0"
        }
        release = Path(os.path.realpath(self.params["release_path"]))
        return judge_restart(samples, looked, release, started_after, datetime.now(UTC))

    def running(self) -> Verdict:
        samples, answers, listeners = self.window
        web_unit = self.params["web_unit"]
        group = samples[-1].get(web_unit, {}).get("ControlGroup", "")
        # Who listens by the kernel's word, and who else holds the listening socket.
        holders = set().union(*listeners[-1].values()) | {answer.peer for answer in answers if answer.peer}
        sockets = SocketFacts(
            expected=self.params["socket"],
            resolved=os.path.realpath(self.params["current_socket"]),
            listeners=listeners[-1],
            outsiders={pid for pid in holders if not processes.in_control_group(pid, group)},
            kept=not listeners[0] or bool(set().union(*listeners[0].values()) & set().union(*listeners[-1].values())),
        )
        timers = systemd.show(self.timers, systemd.TIMER)
        return judge_running(samples, timers, web_unit, sockets, answers, self.params["health_json"], datetime.now(UTC))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": [RESTART, RUNNING], "default": [RESTART, RUNNING]},
            "release_path": {"type": "path", "required": True},
            "units": {"type": "list", "elements": "str", "required": True},
            "timers": {"type": "list", "elements": "str", "default": []},
            "started_after": {"type": "str"},
            "web_unit": {"type": "str"},
            "socket": {"type": "path"},
            "current_socket": {"type": "path"},
            "health_path": {"type": "str", "default": "/healthz"},
            "health_json": {"type": "dict", "default": {"status": "ok"}},
            "window": {"type": "float", "default": 3},
            "report_only": {"type": "bool", "default": False},
        },
        required_together=[("web_unit", "socket", "current_socket")],
        supports_check_mode=True,
    )
    params = module.params
    for item, needed in ((RESTART, "started_after"), (RUNNING, "web_unit")):
        if item in params["items"] and not params[needed]:
            module.fail_json(msg=f"{item} needs {needed}")
    look = Look(params)
    judges = {RESTART: look.restart, RUNNING: look.running}
    exit_with(module, [examine(item, judges[item]) for item in dict.fromkeys(params["items"])])


if __name__ == "__main__":
    main()

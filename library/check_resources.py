#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what a release uses of its host, idle and under load."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_resources
short_description: Whether a release keeps within its limits, loses no memory and has no CPU spikes
description:
  - Watches O(units), first as they are, then under a load of O(requests) at O(rate) that the module sends to O(socket) itself.
  - C(post.performance.resources) is ticked when memory, CPU, tasks, open files, disks and, with O(database), connections use at
    most O(limit_part) of the closest of their limits under the load.
  - C(post.performance.memory_leaks) is ticked when the memory of each unit's lasting processes grows by less than the bound, with
    95 % confidence, once O(warmup) is over. The watch goes on for up to O(max_seconds) where it has to.
  - C(post.performance.cpu_spikes) is ticked when no unit used more CPUs than O(cpu) allows over any one second.
  - Runs on the host of the units, as root. On a database host without units it watches for as long, for
    C(post.performance.resources).
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: [post.performance.resources, post.performance.memory_leaks, post.performance.cpu_spikes]
    default: [post.performance.resources, post.performance.memory_leaks, post.performance.cpu_spikes]
  units:
    description: Names of the release's services.
    type: list
    elements: str
    default: []
  web_unit:
    description: The one of them that answers requests.
    type: str
  socket:
    description: The release's own socket.
    type: path
  requests:
    description: What is asked, in the form of smoke requests. Those that are no GET are left out.
    type: list
    elements: dict
    default: []
  rate:
    description: Requests in a second, altogether.
    type: float
    default: 60
  idle:
    description: Seconds of the watch before the load.
    type: float
    default: 5
  warmup:
    description: Seconds of the load before memory is looked at. Its rate is three times O(rate) meanwhile.
    type: float
    default: 5
  seconds:
    description: Seconds of the load after that.
    type: float
    default: 60
  max_seconds:
    description: Seconds after which the load ends even where the memory's slope is not certain yet.
    type: float
    default: 180
  limit_part:
    description: Part of each limit that may be used.
    type: float
    default: 0.8
  leak_bytes_per_round:
    description: Bytes that the web unit may grow by for each round, that is one request of each of O(requests).
    type: float
    default: 512
  leak_bytes_per_second:
    description: Bytes that another unit may grow by in each second.
    type: float
    default: 4096
  cpu:
    description:
      - CPUs that a unit may use over any second, C(idle) and under C(load), the part of the time that it may be C(throttled), and
        the CPUs (C(others)) that any other process of the host may use for C(others_seconds) without a pause.
    type: dict
    default: {idle: 0.6, load: 1.5, throttled: 0.05, others: 0.5, others_seconds: 3}
  disk_paths:
    description: Folders on whose disks there must be room.
    type: list
    elements: path
    default: [/, /var/log, /tmp]
  database:
    description: Database of the local PostgreSQL server whose connections are counted.
    type: str
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: What the release uses
  check_resources:
    units: [shop-web@v2.service, shop-worker@v2.service]
    web_unit: shop-web@v2.service
    socket: /run/shop/v2.sock
    requests: [{path: /}, {path: /api/articles}]
    database: shop
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

from functools import cached_property
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.resources import CpuBounds, judge_leaks, judge_resources, judge_spikes
from ansible.module_utils.tickbox.watch import Watch

RESOURCES = "post.performance.resources"
LEAKS = "post.performance.memory_leaks"
SPIKES = "post.performance.cpu_spikes"
CPU = {"idle": 0.6, "load": 1.5, "throttled": 0.05, "others": 0.5, "others_seconds": 3}


class Look:
    """One watch for all items."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.reason: str | None = None

    @cached_property
    def watched(self) -> Watch:
        watch = Watch(self.params)
        watch.run()
        return watch

    def watch(self) -> Watch:
        """The watch; what kept it from seeing is said of each item without watching again."""
        if self.reason is None:
            try:
                return self.watched
            except (CouldNotLook, OSError) as error:
                self.reason = str(error)
        raise CouldNotLook(self.reason)

    def resources(self) -> Verdict:
        watch = self.watch()
        return judge_resources(list(watch.uses.values()), self.params["limit_part"], watch.load if watch.units else None)

    def leaks(self) -> Verdict:
        watch = self.watch()
        return judge_leaks(watch.settled, watch.leaks(), watch.load, watch.rounds)

    def spikes(self) -> Verdict:
        watch = self.watch()
        try:
            bounds = CpuBounds(**{name: float(value) for name, value in {**CPU, **self.params["cpu"]}.items()})
        except (TypeError, ValueError) as error:
            raise CouldNotLook(f"cpu: {error}") from None
        return judge_spikes(watch.moments, self.params["web_unit"], bounds, watch.others, watch.load)


def main() -> None:
    choices = [RESOURCES, LEAKS, SPIKES]
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": choices, "default": choices},
            "units": {"type": "list", "elements": "str", "default": []},
            "web_unit": {"type": "str"},
            "socket": {"type": "path"},
            "requests": {"type": "list", "elements": "dict", "default": []},
            "rate": {"type": "float", "default": 60},
            "idle": {"type": "float", "default": 5},
            "warmup": {"type": "float", "default": 5},
            "seconds": {"type": "float", "default": 60},
            "max_seconds": {"type": "float", "default": 180},
            "limit_part": {"type": "float", "default": 0.8},
            "leak_bytes_per_round": {"type": "float", "default": 512},
            "leak_bytes_per_second": {"type": "float", "default": 4096},
            "cpu": {"type": "dict", "default": CPU},
            "disk_paths": {"type": "list", "elements": "path", "default": ["/", "/var/log", "/tmp"]},  # noqa: S108 - only looked at
            "database": {"type": "str"},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    if params["units"] and not (params["web_unit"] in params["units"] and params["socket"] and params["requests"]):
        module.fail_json(msg="units need web_unit among them, its socket, and requests")
    if not params["units"] and params["items"] != [RESOURCES]:
        module.fail_json(msg=f"without units only {RESOURCES} can be answered for")
    look = Look(params)
    judges = {RESOURCES: look.resources, LEAKS: look.leaks, SPIKES: look.spikes}
    exit_with(module, [examine(item, judges[item]) for item in dict.fromkeys(params["items"])])


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: from one release to another on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_switch
short_description: Let a release serve, once its process is well
description:
  - Waits until the process on O(socket) answers O(health_path) with 200, then replaces each of the links by a rename, then changes
    the units. All in one call, since it is done in the maintenance window.
  - A timer that is started goes on from where the same timer of another release stood.
  - A process that does not become well within O(timeout) fails the module before any link has changed, with the end of the journal
    of the units that O(start) names.
  - Without links and units it waits alone.
options:
  socket:
    description: The socket of the release's web process.
    type: path
    required: true
  health_path:
    description: Where the process answers for its health.
    type: str
    required: true
  timeout:
    description: Seconds that the process may take until it is well.
    type: float
    default: 30
  links:
    description: Targets of the links, by the links' paths.
    type: dict
    default: {}
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
  drain:
    description: Socket of a release that serves no longer. Units are only changed once nobody is connected to it any more.
    type: path
  drain_seconds:
    description: Seconds that its last requests may take. Who is connected then is told of in RV(connections_left).
    type: float
    default: 60
attributes:
  check_mode:
    support: full
    details: Does not wait.
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Switch to the new release
  release_switch:
    socket: /run/shop/v2.sock
    health_path: /healthz
    links:
      /srv/shop/current: /srv/shop/releases/v2
      /run/shop/current.sock: /run/shop/v2.sock
    stop: [shop-worker@v1.service]
    restart: [shop-worker@v2.service]
    enable: [shop-web@v2.service, shop-worker@v2.service]
    drain: /run/shop/v1.sock
"""

RETURN = r"""
links:
  description: What each link that was replaced led to before, empty where there was none.
  returned: always
  type: dict
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
connections_left:
  description: How many were still connected to O(drain) when its time was up.
  returned: always
  type: int
"""

import os
import time
from http import HTTPStatus
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.answers import Answer, ask_unix
from ansible.module_utils.tickbox.drain import drained
from ansible.module_utils.tickbox.unit_control import UNIT_SPEC, change_units, last_words

PAUSE = 0.1  # seconds between two questions


def wait_until_well(socket: Path, health_path: str, timeout: float) -> Answer:
    """The last answer of the process, which is 200 unless the time was up."""
    deadline = time.monotonic() + timeout
    while True:
        answer = ask_unix(socket, health_path)
        if answer.status == HTTPStatus.OK or time.monotonic() > deadline:
            return answer
        time.sleep(PAUSE)


def replace(link: Path, target: str) -> None:
    """Make ``link`` lead to ``target``, so that whoever follows it meets the old target or the new one."""
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.symlink_to(target)
    fresh.rename(link)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "health_path": {"type": "str", "required": True},
            "timeout": {"type": "float", "default": 30},
            "links": {"type": "dict", "default": {}},
            "drain": {"type": "path"},
            "drain_seconds": {"type": "float", "default": 60},
            **UNIT_SPEC,
        },
        supports_check_mode=True,
    )
    given = module.params
    if not module.check_mode:
        answer = wait_until_well(Path(given["socket"]), given["health_path"], given["timeout"])
        if answer.status != HTTPStatus.OK:
            module.fail_json(
                msg=f"The process on {given['socket']} is not well after {given['timeout']:g} s: {answer.outcome}. "
                + last_words(module, given["start"])
            )
    replaced = {}
    try:
        for path, target in given["links"].items():
            link = Path(path)
            before = str(link.readlink()) if link.is_symlink() else ""
            if before != target:
                replaced[path] = before
                if not module.check_mode:
                    replace(link, target)
    except OSError as error:
        module.fail_json(msg=f"A link could not be replaced: {error}")
    left = drained(Path(given["drain"]), given["drain_seconds"]) if given["drain"] and not module.check_mode else 0
    if left:
        module.warn(f"{left} connections to {given['drain']} were open after {given['drain_seconds']:g} s, and are not waited for")
    changed = change_units(module)
    module.exit_json(**{**changed, "changed": changed["changed"] or bool(replaced)}, links=replaced, connections_left=left)


if __name__ == "__main__":
    main()

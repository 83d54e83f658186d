#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: how fast a release answers, side by side with the one before."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compare_releases
short_description: Ask two releases in turns, and say which routes have become slower
description:
  - Starts the web process of both once more, beside what serves, with the user, code and settings of its unit, each on a spare
    socket that only this module asks. So both are as young, and neither has visitors. They are stopped again.
  - Sends each of O(requests) that reads only (GET and HEAD) to both, one right after the other, in an order that is drawn by lot,
    and again until it is clear whether the new release takes more than O(slower) times as long, by a sequential sign test. What
    else the machine does meets both alike.
  - Judges nothing; M(check_performance) does.
  - Runs on a host of the application, as root.
options:
  earlier:
    description: The release before.
    type: dict
    required: true
    suboptions: &release
      release:
        description: Its id, the instance of its unit.
        type: str
        required: true
      unit_file:
        description: File of the unit of its web process.
        type: path
        required: true
      socket:
        description: The socket that the unit's command names.
        type: path
        required: true
      environment:
        description: Settings that are others for this, as what keeps cached values apart, as the JSON text of an object.
        type: str
        default: "{}"
  new:
    description: The release that is compared with it.
    type: dict
    required: true
    suboptions: *release
  health_path:
    description: Where both answer for their health.
    type: str
    required: true
  timeout:
    description: Seconds that a process may take until it is well.
    type: float
    default: 30
  requests:
    description: What is asked, as M(send_load) takes it.
    type: list
    elements: dict
    required: true
  slower:
    description: How many times as long a route may take. Between 1 and what must be found for certain; 1.4 finds a doubling.
    type: float
    default: 1.4
  noise:
    description: Seconds by which a route may be slower whatever it took before.
    type: float
    default: 0.0005
  seconds:
    description: How long is asked until all is clear. Each route is asked 16 times of both in any case, and 200 times at most.
    type: float
    default: 30
attributes:
  check_mode:
    support: full
    details: Asks as well, as nothing is changed.
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Compare the release with the one before
  compare_releases:
    earlier: {release: v1, unit_file: /etc/systemd/system/shop-web@v1.service, socket: /run/shop/v1.sock}
    new: {release: v2, unit_file: /etc/systemd/system/shop-web@v2.service, socket: /run/shop/v2.sock}
    health_path: /healthz
    requests:
      - {name: catalogue, path: /api/articles, contains: price}
  register: compared
"""

RETURN = r"""
comparison:
  description:
    - C(routes) has of each route that was asked how often (C(asked)), the C(pairs) in which both answered rightly, in how many of
      them the new release was over the threshold (C(over)), the medians C(before) and C(now) in seconds, and the wrong answers
      (C(wrong_before), C(wrong_now)). C(unable) says why the release before could not be asked; empty where it was.
  returned: always
  type: dict
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.answers import Answer
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.side_by_side import NOISE, SLOWER, Ask, Threshold, compare
from ansible.module_utils.tickbox.spare_start import spare, unwell
from ansible.module_utils.tickbox.trial import UnixClient

READS = ("GET", "HEAD")


def reading(requests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those that only read, by their names in a load."""
    named = {}
    for request in requests:
        method = str(request.get("method") or "GET").upper()
        if method in READS:
            named[str(request.get("name") or f"{method} {request['path']}")] = {**request, "method": method}
    return named


def asking(socket: Path) -> Ask:
    """Asks as a proxy does, over a connection for each request: over one that is kept a single worker would answer for all."""

    def ask(request: Mapping[str, Any]) -> Answer:
        client = UnixClient(socket)
        answer = client.send(request["method"], request["path"], request.get("headers") or {}, None)
        client.close()
        return answer

    return ask


def started(release: dict[str, Any]) -> AbstractContextManager[tuple[str, Path]]:
    try:
        environment = dict(json.loads(release["environment"]))
    except (ValueError, TypeError):
        raise CouldNotLook("environment: it is no JSON object") from None
    at: AbstractContextManager[tuple[str, Path]] = spare(
        Path(release["unit_file"]), release["release"], Path(release["socket"]), environment
    )
    return at


def look(given: dict[str, Any]) -> dict[str, Any]:
    with ExitStack() as both:
        unit, socket = both.enter_context(started(given["new"]))
        try:
            earlier_unit, earlier_socket = both.enter_context(started(given["earlier"]))
        except (CouldNotLook, OSError) as reason:
            return {"routes": {}, "unable": str(reason)}
        if problem := unwell(unit, socket, given["health_path"], given["timeout"]):
            raise CouldNotLook(f"the new release: {problem}")
        if problem := unwell(earlier_unit, earlier_socket, given["health_path"], given["timeout"]):
            return {"routes": {}, "unable": problem}
        threshold = Threshold(given["slower"], given["noise"])
        routes = compare(asking(earlier_socket), asking(socket), reading(given["requests"]), threshold, given["seconds"])
    return {"routes": routes, "unable": "" if routes else "no request of the load only reads"}


def main() -> None:
    release = {
        "type": "dict",
        "required": True,
        "options": {
            "release": {"type": "str", "required": True},
            "unit_file": {"type": "path", "required": True},
            "socket": {"type": "path", "required": True},
            "environment": {"type": "str", "default": "{}", "no_log": True},
        },
    }
    module = AnsibleModule(
        argument_spec={
            "earlier": release,
            "new": release,
            "health_path": {"type": "str", "required": True},
            "timeout": {"type": "float", "default": 30},
            "requests": {"type": "list", "elements": "dict", "required": True},
            "slower": {"type": "float", "default": SLOWER},
            "noise": {"type": "float", "default": NOISE},
            "seconds": {"type": "float", "default": 30},
        },
        supports_check_mode=True,
    )
    if module.params["slower"] <= 1:
        module.fail_json(msg="slower must be more than 1")
    try:
        comparison = look(module.params)
    except (CouldNotLook, OSError) as reason:
        module.fail_json(msg=str(reason))
    module.exit_json(changed=False, comparison=comparison)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: whether a release that does not serve would answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: try_release
short_description: Start the web process of a release once more beside what serves, and send it the smoke requests
description:
  - The process is that of its unit, with its user, code and settings, thus on the database as it is now unless O(environment) names
    another, and listens on a spare socket that only this module asks. It is stopped again.
  - What is wrong with it is returned, and is no failure of the module.
options:
  unit_file:
    description: File of the unit of its web process.
    type: path
    required: true
  release:
    description: Id of the release, the unit's instance.
    type: str
    required: true
  socket:
    description: The socket that its command names.
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
  requests:
    description: The requests, and what must come back, as M(smoke_requests) takes them.
    type: list
    elements: dict
    required: true
  request_id_header:
    description: Header in which the id of a request is sent, and in which the application returns it.
    type: str
    default: X-Request-ID
  environment:
    description: Settings that take the place of the release's own, as those that lead to another database.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    details: Asks as well, as nothing is changed.
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: See whether the earlier release can use the schema
  try_release:
    unit_file: /etc/systemd/system/shop-web@v1.service
    release: v1
    socket: /run/shop/v1.sock
    health_path: /healthz
    requests:
      - {name: front page, path: /, contains: <div id="app">}
"""

RETURN = r"""
problems:
  description: What is wrong with its answers, or why it could not be asked; empty where it answered all as defined.
  returned: always
  type: list
  elements: str
asked:
  description: How many requests it was sent.
  returned: always
  type: int
"""

import uuid
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.smoke import answer_problems
from ansible.module_utils.tickbox.spare_start import spare, unwell
from ansible.module_utils.tickbox.trial import UnixClient


def ask(socket: Path, requests: list[dict[str, Any]], id_header: str) -> list[str]:
    """What is wrong with the answers."""
    client, problems = UnixClient(socket), []
    for request in requests:
        sent, method = uuid.uuid4().hex, str(request.get("method") or "GET").upper()
        answer = client.send(method, request["path"], {**(request.get("headers") or {}), id_header: sent}, request.get("body"))
        name = request.get("name") or f"{method} {request['path']}"
        problems += [f"{name}: {problem}" for problem in answer_problems(request, answer, sent, id_header)]
    client.close()
    return problems


def look(given: dict[str, Any]) -> tuple[int, list[str]]:
    with spare(Path(given["unit_file"]), given["release"], Path(given["socket"]), given["environment"]) as (unit, socket):
        if problem := unwell(unit, socket, given["health_path"], given["timeout"]):
            return 0, [problem]
        return len(given["requests"]), ask(socket, given["requests"], given["request_id_header"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit_file": {"type": "path", "required": True},
            **{name: {"type": "str", "required": True} for name in ("release", "health_path")},
            "socket": {"type": "path", "required": True},
            "timeout": {"type": "float", "default": 30},
            "requests": {"type": "list", "elements": "dict", "required": True},
            "request_id_header": {"type": "str", "default": "X-Request-ID"},
            "environment": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    try:
        asked, problems = look(module.params)
    except (CouldNotLook, OSError) as reason:
        asked, problems = 0, [str(reason)]
    if not asked and not problems:
        problems = ["there is no smoke request that could be sent (app_smoke_requests)"]
    module.exit_json(changed=False, asked=asked, problems=problems)


if __name__ == "__main__":
    main()

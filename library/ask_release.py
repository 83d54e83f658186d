#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a release's web process, asked over its socket."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ask_release
short_description: Ask a release's web process over its socket, a process on trial where one is given
description:
  - Sends O(requests) one after the other as one person's browser would, gets O(pages), and sends O(cases), those of one operation
    in a session of their own. M(check_input_validation), M(check_documents) and M(check_api_endpoints) judge what came back.
  - With O(command), starts a process of its own first, under systemd, and stops it at the end. Give it a database of its own
    (M(scratch_database)), as what the application ought to refuse may be kept.
  - Runs on a host of the application, as root.
extends_documentation_fragment: [api_requests]
options:
  socket:
    description: The socket on which the process listens.
    type: path
    required: true
  command:
    description: Command that starts the process on trial.
    type: str
  unit:
    description: Name of its unit.
    type: str
  user:
    description: User that it runs as.
    type: str
  directory:
    description: Folder that it runs in.
    type: path
  settings:
    description: File of the release's settings.
    type: path
  environment:
    description: Settings that are others on trial.
    type: dict
    default: {}
  health_path:
    description: Where it answers 200 once it is well.
    type: str
    default: /healthz
  timeout:
    description: Seconds that it may take until then.
    type: float
    default: 30
  requests:
    default: []
  pages:
    description: Paths to get.
    type: list
    elements: str
    default: []
  cases:
    description: Requests that ought to be refused, as M(input_cases) makes them.
    type: list
    elements: dict
    default: []
  seconds:
    description: Longest time for O(cases).
    type: float
    default: 60
attributes:
  check_mode:
    support: none
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Ask the release for what visitors cannot ask
  ask_release:
    socket: /run/shop/20260102T030405.sock
    requests:
      - {operation: GET /metrics, inside: true}
  register: asked
"""

RETURN = r"""
answers:
  description: For each of O(requests) its operation, status, type, body and seconds.
  returned: always
  type: list
  elements: dict
pages:
  description: For each of O(pages) its status and body.
  returned: always
  type: dict
outcomes:
  description: For each of O(cases) its status and seconds, in their order; fewer where O(seconds) were over.
  returned: always
  type: list
  elements: list
doubt:
  description: Why nothing could be asked; empty where it could.
  returned: always
  type: str
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.answers import Answer, ask_unix
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.exchange import REQUEST_SPEC, sessions
from ansible.module_utils.tickbox.trial import Process, TrialError, running, show, try_cases


def ask(params: dict[str, Any]) -> dict[str, Any]:
    path = Path(params["socket"])
    exchange, answers = show(path, params["requests"], params["secrets"])
    pages = {page: ask_unix(path, page) for page in params["pages"]}
    return {
        "answers": [
            {
                "operation": request["operation"],
                "status": answer.status,
                "type": answer.headers.get("content-type", ""),
                "body": answer.text,
                "seconds": round(seconds, 3),
            }
            for request, (answer, seconds) in zip(params["requests"], answers, strict=True)
        ],
        "pages": {page: shown(answer) for page, answer in pages.items()},
        "doubt": "",
        "outcomes": try_cases(path, params["cases"], sessions(params["requests"]), exchange, params["seconds"]),
    }


def shown(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "body": answer.text}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "command": {"type": "str"},
            "unit": {"type": "str"},
            "user": {"type": "str"},
            "directory": {"type": "path"},
            "settings": {"type": "path"},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "health_path": {"type": "str", "default": "/healthz"},
            "timeout": {"type": "float", "default": 30},
            "requests": {"type": "list", "elements": "dict", "default": [], "options": REQUEST_SPEC},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "pages": {"type": "list", "elements": "str", "default": []},
            "cases": {"type": "list", "elements": "dict", "default": []},
            "seconds": {"type": "float", "default": 60},
        },
        required_together=[("command", "unit", "user", "directory", "settings")],
    )
    given = module.params
    trial = nullcontext()
    if given["command"]:
        names = ("unit", "command", "user", "directory", "settings", "environment")
        process = Process(**{name: given[name] for name in names}, socket=Path(given["socket"]))
        trial = running(process, given["health_path"], given["timeout"])
    try:
        with trial:
            result = ask(given)
    except (TrialError, CouldNotLook, OSError) as error:
        result = {"answers": [], "pages": {}, "outcomes": [], "doubt": " ".join(str(error).split())}
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()

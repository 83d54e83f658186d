#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: hostile programs in the application's sandbox."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_sandbox
short_description: Whether the sandbox in which an application runs strangers' programs keeps them in
description:
  - C(post.security.sandbox) is ticked when hostile Python programs that are sent to the application as a visitor's get neither to
    the network, the host's files, processes, devices and secrets, nor further namespaces, nor more than O(memory_mb), O(disk_mb),
    O(processes) and O(seconds), leave nothing for the next, and an ordinary program works.
  - Where the sandbox fails, the programs do no lasting harm. They remove the small files that they could make.
  - Runs on the controller, and with O(left_behind) after that on the hosts of the application.
extends_documentation_fragment: [look, site, site.visitor]
options:
  path:
    description: Where programs are sent, with POST.
    type: str
    required: true
  body:
    description: The body, sent as JSON; C({code}) in its strings is replaced by the program.
    type: dict
    required: true
  other_ways:
    description: >-
      Further bodies with which the survey is sent, by the names of the ways, such as other languages. C({json}) in their strings is
      replaced by the program as a string of JSON, for a program that starts Python with it.
    type: dict
    default: {}
  fields:
    description: Names of the fields of the answer for C(stdout), C(stderr), C(exit_code) and C(timed_out).
    type: dict
    default: {}
  hosts:
    description: Addresses that a program must not reach, besides those that the module knows.
    type: list
    elements: str
    default: []
  places:
    description: Paths of the host that a program must not see.
    type: list
    elements: str
    default: []
  sockets:
    description: Unix sockets that a program must not reach.
    type: list
    elements: str
    default: []
  secrets:
    description: Values that no program may read, by their names. Values shorter than 8 characters are not looked for.
    type: dict
    default: {}
  memory_mb:
    description: The most memory that a program may get, in MiB, all its processes together.
    type: int
    default: 512
  disk_mb:
    description: The most that a program may write, in MiB.
    type: int
    default: 128
  processes:
    description: The most processes that it may start.
    type: int
    default: 128
  seconds:
    description: The longest that it may run, with the answer.
    type: float
    default: 20
  left_behind:
    description: Look on a host of the application whether a program goes on there that an earlier look has sent.
    type: bool
    default: false
requirements: [httpx on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Verify code execution sandbox is secure
  check_sandbox:
    url: https://shop.example.com
    path: /api/run
    body: {language: python, code: "{code}"}
    places: [/srv/shop]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
assertions:
  description: The one for C(post.security.sandbox), with item, status (passed, failed or unverifiable), summary, expected,
    observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import json
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox import hostile, sandbox
from ansible.module_utils.tickbox.assertion import Verdict, examine, exit_with
from ansible.module_utils.tickbox.authorisation import filled
from ansible.module_utils.tickbox.site import HTTPX, together
from ansible.module_utils.tickbox.visitor import VISITOR_SPEC, Request, Visitor

# What no program should find, whatever the application.
PLACES = ("/etc/shadow", "/etc/ssh", "/etc/ssl/private", "/root/.ssh", "/var/lib/postgresql", "/var/lib/redis", "/var/log/nginx")
SOCKETS = (
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/systemd/private",
    "/run/dbus/system_bus_socket",
    "/run/postgresql/.s.PGSQL.5432",
)
FIELDS = ("stdout", "stderr", "exit_code", "timed_out")
BEYOND = 256  # MiB that a program asks for beyond what it may get


def look(params: dict[str, Any]) -> Verdict:
    visitor = Visitor(params)
    address = visitor.site.addresses[0]
    fields = {name: params["fields"].get(name, name) for name in FIELDS}
    factors = [secrets.randbelow(10**6) + 10**6 for _ in range(2)]

    def run(what: tuple[str, dict[str, Any]], way: str = "") -> sandbox.Run:
        name, given = what
        mark = secrets.token_hex(8)
        program = hostile.program(name, mark, given)
        body = filled(params["other_ways"][way] if way else params["body"], {"code": program, "json": json.dumps(program)})
        name = f"{name}, {way}" if way else name
        began = time.monotonic()
        answer = visitor.ask(address, Request(params["path"], "POST", body=body, label=name))
        content = answer.json() if isinstance(answer.json(), dict) else {}
        seen = {field: content.get(key) for field, key in fields.items()}
        return sandbox.Run(
            name=name,
            mark=mark,
            status=answer.status,
            stdout=str(seen["stdout"] or ""),
            stderr=str(seen["stderr"] or ""),
            exit_code=seen["exit_code"] if isinstance(seen["exit_code"], int) else None,
            timed_out=seen["timed_out"] is True,
            seconds=time.monotonic() - began,
        )

    survey = (sandbox.SURVEY, {
        "targets": hostile.targets([*visitor.site.addresses, *params["hosts"]]),
        "sockets": [*SOCKETS, *params["sockets"]],
        "places": [*PLACES, *params["places"]],
    })  # fmt: skip
    surveys = [run(survey, way) for way in ("", *params["other_ways"])]
    others: dict[str, dict[str, Any]] = {
        "remains": {"earlier": [one.mark for one in surveys]},
        "benign": {"one": factors[0], "other": factors[1]},
        "fork bomb": {"most": params["processes"] + 64},
        "memory": {"most": params["memory_mb"] + BEYOND},
        "memory of several processes": {"most": params["memory_mb"] + BEYOND},
        "disk": {"most": params["disk_mb"] + 64},
        "endless loop": {},
        "left behind": {"name": hostile.LEFT_BEHIND},
    }
    runs = {one.name: one for one in [*surveys, *together(run, others.items())]}
    bounds = sandbox.Bounds(params["memory_mb"], params["disk_mb"], params["processes"], params["seconds"])
    # Where the machine is busy its time may be over too early: once more, with nothing beside it.
    runs |= {name: run((name, others[name])) for name in sandbox.cut_short(runs, bounds)}
    after = [each.answer.status for each in visitor.ask_all([Request()])]
    values = {name: str(value) for name, value in params["secrets"].items()}
    return sandbox.judge_sandbox(runs, bounds, factors[0] * factors[1], values, after)


def look_behind() -> Verdict:
    processes = {}
    for path in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):  # it has ended meanwhile
            processes[int(path.parent.name)] = path.read_text().strip()
    return sandbox.judge_left_behind(processes)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **VISITOR_SPEC,
            "path": {"type": "str", "required": True},
            "body": {"type": "dict", "required": True},
            "other_ways": {"type": "dict", "default": {}},
            "fields": {"type": "dict", "default": {}},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "places": {"type": "list", "elements": "str", "default": []},
            "sockets": {"type": "list", "elements": "str", "default": []},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "memory_mb": {"type": "int", "default": 512},
            "disk_mb": {"type": "int", "default": 128},
            "processes": {"type": "int", "default": 128},
            "seconds": {"type": "float", "default": 20},
            "left_behind": {"type": "bool", "default": False},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    behind = module.params["left_behind"]
    if not HTTPX and not behind:
        module.fail_json(msg=missing_required_lib("httpx"))
    exit_with(module, [examine("post.security.sandbox", look_behind if behind else lambda: look(module.params))])


if __name__ == "__main__":
    main()

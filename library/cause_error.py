#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: an error of the application, and what became of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cause_error
short_description: Have the application fail once, and see whether it logs and counts the error
description:
  - Sends O(request) with a nonce in place of C({nonce}) over the application's socket, looks for the nonce in the journal of
    O(units) among entries of priority C(err) and above, and reads O(metric) before and after.
  - Runs on the host of the units, as root. Changes nothing, and judges nothing.
options:
  socket:
    description: The socket on which the application listens.
    type: path
    required: true
  request:
    description: What makes it fail, with C(path), C(method), C(headers) and C(body).
    type: dict
    required: true
  units:
    description: Units whose journal is read.
    type: list
    elements: str
    required: true
  metric:
    description: The application's counter of errors.
    type: str
    required: true
  metrics_path:
    description: Where the application shows its figures.
    type: str
    default: /metrics
  timeout:
    description: Seconds that an entry may take to appear.
    type: float
    default: 3
attributes:
  check_mode:
    support: none
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Cause an error
  cause_error:
    socket: /run/shop/current.sock
    request: {path: /debug/fail, headers: {X-Token: "{{ vault_token }}", X-Text: "{nonce}"}}
    units: [shop-web@v2.service]
    metric: errors_total
"""

RETURN = r"""
sent:
  description: When the error had been answered (Unix time).
  returned: always
  type: float
status:
  description: Status of the answer; 0 where there was none.
  returned: always
  type: int
logged:
  description: Whether the journal has the nonce at priority err or above.
  returned: always
  type: bool
entry:
  description: The beginning of the journal's entry.
  returned: always
  type: str
before:
  description: O(metric) before.
  returned: always
  type: float
after:
  description: O(metric) after.
  returned: always
  type: float
"""

import secrets
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.answers import HTTP_OK, ask_unix
from ansible.module_utils.tickbox.prometheus import read_figures

SHOWN = 300  # characters of the entry


def counted(module: AnsibleModule) -> float:
    answer = ask_unix(Path(module.params["socket"]), module.params["metrics_path"])
    if answer.status != HTTP_OK:
        module.fail_json(msg=f"The application's figures cannot be read: {answer.outcome}")
    return float(sum(read_figures(answer.text).get(module.params["metric"], {}).values()))


def entry_of(module: AnsibleModule, nonce: str, since: float) -> str:
    """The journal's line with the nonce; empty where none appears in time."""
    units = [f"--unit={unit}" for unit in module.params["units"]]
    journal = ["journalctl", "--quiet", "--no-pager", "--all", "--output=cat", "--priority=err", f"--since=@{int(since)}", *units]
    end = time.monotonic() + module.params["timeout"]
    while True:
        module.run_command(["journalctl", "--sync"], check_rc=True)
        _code, out, _error = module.run_command(journal, check_rc=True)
        found = next((line for line in str(out).splitlines() if nonce in line), "")
        if found or time.monotonic() > end:
            return found
        time.sleep(0.2)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "required": True},
            "request": {"type": "dict", "required": True, "no_log": True},
            "units": {"type": "list", "elements": "str", "required": True},
            "metric": {"type": "str", "required": True},
            "metrics_path": {"type": "str", "default": "/metrics"},
            "timeout": {"type": "float", "default": 3},
        },
    )
    params = module.params
    if not params["units"]:
        module.fail_json(msg="units: none was named, so the whole journal would be read")
    request: dict[str, Any] = params["request"]
    nonce, began = secrets.token_hex(12), time.time()

    def filled(text: Any) -> str:
        return str(text).replace("{nonce}", nonce)

    before = counted(module)
    answer = ask_unix(
        Path(params["socket"]),
        filled(request.get("path", "/")),
        method=filled(request.get("method", "GET")),
        headers={str(name): filled(value) for name, value in (request.get("headers") or {}).items()},
        body=filled(request["body"]) if request.get("body") else None,
    )
    sent = time.time()
    entry = entry_of(module, nonce, began)
    module.exit_json(
        changed=False,
        sent=sent,
        status=answer.status,
        logged=bool(entry),
        entry=entry[:SHOWN],
        before=before,
        after=counted(module),
    )


if __name__ == "__main__":
    main()

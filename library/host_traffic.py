#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: whether the web hosts send visitors to a host of the application."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_traffic
short_description: Keep visitors away from a host of the application, or let them in again
description:
  - With O(state=away) the host refuses new connections of the web hosts, by a table of nftables of its own. nginx, which is told at
    once and before it has sent a request, asks the next host. No request fails, and nginx needs no reload, which would end
    connections that visitors keep.
  - Then it waits until nobody is connected any more, and sees for O(quiet) seconds that nobody comes. It fails where somebody does.
  - O(state=back) takes the table away. So does a boot, and after O(longest) seconds it refuses nobody any more.
options:
  state:
    description: What to do.
    type: str
    choices: [away, back]
    required: true
  app:
    description: Short name of the application, which the table bears.
    type: str
    required: true
  ports:
    description: Where the web hosts reach the application on this host.
    type: list
    elements: int
    default: [8000, 8001]
  web:
    description: Addresses or names of the web hosts. Needed for O(state=away).
    type: list
    elements: str
    default: []
  seconds:
    description: Seconds that requests under way may take. Who is connected then is told of in RV(left).
    type: float
    default: 60
  longest:
    description: Seconds after which the host takes connections again by itself, should nobody put it back.
    type: int
    default: 600
  quiet:
    description: Seconds for which nobody may come.
    type: float
    default: 1
requirements: [nftables]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Take the host out
  host_traffic:
    state: away
    app: shop
    web: [10.0.0.2]

- name: Put it back
  host_traffic:
    state: back
    app: shop
"""

RETURN = r"""
left:
  description: How many connections were left when their time was up.
  returned: O(state=away)
  type: int
refused:
  description: How many attempts of the web hosts were refused meanwhile.
  returned: O(state=away)
  type: int
seconds:
  description: How long it took until nobody was connected.
  returned: O(state=away)
  type: float
"""

import ipaddress
import socket
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import away

TABLES = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
PAUSE = 0.02  # seconds between two looks


def resolved(names: list[str]) -> set[away.Address]:
    found = [one for name in names for one in socket.getaddrinfo(name, None, proto=socket.IPPROTO_TCP)]
    return {ipaddress.ip_address(address[0]) for *_, address in found}


def keep_away(module: Any, table: str) -> dict[str, Any]:
    given = module.params
    addresses = resolved(given["web"])
    nft(module, away.ruleset(table, given["ports"], addresses, given["longest"]))

    def connected() -> int:
        count: int = away.connected([path.read_text() for path in TABLES if path.exists()], given["ports"], addresses)
        return count

    began = time.monotonic()
    while (left := connected()) and time.monotonic() - began < given["seconds"]:
        time.sleep(PAUSE)
    if left:
        module.warn(f"{left} connections were open after {given['seconds']:g} s, and are not waited for")
    seconds, end = time.monotonic() - began, time.monotonic() + given["quiet"]
    while time.monotonic() < end:
        if (there := connected()) > left:
            module.fail_json(msg=f"{there - left} connections came although the host refuses them: it cannot be taken out")
        time.sleep(PAUSE)
    _rc, listing, _err = module.run_command(["nft", "--json", "list", "table", "inet", table], check_rc=True)
    return {"left": left, "refused": away.refused(listing), "seconds": round(seconds, 2)}


def nft(module: Any, rules: str) -> None:
    rc, _out, err = module.run_command(["nft", "--file", "-"], data=rules)
    if rc != 0:
        module.fail_json(msg=f"nft: {err.strip()}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["away", "back"], "required": True},
            "app": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "int", "default": [8000, 8001]},
            "web": {"type": "list", "elements": "str", "default": []},
            "seconds": {"type": "float", "default": 60},
            "quiet": {"type": "float", "default": 1},
            "longest": {"type": "int", "default": 600},
        },
        required_if=[("state", "away", ["web"])],
        supports_check_mode=True,
    )
    table = f"tickbox_{module.params['app']}_away"
    if module.check_mode:
        module.exit_json(changed=False)
    try:
        if module.params["state"] == "away":
            module.exit_json(changed=True, **keep_away(module, table))
        there = module.run_command(["nft", "list", "table", "inet", table])[0] == 0
        if there:
            nft(module, away.removal(table))
        module.exit_json(changed=there)
    except OSError as error:
        module.fail_json(msg=f"The web hosts cannot be kept away: {error}")


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the firewall of each host, and what is open from outside."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_firewall
short_description: Whether firewalls drop by default, survive a boot, and let in what they should from outside
description:
  - C(pre.environment.firewall) is ticked by two looks. Neither changes anything.
  - On each host, with O(file), as root. The live nftables drop by default for IPv4 and IPv6 (input and forward), are those that
    O(file) makes of an empty machine, O(file) has O(sha256), and O(unit) is enabled and loads it at boot. The look returns what
    the scan needs.
  - On the controller, with O(hosts). Each address is scanned, over IPv4 and IPv6 where there is a way to it. Ports that O(rules)
    open for the controller's address answer, and no other does, be it open or refused. Scanned are the ports of the rules, those
    on which the host listens, well-known delicate ones, O(more_ports) and some at random.
extends_documentation_fragment: [look]
options:
  file:
    description: File of rules that is loaded at boot, on the host.
    type: path
  sha256:
    description: Its SHA-256, as the inventory makes it.
    type: str
  unit:
    description: Service that loads it.
    type: str
    default: nftables.service
  rules:
    description: What the host lets in, each with C(name), C(ports) and C(sources) (addresses and networks). Returned with RV(scan).
    type: list
    elements: dict
    default: []
  hosts:
    description: Address of each host, as this machine reaches it.
    type: dict
  seen:
    description: What the look on each host returned as RV(scan).
    type: dict
    default: {}
  more_ports:
    description: Ports to scan besides, such as 1-65535. The more, the longer it takes.
    type: list
    elements: str
    default: []
requirements: [nft and unshare on the host]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: The rules on each host
  check_firewall:
    file: /etc/nftables.conf
    sha256: "{{ lookup('ansible.builtin.template', 'nftables.conf.j2') | ansible.builtin.hash('sha256') }}"
    rules:
      - {name: web, ports: [80, 443], sources: ["0.0.0.0/0", "::/0"]}
  register: firewall

- name: What is open from outside
  check_firewall:
    hosts: {web-1: 192.0.2.10}
    seen: {web-1: "{{ firewall.scan }}"}
  delegate_to: localhost
"""

RETURN = r"""
assertions:
  description: The one for C(pre.environment.firewall), with item, status (passed, failed or unverifiable), summary, expected,
    observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
scan:
  description: What the host lets in (C(rules)), the ports on which it listens (C(listening)) and its IPv6 addresses (C(ipv6)).
  returned: with O(file)
  type: dict
"""

import hashlib
import random
import resource
import socket
import stat
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import firewall, systemd
from ansible.module_utils.tickbox.accessible import own_address
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with

ITEM = "pre.environment.firewall"
AT_RANDOM = 8


def command(module: AnsibleModule, *arguments: str) -> str:
    code, out, error = module.run_command(list(arguments))
    if code != 0:
        raise CouldNotLook(f"{' '.join(arguments)}: {error.strip() or code}")
    return str(out)


def on_host(module: AnsibleModule) -> Verdict:
    params = module.params
    path = Path(params["file"])
    live = firewall.read_rules(command(module, "nft", "-j", "list", "ruleset"))
    # In a network namespace of its own, which ends with the command, the file meets an empty machine, as at boot.
    apart = command(module, "unshare", "--net", "sh", "-c", 'nft -f "$1" && nft -j list ruleset', "sh", str(path))
    facts = path.stat()
    saved = firewall.Saved(
        str(path),
        hashlib.sha256(path.read_bytes()).hexdigest(),
        facts.st_uid,
        stat.S_IMODE(facts.st_mode),
        firewall.read_rules(apart),
    )
    units = systemd.show([params["unit"], *firewall.OTHER_LOADERS], firewall.PROPERTIES)
    return firewall.judge_host(live, saved, params["sha256"], params["rules"], units, params["unit"])


def for_the_scan(params: dict[str, Any]) -> dict[str, Any]:
    tables = {name: Path("/proc/net", name) for name in ("tcp", "tcp6", "if_inet6")}
    text = {name: path.read_text() if path.exists() else "" for name, path in tables.items()}
    return {
        "rules": params["rules"],
        "listening": firewall.listening([text["tcp"], text["tcp6"]]),
        "ipv6": firewall.global_addresses(text["if_inet6"]),
    }


def from_outside(params: dict[str, Any]) -> Verdict:
    more = ports(params["more_ports"])
    places: dict[str, tuple[str, str, dict[str, Any]]] = {}
    unasked = []
    for host, name in params["hosts"].items():
        seen = params["seen"].get(host) or {}
        if not seen.get("rules"):
            raise CouldNotLook(f"{host}: its rules are not known, as nobody looked at them")
        for address in dict.fromkeys([*resolve(str(name)), *seen.get("ipv6", [])]):
            source = firewall.source_for(address)
            if source and own_address(address):
                raise CouldNotLook(f"{address} is an address of the machine that asks: it does not show what is seen from outside")
            if source:
                places[address] = (host, source, seen)
            else:
                unasked.append(address)
    to_ask = {}
    for address, (_host, source, seen) in places.items():
        known = {*firewall.allowed(seen["rules"], source), *seen.get("listening", []), *firewall.DELICATE, *more}
        to_ask[address] = sorted(known | set(random.sample(range(1024, 65536), AT_RANDOM)))
    make_room(sum(len(asked) for asked in to_ask.values()))
    answers = firewall.scan(to_ask)
    scanned = [
        firewall.Scanned(host, address, source, seen["rules"], answers[address]) for address, (host, source, seen) in places.items()
    ]
    return firewall.judge_scan(scanned, unasked)


def ports(ranges: list[str]) -> set[int]:
    try:
        ends = [(int(first), int(last or first)) for first, _dash, last in (text.partition("-") for text in ranges)]
    except ValueError as error:
        raise CouldNotLook(f"more_ports: {error}") from None
    return {port for first, last in ends for port in range(max(first, 1), min(last, 65535) + 1)}


def make_room(sockets: int) -> None:
    """Each connection that is tried is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(sockets, firewall.AT_ONCE) + 100
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise CouldNotLook(f"{wanted} connections cannot be tried at once: at most {hard} files may be open here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def resolve(name: str) -> list[str]:
    try:
        return list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)))
    except (OSError, UnicodeError) as error:
        raise CouldNotLook(f"{name} has no address: {error}") from None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "file": {"type": "path"},
            "sha256": {"type": "str"},
            "unit": {"type": "str", "default": "nftables.service"},
            "rules": {"type": "list", "elements": "dict", "default": []},
            "hosts": {"type": "dict"},
            "seen": {"type": "dict", "default": {}},
            "more_ports": {"type": "list", "elements": "str", "default": []},
            "report_only": {"type": "bool", "default": False},
        },
        required_together=[("file", "sha256")],
        required_one_of=[("file", "hosts")],
        mutually_exclusive=[("file", "hosts")],
        supports_check_mode=True,
    )
    if module.params["hosts"] is not None:
        exit_with(module, [examine(ITEM, lambda: from_outside(module.params))])
    exit_with(module, [examine(ITEM, lambda: on_host(module))], scan=for_the_scan(module.params))


if __name__ == "__main__":
    main()

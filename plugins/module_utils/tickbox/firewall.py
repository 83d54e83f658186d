# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges a host's firewall: nftables as live, as saved and as loaded at boot, and what a scan from outside met."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import json
import re
import socket
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .assertion import CouldNotLook, Verdict, listed, verdict

OPEN, REFUSED, SILENT = "open", "refused", "silent"
AT_ONCE = 4000  # connections that are tried together
WAIT = 1.5  # seconds for an answer: the kernel has sent a lost first packet again by then
# Asked even where nothing is known to listen: remote shells, databases, caches, consoles, exporters.
DELICATE = (
    *(21, 23, 25, 53, 111, 139, 389, 445, 873, 2049, 2375, 2376, 2379, 3000, 3306, 3389, 4369, 5000, 5432, 5601, 5672, 5900, 6000),
    *(6379, 6380, 6443, 7000, 8000, 8008, 8080, 8081, 8086, 8443, 8888, 9000, 9042, 9090, 9091, 9093, 9094, 9095, 9100, 9113, 9115),
    *(9121, 9187, 9200, 9300, 10250, 11211, 15672, 16379, 26379, 27017),
)
# Databases, caches and the consoles of containers: open to the world, whatever the inventory says, they are a mistake.
NEVER_TO_THE_WORLD = {2375, 2376, 2379, 3306, 5432, 5672, 6379, 6380, 9042, 9200, 9300, 10250, 11211, 16379, 26379, 27017}
WORLD = 8  # bits: a network this large is the world
# Other services that load or change rules when the host boots.
OTHER_LOADERS = ("ufw.service", "firewalld.service", "netfilter-persistent.service", "ferm.service", "shorewall.service")
ENABLED = {"enabled", "enabled-runtime"}
PROPERTIES = ("LoadState", "ActiveState", "Result", "UnitFileState", "ExecStart", "NeedDaemonReload")
LISTEN_STATE, GLOBAL_SCOPE = "0A", "00"
INET6_FIELDS = 6  # of a line in /proc/net/if_inet6

Rules = list[dict[str, Any]]


@dataclass(frozen=True)
class Saved:
    """The file of rules: its path, SHA-256, owner and mode, and what it makes of an empty machine."""

    path: str
    sha256: str
    owner: int
    mode: int
    rules: Rules


@dataclass(frozen=True)
class Scanned:
    """One address of one host, asked from ``source``; ``ports``: what each answered. ``rules``: what is let in there."""

    host: str
    address: str
    source: str
    rules: Sequence[Mapping[str, Any]]
    ports: Mapping[int, str]


def read_rules(text: str) -> Rules:
    """Read ``nft -j list ruleset`` without what differs between two loads of the same rules: handles, counts, learnt elements."""
    try:
        found = [_plain(entry) for entry in json.loads(text)["nftables"] if "metainfo" not in entry]
        if all(_known_form(entry) for entry in found):
            return found
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise CouldNotLook("nft does not list its rules in a form that can be read")


def judge_host(
    live: Rules,
    saved: Saved,
    sha256: str,
    rules: Sequence[Mapping[str, Any]],
    units: Mapping[str, Mapping[str, str]],
    unit: str,
) -> Verdict:
    """pre.environment.firewall on a host.

    The live rules drop by default, are those that ``saved`` makes, which is the file that is meant (``sha256``) and that
    ``unit`` loads at boot. ``rules`` say what is meant to be open.
    """
    problems = [*_policy_problems(live), *_difference(live, saved), *_open_to_the_world(rules)]
    if saved.sha256 != sha256:
        problems.append(f"{saved.path} is not what the inventory says: provision the host again, or see what was edited")
    if saved.owner != 0 or saved.mode & (stat.S_IWGRP | stat.S_IWOTH):
        problems.append(f"{saved.path} may be written by others than root (owner {saved.owner}, mode {saved.mode:04o})")
    problems += _boot_problems(units.get(unit, {}), unit, saved.path)
    problems += [
        f"{other} changes the rules at boot as well"
        for other, properties in units.items()
        if other != unit and properties.get("UnitFileState") in ENABLED
    ]
    count = sum("rule" in entry for entry in live)
    return verdict(
        problems,
        f"IPv4 and IPv6 drop by default; the {count} live rules are those of {saved.path}, which {unit} loads at boot",
        expected={"sha256": sha256, "policy": "drop"},
        observed={"sha256": saved.sha256, "rules": count, "saved_rules": sum("rule" in entry for entry in saved.rules)},
        evidence={"units": {name: dict(properties) for name, properties in units.items()}},
    )


def judge_scan(scanned: Sequence[Scanned], unasked: Sequence[str]) -> Verdict:
    """pre.environment.firewall from outside: what is let in answers, nothing else does. ``unasked``: addresses without a way."""
    problems = [] if scanned else ["no address was asked"]
    for entry in scanned:
        problems += [f"{entry.host} at {entry.address}: {problem}" for problem in _port_problems(entry)]
    found = {port for entry in scanned for port, state in entry.ports.items() if state == OPEN}
    asked = max((len(entry.ports) for entry in scanned), default=0)
    places = listed(f"{entry.host} ({entry.address})" for entry in scanned)
    notes = f"; not reachable from here, so judged by its rules alone: {listed(unasked)}" if unasked else ""
    return verdict(
        problems,
        f"open at {places}: {', '.join(str(port) for port in sorted(found))}; the others of {asked} ports do not answer{notes}",
        expected={f"{entry.host} {entry.address}": sorted(allowed(entry.rules, entry.source)) for entry in scanned},
        observed={
            f"{entry.host} {entry.address}": sorted(port for port, state in entry.ports.items() if state == OPEN)
            for entry in scanned
        },
        evidence={entry.address: {"asked_from": entry.source, "ports": sorted(entry.ports)} for entry in scanned},
    )


def allowed(rules: Sequence[Mapping[str, Any]], source: str) -> dict[int, str]:
    """The ports that the rules open for ``source``, each with the name of its rule."""
    try:
        address = ipaddress.ip_address(source)
        return {
            int(port): str(rule["name"])
            for rule in rules
            if any(address in ipaddress.ip_network(network, strict=False) for network in rule["sources"])
            for port in rule["ports"]
        }
    except (ValueError, KeyError, TypeError) as error:
        raise CouldNotLook(f"the rules of the inventory cannot be read: {error}") from None


def listening(tables: Sequence[str]) -> list[int]:
    """The TCP ports on which something listens beyond the loopback, out of /proc/net/tcp and tcp6."""
    ports = set()
    for line in "\n".join(tables).splitlines():
        fields = line.split()
        if ":" in "".join(fields[1:2]) and fields[3:4] == [LISTEN_STATE]:
            address, port = fields[1].split(":")
            # Words of the kernel's own byte order: the loopback's last byte comes first.
            if address not in {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}:
                ports.add(int(port, 16))
    return sorted(ports)


def global_addresses(table: str) -> list[str]:
    """The IPv6 addresses of the host that others may reach, out of /proc/net/if_inet6."""
    found = [fields for line in table.splitlines() if len(fields := line.split()) == INET6_FIELDS]
    return sorted(str(ipaddress.IPv6Address(int(fields[0], 16))) for fields in found if fields[3] == GLOBAL_SCOPE)


def source_for(address: str) -> str:
    """The address from which this machine would ask ``address``; empty where there is no way to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:  # sends nothing
        try:
            probe.connect((address, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def scan(places: Mapping[str, Sequence[int]]) -> dict[str, dict[int, str]]:
    """Try to connect to each port of each address, and say what each did: open, refused, silent, or an error."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def connect(address: str, port: int) -> tuple[str, int, str]:
        async with turns:
            return address, port, await reach(address, port)

    async def reach(address: str, port: int) -> str:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as tried:
            tried.setblocking(False)
            try:
                await asyncio.wait_for(asyncio.get_running_loop().sock_connect(tried, (address, port)), WAIT)
            except TimeoutError:
                return SILENT
            except ConnectionRefusedError:
                return REFUSED
            except OSError as error:
                return errno.errorcode.get(error.errno or 0, str(error))
            return OPEN

    async def everything() -> list[tuple[str, int, str]]:
        return await asyncio.gather(*(connect(address, port) for address, ports in places.items() for port in ports))

    found: dict[str, dict[int, str]] = {address: {} for address in places}
    for address, port, state in asyncio.run(everything()):
        found[address][port] = state
    return found


def _port_problems(entry: Scanned) -> list[str]:
    problems = []
    let_in = allowed(entry.rules, entry.source)
    for port, name in let_in.items():
        state = entry.ports.get(port)
        if state != OPEN:
            problems.append(f"port {port} ({name}) is let in, but {state or 'was not asked'}")
    others = {port: state for port, state in entry.ports.items() if port not in let_in}
    for state, what in (
        (OPEN, "open, and no rule says so"),
        (REFUSED, "refused instead of dropped, so the firewall lets them pass"),
    ):
        ports = [port for port, seen in others.items() if seen == state]
        if ports:
            problems.append(f"port {listed((str(port) for port in ports), 8)}: {what}")
    return problems


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        plain = {key: _plain(entry) for key, entry in value.items() if key not in {"handle", "index"}}
        if isinstance(plain.get("counter"), dict):
            plain["counter"] = "counted"
        if isinstance(plain.get("set"), dict) and {"dynamic", "timeout"} & set(plain["set"].get("flags", [])):
            plain["set"].pop("elem", None)
        if isinstance(plain.get("set"), list):  # anonymous: its order is the kernel's affair
            plain["set"] = sorted(plain["set"], key=lambda entry: json.dumps(entry, sort_keys=True))
        return plain
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value


def _known_form(entry: Any) -> bool:
    """One kind of thing with its facts; those that are judged by name are texts, and a rule's expressions are a list."""
    if not isinstance(entry, dict) or len(entry) != 1:
        return False
    (facts,) = entry.values()
    names = ("family", "table", "chain", "name", "hook", "policy")
    return (
        isinstance(facts, dict)
        and all(isinstance(facts[name], str) for name in names if name in facts)
        and isinstance(facts.get("expr", []), list)
    )


def _policy_problems(live: Rules) -> list[str]:
    problems = []
    chains = [entry["chain"] for entry in live if "chain" in entry]
    for hook in ("input", "forward"):
        for family, name in (("ip", "IPv4"), ("ip6", "IPv6")):
            at_hook = [chain for chain in chains if chain.get("hook") == hook and chain.get("family") in {family, "inet"}]
            dropping = [chain for chain in at_hook if chain.get("policy") == "drop"]
            if not at_hook:
                problems.append(f"no chain filters what {name} has for {hook}")
            elif not dropping:
                problems.append(f"the policy for {name} {hook} is {at_hook[0].get('policy') or 'accept'}, not drop")
            elif all(_lets_everything_in(live, chain) for chain in dropping):
                problems.append(f"a rule without a condition accepts all {name} {hook}")
    return problems


def _open_to_the_world(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"port {port} ({allowed(rules, source)[port]}) is meant to be open to {network}"
        for network in sorted({str(network) for rule in rules for network in rule.get("sources", [])})
        for source in [network.partition("/")[0]]
        if "/" in network and int(network.partition("/")[2]) < WORLD
        for port in sorted(NEVER_TO_THE_WORLD & set(allowed(rules, source)))
    ]


def _lets_everything_in(live: Rules, chain: Mapping[str, Any]) -> bool:
    place = (chain.get("family"), chain.get("table"), chain.get("name"))
    rules = [entry["rule"] for entry in live if "rule" in entry]
    for rule in rules:
        if (rule.get("family"), rule.get("table"), rule.get("chain")) == place:
            words = [key for expression in rule.get("expr", []) if isinstance(expression, dict) for key in expression]
            if "accept" in words and not set(words) - {"accept", "counter", "log"}:
                return True
    return False


def _difference(live: Rules, saved: Saved) -> list[str]:
    if live == saved.rules:
        return []
    kept, found = ([json.dumps(entry, sort_keys=True) for entry in rules] for rules in (saved.rules, live))
    problems = []
    for these, others, where in ((live, kept, "live and not saved"), (saved.rules, found, "saved and not live")):
        only = [_name(entry) for entry in these if json.dumps(entry, sort_keys=True) not in others]
        if only:
            problems.append(f"{where} in {saved.path}: {listed(only, 3)}")
    return problems or [f"the live rules have another order or number than those of {saved.path}"]


def _name(entry: Mapping[str, Any]) -> str:
    ((kind, facts),) = entry.items()
    place = " ".join(str(facts[key]) for key in ("family", "table", "chain", "name") if key in facts)
    said = facts.get("comment") or (f"policy {facts['policy']}" if "policy" in facts else "")
    ports = re.search(r'"field": "dport".*?"right": ("?[0-9]+|\{[^}]*\})', json.dumps(facts))
    return " ".join(part for part in (kind, place, said, f"port {ports.group(1)}" if ports else "") if part)


def _boot_problems(properties: Mapping[str, str], unit: str, path: str) -> list[str]:
    if properties.get("LoadState") != "loaded":
        return [f"{unit} is {properties.get('LoadState') or 'unknown'}, so nothing loads the rules at boot"]
    problems = []
    if properties.get("UnitFileState") != "enabled":
        problems.append(f"{unit} is {properties.get('UnitFileState') or 'not enabled'}, so nothing loads the rules at boot")
    if properties.get("ActiveState") != "active" or properties.get("Result") != "success":
        problems.append(f"{unit} is {properties.get('ActiveState')} ({properties.get('Result')})")
    if not re.search(rf"argv\[\]=\S*nft (-\S+ )*(-f|--file) {re.escape(path)} *;", properties.get("ExecStart", "")):
        problems.append(f"{unit} does not load {path}")
    if properties.get("NeedDaemonReload") == "yes":
        problems.append(f"the unit file of {unit} changed without a daemon-reload")
    return problems

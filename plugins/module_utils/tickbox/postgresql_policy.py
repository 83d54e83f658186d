# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges a PostgreSQL server: settings as they should be, live and in its files, and nobody let in without proof."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .assertion import Verdict, listed, verdict
from .sizes import shown

# What data must not be trusted to a server without.
SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "track_counts": "on",  # autovacuum works by them
    "data_checksums": "on",
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
    "ignore_invalid_pages": "off",
    "ignore_system_indexes": "off",
    "default_transaction_read_only": "off",
    "allow_system_table_mods": "off",
}
COMMITS = ("on", "local", "remote_write", "remote_apply")  # synchronous_commit: with any of them the log is on the disk first
PROVES = ("scram-sha-256", "cert", "gss", "reject")  # how a client on a network may prove who it is
LOCAL_PROVES = ("peer", "scram-sha-256", "reject")
# PostgreSQL's documentation gives a quarter of the memory as a start and more than 40 % as of no use; a server that shares its
# host has half of it to plan with.
BUFFERS = (1 / 16, 0.4)
FREEZE = 1.5  # times autovacuum_freeze_max_age: a database that old shows that autovacuum does not keep up

BYTES = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
UNITS = {**BYTES, **MILLISECONDS}
BOOLEANS = {"on": "on", "true": "on", "yes": "on", "1": "on", "off": "off", "false": "off", "no": "off", "0": "off"}


@dataclass(frozen=True)
class Setting:
    """A setting as it is live: its value in ``unit`` (empty: none), and what kind of value that is."""

    value: str
    unit: str
    kind: str
    pending: bool = False

    def comparable(self, text: str, unit: str = "") -> str | float:
        """``text`` so that two ways of writing one value are equal. A number without a unit is in ``unit``."""
        text = text.strip()
        if self.kind == "bool":
            return BOOLEANS.get(text.lower(), text)
        if self.kind in {"integer", "real"}:
            found = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*([A-Za-z]*)", text, re.ASCII)
            factor = _factor(found[2] or unit) if found else None
            if found and factor is not None:
                return float(found[1]) * factor
        return text.lower() if self.kind == "enum" else text

    @property
    def number(self) -> float:
        """The live value in bytes, milliseconds or as it is; 0 for what is no number."""
        value = self.comparable(self.value, self.unit)
        return value if isinstance(value, float) else 0.0

    def equals(self, text: str) -> bool:
        return self.comparable(self.value, self.unit) == self.comparable(text, self.unit)


@dataclass(frozen=True)
class Rule:
    """A line of pg_hba.conf as the server reads it."""

    line: int
    kind: str
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str
    netmask: str
    method: str
    error: str = ""


@dataclass(frozen=True)
class Server:
    """What a server says of itself.

    written: the value that the files give a setting, by its name. stale: files changed since they were loaded.
    overrides: who has another value of a setting: role and database (either may be empty), name, value. neglected: tables that
    autovacuum passes by. limits: connections allowed to a role or database, by its name. held: connections that roles hold now.
    """

    settings: Mapping[str, Setting]
    written: Mapping[str, str]
    errors: Sequence[str]
    stale: Sequence[str]
    rules: Sequence[Rule]
    maps: Sequence[tuple[str, str]]
    overrides: Sequence[tuple[str, str, str, str]]
    neglected: Sequence[str]
    superusers: frozenset[str]
    limits: Mapping[str, int]
    held: Mapping[str, int]
    memory: int
    age: int
    checksum_failures: int = 0
    launcher: bool = True
    standby: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


def judge_database(
    seen: Server, *, policy: Mapping[str, str], connections: int, spare: int, clients: Sequence[str], names: Sequence[str]
) -> Verdict:
    """pre.environment.database: the policy is live and in the files, safe, sized for the host, and open to no stranger.

    connections: what the application opens at most. spare: connections for others. clients: networks that may be let in.
    names: the application's roles and databases.
    """
    wanted = {**SAFE, **policy}
    problems = ["the server is a standby, which takes no writes"] if seen.standby else []
    problems += list(seen.errors)
    problems += _setting_problems(seen, wanted)
    problems += [f"{path} has changed since the server loaded it" for path in seen.stale]
    problems += [problem for rule in seen.rules for problem in _rule_problems(rule, clients)]
    if not seen.rules:
        problems.append("pg_hba.conf has no rule")
    problems += [
        f"pg_ident.conf lets any system user that fits {system} be {role}"
        for system, role in seen.maps
        if system.startswith("/") or role in {"all", ""} or role.startswith(("/", "+"))
    ]
    if mighty := seen.superusers & set(names):
        problems.append(f"the application's role {listed(mighty)} is a superuser")
    problems += _upkeep_problems(seen)
    problems += _size_problems(seen, policy)
    problems += _connection_problems(seen, connections, spare, names)
    return verdict(
        problems,
        f"{len(wanted)} settings as they should be, live and in the files; {len(seen.rules)} rules of access; "
        f"shared_buffers {shown(_number(seen, 'shared_buffers'))} of {shown(seen.memory)}; "
        f"{_number(seen, 'max_connections'):.0f} connections for {connections + spare} needed",
        expected={**wanted, "connections": connections + spare, "clients": list(clients)},
        observed={
            **{
                name: _shown(seen.settings[name])
                for name in (*wanted, "max_connections", "shared_buffers")
                if name in seen.settings
            },
            "memory": seen.memory,
        },
        evidence={"rules": [vars(rule) for rule in seen.rules], "connections_held": dict(seen.held), **seen.extra},
    )


def _setting_problems(seen: Server, wanted: Mapping[str, str]) -> Iterator[str]:
    for name, setting in seen.settings.items():
        if setting.pending:
            yield f"{name} waits for a restart: {_shown(setting)} is live, the files say {seen.written.get(name, 'its default')}"
    for name, value in wanted.items():
        live = seen.settings.get(name)
        if live is None:
            yield f"{name} is no setting of this server"
        elif not live.equals(value):
            yield f"{name} is {_shown(live)}, not {value}"
    if (commit := seen.settings.get("synchronous_commit")) and commit.value not in COMMITS:
        yield f"synchronous_commit is {commit.value}: commits may be lost"
    for name in {*wanted, "synchronous_commit", "max_connections", "shared_buffers"} & seen.written.keys() & seen.settings.keys():
        live, written = seen.settings[name], seen.written[name]
        if not live.pending and not live.equals(written):
            yield f"{name} is {_shown(live)} live, but {written} in the files"
    watched = {*wanted, "synchronous_commit"}
    for role, database, name, value in seen.overrides:
        overridden = seen.settings.get(name)
        if name in watched and overridden and not overridden.equals(value):
            who = " in ".join(part for part in (role and f"role {role}", database and f"database {database}") if part)
            yield f"{name} is {value} for {who or 'everybody'}"


def _rule_problems(rule: Rule, clients: Sequence[str]) -> Iterator[str]:
    place = f"pg_hba.conf line {rule.line}"
    if rule.error:
        yield f"{place}: {rule.error}"
        return
    who = f"{','.join(rule.users)} on {','.join(rule.databases)} from {rule.address or 'this host'}"
    if rule.kind == "local":
        if rule.method not in LOCAL_PROVES:
            yield f"{place} lets {who} in by {rule.method}"
        return
    if rule.method not in PROVES:
        yield f"{place} lets {who} in by {rule.method}"
    if rule.method == "reject":
        return
    network = _network(rule)
    if network is None and rule.address not in clients:
        yield f"{place} lets {who} in, which is no address that can be compared"
    elif network is not None and not _within(network, clients):
        yield f"{place} lets {who} in, which is beyond {listed(clients) or 'this host'}"
    if (network is None or not network.is_loopback) and rule.kind in {"host", "hostnossl", "hostnogssenc"}:
        yield f"{place} lets {who} in without encryption"


def _network(rule: Rule) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(f"{rule.address}/{_bits(rule.netmask)}" if rule.netmask else rule.address, strict=False)
    except ValueError:
        return None  # a name, samehost, samenet, all


def _bits(netmask: str) -> int:
    return bin(int(ipaddress.ip_address(netmask))).count("1")


def _within(network: ipaddress.IPv4Network | ipaddress.IPv6Network, clients: Sequence[str]) -> bool:
    if network.is_loopback:
        return True
    allowed = [ipaddress.ip_network(client, strict=False) for client in clients]
    return any(network.version == client.version and network.subnet_of(client) for client in allowed)  # type: ignore[arg-type]


def _upkeep_problems(seen: Server) -> Iterator[str]:
    if not seen.launcher:
        yield "no autovacuum launcher runs"
    if seen.neglected:
        yield f"autovacuum is off for {listed(seen.neglected)}"
    if seen.checksum_failures:
        yield f"{seen.checksum_failures} data pages had a wrong checksum"
    if (most := _number(seen, "autovacuum_freeze_max_age")) and seen.age > FREEZE * most:
        yield f"the oldest transaction is {seen.age} behind: autovacuum does not keep up"


def _size_problems(seen: Server, policy: Mapping[str, str]) -> Iterator[str]:
    buffers, cache = _number(seen, "shared_buffers"), _number(seen, "effective_cache_size")
    least, most = (share * seen.memory for share in BUFFERS)
    if "shared_buffers" not in policy and not least <= buffers <= most:
        yield f"shared_buffers is {shown(buffers)}, not between {shown(least)} and {shown(most)} of {shown(seen.memory)}"
    if cache < buffers:
        yield f"effective_cache_size ({shown(cache)}) is less than shared_buffers ({shown(buffers)})"
    needed = buffers + _number(seen, "max_connections") * _number(seen, "work_mem")
    if needed > seen.memory:
        yield f"shared_buffers and one work_mem for each connection come to {shown(needed)} of {shown(seen.memory)}"


def _connection_problems(seen: Server, connections: int, spare: int, names: Sequence[str]) -> Iterator[str]:
    reserved = _number(seen, "superuser_reserved_connections") + _number(seen, "reserved_connections")
    there = _number(seen, "max_connections") - reserved
    if there < connections + spare:
        yield f"{there:.0f} connections for all but superusers, {connections} needed by the application and {spare} by others"
    for name, limit in seen.limits.items():
        if name in names and 0 <= limit < connections:
            yield f"{name} is allowed {limit} connections, {connections} needed"
    held = sum(count for role, count in seen.held.items() if role in names)
    if held > connections:
        yield f"the application holds {held} connections, more than the {connections} that it is said to need"


def _factor(unit: str) -> float | None:
    """What a unit comes to, ``8kB`` as well."""
    found = re.fullmatch(r"(\d*)([A-Za-z]*)", unit, re.ASCII)
    if not found or (found[2] and found[2] not in UNITS):
        return None
    return float(found[1] or 1) * UNITS.get(found[2], 1)


def _number(seen: Server, name: str) -> float:
    return seen.settings[name].number if name in seen.settings else 0.0


def _shown(setting: Setting) -> str:
    if setting.unit in {*BYTES, "8kB"} and setting.number > 0:
        return shown(setting.number)
    return f"{setting.value}{' ' + setting.unit if setting.unit else ''}"

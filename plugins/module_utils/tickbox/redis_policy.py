# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges a Redis server as a cache: bounded, evicting, closed to strangers, and so after a restart as well."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .assertion import Verdict, listed, verdict
from .sizes import shown

# Settings that differ where a server is started apart from the one of the file.
APART = frozenset(
    {
        "port",
        "tls-port",
        "unixsocket",
        "unixsocketperm",
        "dir",
        "save",
        "appendonly",
        "pidfile",
        "logfile",
        "daemonize",
        "supervised",
    }
)
SECRET = frozenset({"requirepass", "masterauth", "tls-key-file-pass", "tls-client-key-file-pass"})
# Memory beside the data: the server's own, connections, the copy that is written while a snapshot is saved.
OVERHEAD = 1.25


@dataclass(frozen=True)
class Server:
    """What a server says of itself, and what one started from its file says.

    live, filed: settings. live_users, filed_users: what each user may, by name, as ACL LIST has it after the name.
    file: the configuration file that the server says it was started with. enabled: whether its unit comes back at boot.
    listens: addresses on which its process takes connections. open_to: what an address lets a stranger do.
    accepts: why the application's user may not write now; empty where it may. evicted, refused: what a write past the limit did.
    keys, expiring: how many keys there are, and how many of them expire. stopped: why no server starts from the file; empty where
    one does.
    """

    live: Mapping[str, str]
    filed: Mapping[str, str]
    live_users: Mapping[str, str]
    filed_users: Mapping[str, str]
    file: str
    enabled: str
    listens: Sequence[str]
    open_to: Mapping[str, str]
    accepts: str
    evicted: int
    refused: str
    memory: int
    used: int
    keys: int = 0
    expiring: int = 0
    version: str = ""
    stopped: str = ""


def read_users(lines: Sequence[str]) -> dict[str, str]:
    """Read ACL LIST: ``user <name> <rules>`` a line.

    A server writes single commands in an order of its own making: between two categories they are put in theirs.
    """
    users = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        name, _, rules = rest.partition(" ")
        if word == "user" and name:
            ordered: list[str] = []
            run: list[str] = []
            for rule in rules.split():
                if rule[1:2] == "@":
                    ordered += [*sorted(run), rule]
                    run = []
                else:
                    run.append(rule)
            users[name] = " ".join([*ordered, *sorted(run)])
    return users


def listening(tables: Sequence[str], sockets: set[str]) -> list[str]:
    """Read /proc/net/tcp and tcp6: the addresses where one of the ``sockets`` (inodes) takes connections."""
    found = set()
    for line in "\n".join(tables).splitlines():
        parts = line.split()
        if len(parts) > 9 and parts[3] == "0A" and parts[9] in sockets:  # noqa: PLR2004 - state LISTEN; the tenth is the inode
            found.add(_address(parts[1]))
    return sorted(found)


def judge_redis(seen: Server, *, file: str, policy: str, maxmemory: int, addresses: Sequence[str]) -> Verdict:
    """pre.environment.redis: a limit and an evicting policy, live and in the file, proved by a write past the limit.

    policy, maxmemory (bytes): what is wanted; empty or 0 for any that evicts. addresses: where it may listen.
    """
    problems = list(_limit_problems(seen, policy, maxmemory))
    if seen.file != file:
        problems.append(f"it was started with {seen.file or 'no file'}, not with {file}")
    if seen.stopped:
        problems.append(f"no server starts with {file}: {seen.stopped}")
    else:
        problems += _drift_problems(seen)
        problems += _eviction_problems(seen)
    problems += _access_problems(seen, addresses)
    if seen.enabled not in {"enabled", "static", "enabled-runtime"}:
        problems.append(f"its unit is {seen.enabled or 'unknown'}: it would not come back after a boot")
    if seen.accepts:
        problems.append(f"the application cannot write: {seen.accepts}")
    return verdict(
        problems,
        f"{shown(_number(seen.live, 'maxmemory'))} with {seen.live.get('maxmemory-policy')}, live and in the file; "
        f"{seen.evicted} values evicted by writes past a limit; listens on {listed(seen.listens)}, closed to strangers",
        expected={"file": file, "policy": policy, "maxmemory": maxmemory, "addresses": list(addresses)},
        observed={
            "maxmemory": seen.live.get("maxmemory"),
            "policy": seen.live.get("maxmemory-policy"),
            "listens": list(seen.listens),
            "used": seen.used,
            "version": seen.version,
            "memory": seen.memory,
        },
        evidence={"users": sorted(seen.live_users), "strangers": dict(seen.open_to)},
    )


def _limit_problems(seen: Server, policy: str, maxmemory: int) -> Iterator[str]:
    for place, settings in (("live", seen.live), ("in the file", seen.filed)):
        if place == "in the file" and seen.stopped:
            continue
        limit, eviction = _number(settings, "maxmemory"), settings.get("maxmemory-policy", "")
        if limit <= 0:
            yield f"{place} maxmemory is 0: nothing bounds it"
        elif maxmemory and limit != maxmemory:
            yield f"{place} maxmemory is {shown(limit)}, not {shown(maxmemory)}"
        if eviction in {"noeviction", ""}:
            yield f"{place} maxmemory-policy is {eviction or 'unknown'}: a full cache refuses writes"
        elif policy and eviction != policy:
            yield f"{place} maxmemory-policy is {eviction}, not {policy}"
    if (needed := _number(seen.live, "maxmemory") * OVERHEAD) > seen.memory:
        yield f"maxmemory needs {shown(needed)} with its overhead, and {shown(seen.memory)} are there"


def _drift_problems(seen: Server) -> Iterator[str]:
    for name in sorted((seen.live.keys() | seen.filed.keys()) - APART - {"maxmemory", "maxmemory-policy"}):
        live, filed = seen.live.get(name), seen.filed.get(name)
        if live != filed:
            yield f"{name} differs from the file" + ("" if name in SECRET else f": {live!r} live, {filed!r} there")
    other = {
        name for name in seen.live_users.keys() | seen.filed_users.keys() if seen.live_users.get(name) != seen.filed_users.get(name)
    }
    if other:
        yield f"users differ from the file: {listed(other)}"


def _eviction_problems(seen: Server) -> Iterator[str]:
    if seen.refused:
        yield f"a write past the limit fails: {seen.refused}"
    elif seen.evicted <= 0:
        yield "writes past the limit evicted nothing"
    if seen.live.get("maxmemory-policy", "").startswith("volatile") and seen.keys > seen.expiring:
        lasting = seen.keys - seen.expiring
        yield f"{seen.live['maxmemory-policy']} evicts only what expires, and {lasting} of {seen.keys} keys never do"


def _access_problems(seen: Server, addresses: Sequence[str]) -> Iterator[str]:
    for address in seen.listens:
        if address not in addresses:
            yield f"it listens on {address}, which is none of {listed(addresses)}"
    if missing := set(addresses) - set(seen.listens):
        yield f"it does not listen on {listed(missing)}"
    for address, answer in seen.open_to.items():
        if not answer.startswith(("NOAUTH", "NOPERM", "WRONGPASS")):
            yield f"a stranger at {address} is answered: {answer[:60]}"
    for name, rules in seen.live_users.items():
        if {"on", "nopass"} <= set(rules.split()):
            yield f"user {name} needs no password"


def _number(settings: Mapping[str, str], name: str) -> int:
    text = settings.get(name, "")
    return int(text) if text.isdecimal() else 0


def _address(text: str) -> str:
    """``0100007F:18EB`` of /proc/net/tcp as 127.0.0.1: words of four bytes, each in the machine's (little-endian) order."""
    digits = text.split(":", maxsplit=1)[0]
    try:
        raw = b"".join(bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8))
        return str(ipaddress.ip_address(raw))
    except ValueError:
        return text

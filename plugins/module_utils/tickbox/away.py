# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host of the application that web hosts are to leave alone: how new connections are refused, and who is still connected."""

from __future__ import annotations

import ipaddress
import json
import struct
from collections.abc import Collection, Iterable

ESTABLISHED = (1, 3)  # TCP_ESTABLISHED, TCP_SYN_RECV
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def ruleset(table: str, ports: Collection[int], addresses: Collection[Address], seconds: int) -> str:
    """Rules for nft that refuse new connections from ``addresses`` for so many seconds, and leave those alone that there are.

    Whoever is refused is told at once, before it has sent anything: nginx asks the next host then.
    """
    sets, rules = [], []
    for family, kind, version in (("ip", "ipv4_addr", 4), ("ip6", "ipv6_addr", 6)):
        if own := [str(address) for address in addresses if address.version == version]:
            sets.append(f"  set {family}_web {{ type {kind}; timeout {seconds}s; elements = {{ {', '.join(own)} }}; }}")
            where = f"{family} saddr @{family}_web tcp dport {{ {', '.join(map(str, ports))} }} ct state new"
            rules.append(f"    {where} counter reject with tcp reset")
    chain = ["  chain input {", "    type filter hook input priority filter - 10; policy accept;", *rules, "  }"]
    return "\n".join([f"table inet {table}", f"delete table inet {table}", f"table inet {table} {{", *sets, *chain, "}", ""])


def removal(table: str) -> str:
    """Rules for nft that take these away, also where there are none."""
    return f"table inet {table}\ndelete table inet {table}\n"


def refused(listing: str) -> int:
    """How many attempts the rules have refused, from what ``nft --json list table`` says."""
    rules = [entry["rule"]["expr"] for entry in json.loads(listing)["nftables"] if "rule" in entry]
    return sum(part["counter"]["packets"] for rule in rules for part in rule if "counter" in part)


def connected(tables: Iterable[str], ports: Collection[int], addresses: Collection[Address]) -> int:
    """How many connections from ``addresses`` to ``ports`` the kernel's tables (/proc/net/tcp, tcp6) have."""
    count = 0
    for entry in (line.split() for table in tables for line in table.splitlines()[1:]):
        (_, local), (remote, _) = (part.split(":") for part in entry[1:3])
        count += int(local, 16) in ports and int(entry[3], 16) in ESTABLISHED and _address(remote) in addresses
    return count


def _address(text: str) -> Address:
    """As the kernel writes it: words of four bytes, each in the order of this machine."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    found = ipaddress.ip_address(packed)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found

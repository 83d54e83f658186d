"""A host that is to be left alone: the rules that nft takes, and who is connected."""

import ipaddress
import json
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from ansible.module_utils.tickbox.away import Address, connected, refused, removal, ruleset

ONE, SIX = ipaddress.ip_address("10.0.0.2"), ipaddress.ip_address("fd00::2")


def test_rules_refuse_new_connections_of_web_hosts_alone() -> None:
    rules = ruleset("tickbox_shop_away", [8000, 8001], [ONE, SIX], 60)
    assert "set ip_web { type ipv4_addr; timeout 60s; elements = { 10.0.0.2 }; }" in rules
    assert "ip saddr @ip_web tcp dport { 8000, 8001 } ct state new counter reject with tcp reset" in rules
    assert "ip6 saddr @ip6_web tcp dport { 8000, 8001 } ct state new counter reject with tcp reset" in rules
    assert rules.startswith(removal("tickbox_shop_away"))
    assert "ip6" not in ruleset("tickbox_shop_away", [8000], [ONE], 60)


@pytest.mark.skipif(not shutil.which("nft"), reason="nft is not installed")
def test_nft_takes_the_rules() -> None:
    for rules in (ruleset("tickbox_shop_away", [8000, 8001], [ONE, SIX], 60), removal("tickbox_shop_away")):
        done = subprocess.run(["nft", "--check", "--file", "-"], input=rules, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or "Operation not permitted" in done.stderr, done.stderr


def test_attempts_are_counted() -> None:
    def rule(packets: int) -> dict[str, object]:
        return {"rule": {"expr": [{"match": {}}, {"counter": {"packets": packets, "bytes": 60}}, {"reject": {}}]}}

    listing = json.dumps({"nftables": [{"metainfo": {}}, {"table": {}}, {"chain": {}}, rule(3), rule(4)]})
    assert refused(listing) == 7


def test_who_is_connected_is_counted_by_address_and_port() -> None:
    loopback = ipaddress.ip_address("127.0.0.1")
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]

    def count(port: int, *addresses: Address) -> int:
        found: int = connected([path.read_text() for path in tables if path.exists()], [port, 1], addresses)
        return found

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert count(port, loopback) == 0
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            assert count(port, loopback) == 2
            assert count(port, ipaddress.IPv4Address("10.0.0.2")) == 0
        assert count(port, loopback) < 2


def test_addresses_as_the_kernel_writes_them() -> None:
    head = "  sl  local_address rem_address   st\n"
    four = head + "   0: 0200000A:1F40 0200000A:9C40 01\n   1: 0200000A:1F40 00000000:0000 0A\n"
    six = head + "   0: 000000FD000000000000000002000000:1F40 000000FD000000000000000002000000:9C40 01\n"
    mapped = head + "   0: 0000000000000000FFFF00000200000A:1F40 0000000000000000FFFF00000200000A:9C40 01\n"
    assert connected([four], [8000, 8001], [ONE]) == 1
    assert connected([six], [8000, 8001], [ipaddress.ip_address("fd00::2")]) == 1
    assert connected([mapped], [8000, 8001], [ONE]) == 1
    assert connected([four, six, mapped], [8001], [ONE]) == 0

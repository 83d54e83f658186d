"""Firewalls: the rules that are live, saved and loaded at boot, and a scan of real ports."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from ansible.module_utils.tickbox import firewall
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict
from hypothesis import given, settings
from hypothesis import strategies as st

UNIT, PATH, SHA = "nftables.service", "/etc/nftables.conf", "ab" * 32
LOADED = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "Result": "success",
    "UnitFileState": "enabled",
    "ExecStart": f"{{ path=/usr/sbin/nft ; argv[]=/usr/sbin/nft -f {PATH} ; ignore_errors=no ; start_time=[n/a] }}",
    "NeedDaemonReload": "no",
}
WEB = {"name": "web", "ports": [80, 443], "sources": ["0.0.0.0/0", "::/0"]}
CACHE = {"name": "Redis", "ports": [6379], "sources": ["10.0.0.5"]}


def chain(hook: str, policy: str | None = "drop", family: str = "inet") -> dict[str, Any]:
    facts = {"family": family, "table": "filter", "name": hook, "handle": 1, "type": "filter", "hook": hook, "prio": 0}
    return {"chain": {**facts, **({"policy": policy} if policy else {})}}


def rule(*expressions: dict[str, Any], where: str = "input", family: str = "inet", **facts: Any) -> dict[str, Any]:
    return {"rule": {"family": family, "table": "filter", "chain": where, "handle": 9, "expr": list(expressions), **facts}}


def port(number: int) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": number}}


ACCEPT: dict[str, Any] = {"accept": None}
TABLE = {"table": {"family": "inet", "name": "filter", "handle": 4}}
GOOD = [TABLE, chain("input"), rule(port(22), ACCEPT), rule(port(443), ACCEPT, comment="web"), chain("forward")]


def read(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = firewall.read_rules(json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, *entries]}))
    return rules


def judge(
    live: list[dict[str, Any]] = GOOD,
    saved: list[dict[str, Any]] | None = None,
    rules: list[dict[str, Any]] | None = None,
    unit: dict[str, str] | None = None,
    others: dict[str, dict[str, str]] | None = None,
    **facts: Any,
) -> Verdict:
    file = firewall.Saved(**{"path": PATH, "sha256": SHA, "owner": 0, "mode": 0o755, "rules": read(*(saved or live)), **facts})
    return firewall.judge_host(
        read(*live), file, SHA, rules or [WEB, CACHE], {UNIT: {**LOADED, **(unit or {})}, **(others or {})}, UNIT
    )


def test_a_firewall_that_is_well() -> None:
    seen = judge()
    assert seen.status == "passed", seen.summary
    assert "the 2 live rules are those of /etc/nftables.conf" in seen.summary
    # What differs between two loads of the same rules is no difference.
    counted = [TABLE, chain("input"), rule({"counter": {"packets": 7, "bytes": 900}}, port(22), ACCEPT), chain("forward")]
    again = json.loads(json.dumps(counted).replace('"packets": 7', '"packets": 0').replace('"handle": 9', '"handle": 2'))
    assert judge(counted, again).status == "passed"
    split = [TABLE, *(chain(hook, family=family) for hook in ("input", "forward") for family in ("ip", "ip6"))]
    assert judge(split).status == "passed"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"live": [TABLE, chain("input", "accept"), chain("forward")]}, "the policy for IPv6 input is accept, not drop"),
        ({"live": [TABLE, chain("input", None), chain("forward")]}, "the policy for IPv4 input is accept, not drop"),
        ({"live": [TABLE, chain("input"), chain("forward", "accept")]}, "the policy for IPv4 forward is accept, not drop"),
        ({"live": [chain("input", family="ip"), chain("forward")]}, "no chain filters what IPv6 has for input"),
        ({"live": [TABLE], "saved": GOOD}, "no chain filters what IPv4 has for input"),
        (
            {"live": [*GOOD, rule(port(6379), ACCEPT)], "saved": GOOD},
            "live and not saved in /etc/nftables.conf: rule inet filter input port 6379",
        ),
        (
            {"live": GOOD[:-2] + GOOD[-1:], "saved": GOOD},
            "saved and not live in /etc/nftables.conf: rule inet filter input web port 443",
        ),
        ({"live": [GOOD[0], GOOD[1], GOOD[3], GOOD[2], GOOD[4]], "saved": GOOD}, "another order or number"),
        ({"live": [*GOOD, GOOD[2]], "saved": GOOD}, "another order or number"),
        ({"live": [*GOOD, rule(ACCEPT)]}, "a rule without a condition accepts all IPv6 input"),
        (
            {"live": [*GOOD, rule({"counter": {"packets": 1, "bytes": 1}}, ACCEPT)]},
            "a rule without a condition accepts all IPv4 input",
        ),
        ({"live": [*GOOD, rule(port(6379), family="ip", table="nat")], "saved": GOOD}, "live and not saved"),
        ({"sha256": "cd" * 32}, "is not what the inventory says"),
        ({"owner": 1000}, "may be written by others than root"),
        ({"mode": 0o777}, "may be written by others than root"),
        ({"unit": {"UnitFileState": "disabled"}}, "nftables.service is disabled, so nothing loads the rules at boot"),
        ({"unit": {"UnitFileState": "enabled-runtime"}}, "nftables.service is enabled-runtime"),
        ({"unit": {"LoadState": "masked", "UnitFileState": "masked"}}, "nftables.service is masked"),
        ({"unit": {"LoadState": ""}}, "nftables.service is unknown"),
        ({"unit": {"ActiveState": "failed", "Result": "exit-code"}}, "nftables.service is failed (exit-code)"),
        ({"unit": {"ExecStart": LOADED["ExecStart"].replace(PATH, "/etc/other.conf")}}, "does not load /etc/nftables.conf"),
        ({"unit": {"ExecStart": LOADED["ExecStart"].replace("nft -f", "nft -c -f").replace("nft -c", "true")}}, "does not load"),
        ({"unit": {"NeedDaemonReload": "yes"}}, "without a daemon-reload"),
        ({"others": {"ufw.service": {"UnitFileState": "enabled"}}}, "ufw.service changes the rules at boot as well"),
        ({"rules": [WEB, {**CACHE, "sources": ["0.0.0.0/0"]}]}, "port 6379 (Redis) is meant to be open to 0.0.0.0/0"),
        ({"rules": [WEB, {**CACHE, "sources": ["::/0", "10.0.0.5"]}]}, "port 6379 (Redis) is meant to be open to ::/0"),
        ({"rules": [WEB, {**CACHE, "sources": ["0.0.0.0/1"]}]}, "port 6379 (Redis) is meant to be open to 0.0.0.0/1"),
    ],
)
def test_a_firewall_that_is_not_is_refused(given: dict[str, Any], says: str) -> None:
    seen = judge(**given)
    assert seen.status == "failed"
    assert says in seen.summary


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"nftables": 7}', '{"nftables": null}', "{" * 100000])
def test_rules_that_cannot_be_read(text: str) -> None:
    with pytest.raises(CouldNotLook):
        firewall.read_rules(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["chain", "rule", "set", "elem", "expr", "hook", "policy", "counter", "flags"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(entries=st.lists(JSON, max_size=4))
def test_whatever_nft_says_is_no_tick_without_its_chains(entries: list[Any]) -> None:
    try:
        live = firewall.read_rules(json.dumps({"nftables": entries}))
        file = firewall.Saved(PATH, SHA, 0, 0o755, [])
        assert firewall.judge_host(live, file, SHA, [WEB], {UNIT: LOADED}, UNIT).status == "failed"
    except CouldNotLook:
        pass


def scanned(rules: list[dict[str, Any]], source: str = "192.0.2.9", **ports: str) -> Verdict:
    seen = {int(name[1:]): state for name, state in ports.items()}
    return firewall.judge_scan([firewall.Scanned("web-1", "192.0.2.1", source, rules, seen)], [])


def test_a_scan_that_finds_what_is_meant() -> None:
    seen = scanned([WEB, CACHE], p80="open", p443="open", p6379="silent", p22="silent")
    assert (seen.status, "80, 443; the others of 4 ports do not answer" in seen.summary) == ("passed", True)
    assert scanned([WEB, CACHE], "10.0.0.5", p80="open", p443="open", p6379="open").status == "passed"
    assert (
        "fd00::1"
        in firewall.judge_scan([], ["fd00::1"]).summary
        + firewall.judge_scan(
            [firewall.Scanned("a", "192.0.2.1", "192.0.2.9", [WEB], {80: "open", 443: "open"})], ["fd00::1"]
        ).summary
    )


@pytest.mark.parametrize(
    ("ports", "says"),
    [
        ({"p80": "open", "p443": "open", "p6379": "open"}, "port 6379: open, and no rule says so"),
        ({"p80": "open", "p443": "open", "p9100": "refused"}, "port 9100: refused instead of dropped"),
        ({"p80": "open", "p443": "silent"}, "port 443 (web) is let in, but silent"),
        ({"p80": "refused", "p443": "open"}, "port 80 (web) is let in, but refused"),
        ({"p80": "open"}, "port 443 (web) is let in, but was not asked"),
    ],
)
def test_a_scan_that_finds_something_else(ports: dict[str, str], says: str) -> None:
    seen = scanned([WEB, CACHE], **ports)
    assert seen.status == "failed"
    assert says in seen.summary


def test_nothing_scanned_is_no_tick() -> None:
    assert firewall.judge_scan([], []).status == "failed"


@pytest.mark.parametrize(
    "rules", [[{"name": "x", "ports": ["http"], "sources": ["::/0"]}], [{"ports": [1]}], [{"name": "x", "sources": ["web"]}]]
)
def test_rules_of_an_inventory_that_cannot_be_read(rules: list[dict[str, Any]]) -> None:
    with pytest.raises(CouldNotLook):
        firewall.allowed(rules, "::1")


@pytest.fixture
def ports() -> Iterator[Callable[[str], int]]:
    with ExitStack() as opened:

        def listen(address: str) -> int:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            server = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
            server.bind((address, 0))
            server.listen()
            return int(server.getsockname()[1])

        yield listen


def test_real_ports(ports: Callable[[str], int]) -> None:
    open_port, other = ports("127.0.0.1"), ports("0.0.0.0")  # noqa: S104
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refused = closed.getsockname()[1]
        seen = firewall.scan({"127.0.0.1": [open_port, refused], "::1": []})
    assert seen == {"127.0.0.1": {open_port: "open", refused: "refused"}, "::1": {}}
    with open("/proc/net/tcp") as table:  # noqa: PTH123
        found = firewall.listening([table.read()])
    assert (other in found, open_port in found) == (True, False)


def test_addresses_of_a_host() -> None:
    table = (
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "fe80000000000000000000000000fffe 02 40 20 80     eth0\n"
        "20010db8000000000000000000000001 02 40 00 80     eth0\n"
    )
    assert firewall.global_addresses(table) == ["2001:db8::1"]
    assert firewall.global_addresses("") == []


def test_only_the_outside_counts(run_module: Callable[..., dict[str, Any]]) -> None:
    result = run_module("check_firewall", hosts={"web": "127.0.0.1"}, seen={"web": {"rules": [WEB]}}, report_only=True)
    assert "does not show what is seen from outside" in result["assertions"][0]["summary"]
    unseen: list[dict[str, Any]] = [{}, {"web": None}, {"web": {"rules": []}}]
    for seen in unseen:
        result = run_module("check_firewall", hosts={"web": "192.0.2.1"}, seen=seen, report_only=True)
        assert result["assertions"][0]["status"] == "unverifiable"
        assert "its rules are not known" in result["assertions"][0]["summary"]
    result = run_module("check_firewall", hosts={}, more_ports=["http"], report_only=True)
    assert result["assertions"][0]["status"] == "unverifiable"

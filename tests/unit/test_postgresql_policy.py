"""PostgreSQL servers: settings and rules of access with which no deployment begins."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import Verdict
from ansible.module_utils.tickbox.postgresql_policy import SAFE, Rule, Server, Setting, judge_database
from hypothesis import given, settings
from hypothesis import strategies as st

ANY = "0.0.0.0"  # noqa: S104 - an address in a rule of access
SETTINGS = {
    **{name: Setting(value, "", "bool") for name, value in SAFE.items()},
    "synchronous_commit": Setting("on", "", "enum"),
    "max_connections": Setting("100", "", "integer"),
    "superuser_reserved_connections": Setting("3", "", "integer"),
    "shared_buffers": Setting("131072", "8kB", "integer"),
    "effective_cache_size": Setting("393216", "8kB", "integer"),
    "work_mem": Setting("4096", "kB", "integer"),
    "autovacuum_freeze_max_age": Setting("200000000", "", "integer"),
    "listen_addresses": Setting("127.0.0.1", "", "string"),
    "log_min_duration_statement": Setting("1000", "ms", "integer"),
}
LOCAL = Rule(1, "local", ("all",), ("postgres",), "", "", "peer")
LOOPBACK = Rule(2, "host", ("shop",), ("shop",), "127.0.0.1", "255.255.255.255", "scram-sha-256")
INNER = Rule(3, "hostssl", ("shop",), ("shop",), "10.0.0.7", "255.255.255.255", "scram-sha-256")
SERVER = Server(
    settings=SETTINGS,
    written={"shared_buffers": "1GB", "fsync": "true", "log_min_duration_statement": "1s"},
    errors=[],
    stale=[],
    rules=[LOCAL, LOOPBACK, INNER],
    maps=[("postgres", "postgres")],
    overrides=[("shop", "", "statement_timeout", "5s")],
    neglected=[],
    superusers=frozenset({"postgres"}),
    limits={"monitor": 2},
    held={"shop": 12, "monitor": 1},
    memory=4 * 1024**3,
    age=1000,
)


def judge(seen: Server = SERVER, **policy: str) -> Verdict:
    given = {"listen_addresses": "127.0.0.1", "log_min_duration_statement": "1s", **policy}
    return judge_database(seen, policy=given, connections=60, spare=10, clients=["10.0.0.7/32"], names=["shop", "shop_owner"])


def changed(name: str, value: str, **more: Any) -> Server:
    return replace(SERVER, settings={**SETTINGS, name: replace(SETTINGS[name], value=value, **more)})


def ruled(**changes: Any) -> Server:
    return replace(SERVER, rules=[LOCAL, replace(INNER, **changes)])


def test_a_server_as_it_should_be_passes() -> None:
    seen = judge()
    assert (seen.status, seen.summary.count("1024 MB of 4096 MB")) == ("passed", 1)


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        *((changed(name, "off" if value == "on" else "on"), f"{name} is") for name, value in SAFE.items()),
        (changed("synchronous_commit", "off"), "commits may be lost"),
        (changed("listen_addresses", "*"), "listen_addresses is *"),
        (changed("log_min_duration_statement", "-1"), "log_min_duration_statement is -1"),
        (changed("shared_buffers", "131072", pending=True), "shared_buffers waits for a restart: 1024 MB is live"),
        (changed("work_mem", "4096", pending=True), "work_mem waits for a restart"),
        (changed("shared_buffers", "16384"), "shared_buffers is 128 MB"),
        (changed("shared_buffers", "262144"), "not between"),
        (changed("effective_cache_size", "1024"), "less than shared_buffers"),
        (changed("work_mem", "1048576"), "come to 101 GB"),
        (changed("max_connections", "70"), "67 connections for all but superusers, 60 needed"),
        (replace(SERVER, settings={}), "fsync is no setting"),
        (replace(SERVER, written={"fsync": "off"}), "fsync is on live, but off in the files"),
        (replace(SERVER, written={"shared_buffers": "2GB"}), "but 2GB in the files"),
        (replace(SERVER, errors=["tickbox.conf line 3 work_mem lots"]), "tickbox.conf line 3"),
        (replace(SERVER, stale=["/etc/postgresql/15/main/pg_hba.conf"]), "has changed since the server loaded it"),
        (replace(SERVER, overrides=[("shop", "", "synchronous_commit", "off")]), "synchronous_commit is off for role shop"),
        (replace(SERVER, overrides=[("", "shop", "default_transaction_read_only", "on")]), "for database shop"),
        (replace(SERVER, neglected=["public.orders"]), "autovacuum is off for public.orders"),
        (replace(SERVER, launcher=False), "no autovacuum launcher"),
        (replace(SERVER, checksum_failures=2), "2 data pages"),
        (replace(SERVER, age=400_000_000), "does not keep up"),
        (replace(SERVER, standby=True), "standby"),
        (replace(SERVER, limits={"shop": 5}), "shop is allowed 5 connections"),
        (replace(SERVER, limits={"shop": 0}), "shop is allowed 0 connections"),
        (replace(SERVER, held={"shop": 61}), "holds 61 connections"),
        (replace(SERVER, superusers=frozenset({"postgres", "shop"})), "shop is a superuser"),
        (replace(SERVER, maps=[("/^.*$", "postgres")]), "any system user that fits /^.*$"),
        (replace(SERVER, rules=[]), "has no rule"),
        (ruled(method="trust"), "from 10.0.0.7 in by trust"),
        (ruled(method="password"), "by password"),
        (ruled(method="md5"), "by md5"),
        (ruled(kind="host"), "without encryption"),
        (ruled(address=ANY, netmask=ANY), "beyond 10.0.0.7/32"),
        (ruled(address="::", netmask="::"), "beyond"),
        (ruled(address="10.0.0.7", netmask="255.255.255.0"), "beyond"),
        (ruled(address="all", netmask=""), "no address that can be compared"),
        (ruled(address="samenet", netmask=""), "no address that can be compared"),
        (ruled(error="invalid authentication method"), "line 3: invalid authentication method"),
        (replace(SERVER, rules=[replace(LOCAL, method="trust")]), "from this host in by trust"),
        (replace(SERVER, rules=[replace(LOOPBACK, method="trust")]), "from 127.0.0.1 in by trust"),
        (replace(SERVER, rules=[replace(LOOPBACK, address="127.0.0.1", netmask=ANY)]), "beyond"),
    ],
)
def test_refuses(seen: Server, says: str) -> None:
    judged = judge(seen)
    assert judged.status == "failed"
    assert says in judged.summary


def test_a_rule_that_rejects_may_be_for_anybody() -> None:
    assert judge(ruled(kind="host", method="reject", address=ANY, netmask=ANY)).status == "passed"


@pytest.mark.parametrize(
    ("setting", "text", "equal"),
    [
        (Setting("131072", "8kB", "integer"), "1GB", True),
        (Setting("131072", "8kB", "integer"), "1048576kB", True),
        (Setting("131072", "8kB", "integer"), "131072", True),
        (Setting("131072", "8kB", "integer"), "1GiB", False),
        (Setting("1000", "ms", "integer"), "1s", True),
        (Setting("1.1", "", "real"), "1.10", True),
        (Setting("on", "", "bool"), "TRUE", True),
        (Setting("TLSv1.2", "", "enum"), "tlsv1.2", True),
        (Setting("UTC", "", "string"), "utc", False),
        (Setting("-1", "ms", "integer"), "0", False),
    ],
)
def test_values_are_compared_by_what_they_mean(setting: Setting, text: str, equal: bool) -> None:
    assert setting.equals(text) is equal


@given(st.text(max_size=20), st.sampled_from(["bool", "integer", "real", "enum", "string"]), st.sampled_from(["", "8kB", "ms"]))
@settings(max_examples=200)
def test_any_value_can_be_compared(text: str, kind: str, unit: str) -> None:
    assert Setting(text, unit, kind).equals(text)


def test_a_server_that_cannot_be_asked_is_unverifiable(
    run_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "/nowhere")
    seen = run_module("check_postgresql", database="shop", connections=1, report_only=True)["assertions"][0]
    assert (seen["item"], seen["status"]) == ("pre.environment.database", "unverifiable")
    seen = run_module("check_postgresql", database="shop", connections=1, clients=["lots"], report_only=True)["assertions"][0]
    assert (seen["status"], "clients" in seen["summary"]) == ("unverifiable", True)

"""The statements of a host that Tickbox looks at in preflight, as somebody asserts them with testinfra.

Facts that one command tells are asked for once. What Tickbox tries out, a second Redis that is filled beyond its limit or a scan
from outside, has no assertion here.
"""

import os
import time
from fnmatch import fnmatchcase
from typing import Any

import pytest

DISKS = ("/", "/var/cache", "/var/lib/tickbox/examples", "/srv/examples", "/var/lib/postgresql", "/var/backups/tickbox/examples")
UNITS = {
    "postgresql@15-main.service": 512,
    "redis-server.service": 96,
    "nginx.service": 64,
    "prometheus.service": 256,
    "examples-web@*.service": 256,
    "examples-worker@*.service": 256,
}
PACKAGES = {
    "systemd": "252",
    "python3": "3.11",
    "postgresql-common": "248",
    "postgresql-15": "15",
    "python3-packaging": "0",
    "python3-venv": "0",
    "bubblewrap": "0",
    "nodejs": "0",
    "redis-server": "7.0",
    "nginx": "1.22",
    "prometheus": "2.42",
}
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "ssl": "on",
    "password_encryption": "scram-sha-256",
    "synchronous_commit": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "track_counts": "on",
    "data_checksums": "on",
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
    "ignore_invalid_pages": "off",
    "ignore_system_indexes": "off",
    "default_transaction_read_only": "off",
    "allow_system_table_mods": "off",
}
MEGABYTE = 1024 * 1024
REDIS = {"maxmemory": str(64 * MEGABYTE), "maxmemory-policy": "allkeys-lru"}


def query(host: Any, text: str) -> list[list[str]]:
    printed = host.check_output("runuser -u postgres -- psql -XAt -d examples -c %s", text)
    return [line.split("|") for line in printed.splitlines()]


def redis(host: Any, *words: str) -> list[str]:
    command = " ".join(["REDISCLI_AUTH=%s redis-cli --no-auth-warning --user admin", *(["%s"] * len(words))])
    return str(host.check_output(command, os.environ["BENCH_REDIS_PASSWORD"], *words)).splitlines()


@pytest.fixture(scope="module")
def packages(host: Any) -> dict[str, tuple[str, str]]:
    listed = host.check_output("dpkg-query -W -f='${Package} ${db:Status-Abbrev} ${Version}\\n'")
    return {name: (state, version) for name, state, version in (line.split() for line in listed.splitlines())}


@pytest.fixture(scope="module")
def units(host: Any) -> dict[str, dict[str, str]]:
    names = " ".join(f"'{name}'" for name in UNITS)
    shown = host.check_output(f"systemctl show -p Id,LoadState,ActiveState,NeedDaemonReload,MemoryMax,MemoryHigh -- {names}")
    listed = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.split("\n\n")]
    return {unit["Id"]: unit for unit in listed}


@pytest.fixture(scope="module")
def settings(host: Any) -> dict[str, list[str]]:
    return {name: rest for name, *rest in query(host, "SELECT name, reset_val, pending_restart FROM pg_settings")}


@pytest.fixture(scope="module")
def live(host: Any) -> dict[str, str]:
    words = redis(host, "CONFIG", "GET", "*")
    return dict(zip(words[::2], words[1::2], strict=True))


@pytest.fixture(scope="module")
def rules(host: Any) -> str:
    return str(host.check_output("nft list ruleset"))


def test_system(host: Any) -> None:
    assert (host.system_info.distribution, host.system_info.release.partition(".")[0]) == ("debian", "12")
    assert host.system_info.arch in {"x86_64", "aarch64"}


def test_processors_and_memory(host: Any) -> None:
    assert int(host.check_output("nproc")) >= 1
    assert int(host.check_output("awk '/^MemTotal/ {print $2}' /proc/meminfo")) >= MEGABYTE


@pytest.mark.parametrize("path", DISKS)
def test_room(host: Any, path: str) -> None:
    free, size, inodes = (int(word) for word in host.check_output("stat --file-system --format '%%a %%S %%d' %s", path).split())
    assert free * size >= 1024 * MEGABYTE
    assert inodes >= 10000 or inodes == 0
    host.check_output("test -w %s", path)


@pytest.mark.parametrize("name", UNITS)
def test_unit(units: dict[str, dict[str, str]], name: str) -> None:
    unit = next(properties for found, properties in units.items() if fnmatchcase(found, name))
    assert (unit["LoadState"], unit["ActiveState"], unit["NeedDaemonReload"]) == ("loaded", "active", "no")
    for limit in (unit["MemoryMax"], unit["MemoryHigh"]):
        assert limit == "infinity" or int(limit) >= UNITS[name] * MEGABYTE


@pytest.mark.parametrize("name", PACKAGES)
def test_package(host: Any, packages: dict[str, tuple[str, str]], name: str) -> None:
    state, version = packages[name]
    assert state == "ii"
    host.check_output("dpkg --compare-versions %s ge %s", version.rpartition(":")[2], PACKAGES[name])


def test_no_package_is_half_installed(packages: dict[str, tuple[str, str]]) -> None:
    assert {state for state, _ in packages.values()} <= {"ii", "hi", "rc"}


def test_clock(host: Any) -> None:
    assert abs(float(host.check_output("date +%s.%N")) - time.time()) < 10


@pytest.mark.parametrize("name", SETTINGS)
def test_setting(settings: dict[str, list[str]], name: str) -> None:
    assert settings[name] == [SETTINGS[name], "f"]


def test_files_of_the_database_are_loaded(host: Any) -> None:
    assert not query(host, "SELECT error FROM pg_file_settings WHERE error IS NOT NULL")
    changed = "SELECT file FROM (SELECT current_setting('hba_file') UNION SELECT current_setting('ident_file')) files(file)"
    assert not query(host, f"{changed} WHERE (pg_stat_file(file)).change > pg_conf_load_time()")


def test_who_may_connect(host: Any) -> None:
    found = query(host, "SELECT type, coalesce(address, ''), auth_method, coalesce(error, '') FROM pg_hba_file_rules")
    assert found
    for kind, address, method, error in found:
        assert not error
        assert method in ({"peer", "scram-sha-256", "reject"} if kind == "local" else {"scram-sha-256", "cert", "reject"})
        assert kind == "local" or address == "127.0.0.1"


def test_roles_of_the_application(host: Any) -> None:
    assert not query(host, "SELECT rolname FROM pg_roles WHERE rolsuper AND rolname ~ '^examples'")


def test_upkeep_of_the_database(host: Any) -> None:
    assert query(host, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum launcher'") == [["1"]]
    assert query(host, "SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database") == [["0"]]
    assert not query(host, "SELECT relname FROM pg_class WHERE reloptions::text ~ 'autovacuum_enabled=(off|false)'")


def test_room_for_connections(settings: dict[str, list[str]]) -> None:
    assert int(settings["max_connections"][0]) - int(settings["superuser_reserved_connections"][0]) >= 60 + 10


@pytest.mark.parametrize("name", REDIS)
def test_limit_of_redis(live: dict[str, str], name: str) -> None:
    assert live[name] == REDIS[name]


def test_file_of_redis(host: Any) -> None:
    text = host.check_output("cat /etc/redis/redis.conf")
    assert "maxmemory 64mb" in text.lower()
    assert f"maxmemory-policy {REDIS['maxmemory-policy']}" in text


def test_redis_is_closed_to_strangers(host: Any) -> None:
    assert host.check_output("redis-cli PING").startswith("NOAUTH")
    assert "nopass" not in " ".join(redis(host, "ACL", "LIST"))
    assert host.socket("tcp://127.0.0.1:6379").is_listening
    assert not host.socket("tcp://0.0.0.0:6379").is_listening


def test_redis_comes_back(host: Any) -> None:
    assert host.service("redis-server").is_enabled


@pytest.mark.parametrize("chain", ["input", "forward"])
def test_firewall_drops(rules: str, chain: str) -> None:
    assert f"hook {chain} priority filter; policy drop;" in rules


def test_firewall_at_boot(host: Any) -> None:
    service, file = host.service("nftables"), host.file("/etc/nftables.conf")
    assert service.is_enabled
    assert service.is_running
    assert (file.user, file.mode & 0o022) == ("root", 0)
    host.check_output("nft --check --file /etc/nftables.conf")

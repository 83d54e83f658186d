"""Four hosts: the same bytes on both application hosts, and both serve the same release whatever happens to one of them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

APPS = ("tickbox-app1", "tickbox-app2")
FAILING = "/etc/systemd/system/examples-worker@.service.d/failing.conf"


@pytest.fixture
def serving(machine: Callable[[str], Any]) -> Callable[[], set[str]]:
    """The versions to which the application hosts' links lead."""

    def look() -> set[str]:
        manifests = [machine(name).file("/srv/examples/current/manifest.json").content_string for name in APPS]
        return {json.loads(manifest)["version"] for manifest in manifests}

    return look


def versions(site: httpx.Client) -> set[str]:
    """What a dozen visitors are answered, which both hosts serve in turn."""
    return {site.get("/version").raise_for_status().json()["version"] for _ in range(12)}


def test_the_scenario_has_four_hosts(hosts: dict[str, Any]) -> None:
    assert len(hosts) == 4


def test_both_hosts_have_the_same_bytes(machine: Callable[[str], Any]) -> None:
    listing = (
        "cd /srv/examples/current/ && find -L code venv -type f ! -path '*/__pycache__/*' -exec sha256sum {} + | sort | sha256sum"
    )
    digests = {machine(name).check_output(listing) for name in APPS}
    assert len(digests) == 1


def test_the_database_is_reached_with_tls_alone(machine: Callable[[str], Any]) -> None:
    database = machine("tickbox-database")
    query = "SELECT bool_and(s.ssl), count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.datname = 'examples'"
    encrypted, count = database.check_output("runuser -u postgres -- psql -XAt -F ' ' -c %s", query).split()
    assert encrypted == "t"
    assert int(count) > 0


def test_the_database_is_open_to_the_application_alone(machine: Callable[[str], Any], hosts: dict[str, Any]) -> None:
    address = hosts["tickbox-database"]["ansible_host"]
    knock = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{address}/5432'"
    assert machine("tickbox-app1").run(knock).rc == 0
    assert machine("tickbox-web").run(knock).rc != 0


def test_what_serves_can_be_looked_at_any_time(play: Any) -> None:
    done = play("playbooks/verify.yml", "--skip-tags soak")
    assert {item["id"]: item["summary"] for item in done.summary["items"] if item["status"] in ("failed", "unverifiable")} == {}
    assert done.code == 0
    assert done.summary["outcome"] == "verified"


def test_a_part_of_the_hosts_is_refused(play: Any) -> None:
    done = play("deploy.yml", "--limit", "tickbox-app1", app_version="v1.1.0")
    assert done.code != 0
    assert "run it without --limit" in done.output


@pytest.fixture
def failing_worker(machine: Callable[[str], Any]) -> Iterator[None]:
    """The worker of v1.1.0 cannot start on one of the hosts, which shows only once both have switched."""
    host = machine("tickbox-app2")
    host.check_output(f"mkdir -p $(dirname {FAILING})")
    unit = '[Service]\\nExecStartPre=/bin/sh -c "case %i in v1.1.0*) exit 1;; esac"\\n'
    host.check_output(f"printf '{unit}' > {FAILING} && systemctl daemon-reload")
    yield
    host.check_output(f"rm -r $(dirname {FAILING}) && systemctl daemon-reload")


@pytest.mark.usefixtures("failing_worker")
def test_a_failure_on_one_host_brings_both_back(play: Any, serving: Callable[[], set[str]], site: httpx.Client) -> None:
    done = play("deploy.yml", app_version="v1.1.0")
    assert done.code != 0
    assert done.summary["outcome"] == "rolled_back"
    assert serving() == {"v1.0.0"}
    assert versions(site) == {"v1.0.0"}


def test_upgrade_and_rollback(play: Any, serving: Callable[[], set[str]], site: httpx.Client) -> None:
    done = play("deploy.yml", app_version="v1.1.0")
    assert done.summary["outcome"] == "deployed"
    assert serving() == {"v1.1.0"}
    assert versions(site) == {"v1.1.0"}
    back = play("rollback.yml", rollback_reason="A test takes it back")
    assert back.summary["outcome"] == "rolled_back"
    assert serving() == {"v1.0.0"}
    assert versions(site) == {"v1.0.0"}

"""Four hosts: the same bytes on both application hosts, and both serve the same release whatever happens to one of them.

A rolling release goes from one to the other, each left alone by nginx meanwhile, and no answer fails. What visitors saw is written
to reports/multihost.md, a line a test.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest
from traffic import visited

FIRST_ADDRESS = 208  # other scenarios may have theirs at the same time
ROLLING = {"app_version": "v1.2.0", "deploy_strategy": "rolling"}
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


@contextmanager
def failing_worker(host: Any, version: str) -> Iterator[None]:
    """The worker of the version cannot start on the host, which shows only once it has switched."""
    host.check_output(f"mkdir -p $(dirname {FAILING})")
    unit = f'[Service]\\nExecStartPre=/bin/sh -c "case %i in {version}*) exit 1;; esac"\\n'
    host.check_output(f"printf '{unit}' > {FAILING} && systemctl daemon-reload")
    try:
        yield
    finally:
        host.check_output(f"rm -r $(dirname {FAILING}) && systemctl daemon-reload")


def test_a_failure_on_one_host_brings_both_back(
    play: Any, machine: Callable[[str], Any], serving: Callable[[], set[str]], site: httpx.Client
) -> None:
    with failing_worker(machine("tickbox-app2"), "v1.1.0"):
        done = play("deploy.yml", app_version="v1.1.0")
    assert done.code != 0
    assert done.summary["outcome"] == "rolled_back"
    assert serving() == {"v1.0.0"}
    assert versions(site) == {"v1.0.0"}


def test_upgrade(play: Any, serving: Callable[[], set[str]], site: httpx.Client) -> None:
    done = play("deploy.yml", app_version="v1.1.0")
    assert done.summary["outcome"] == "deployed"
    assert serving() == {"v1.1.0"}
    assert versions(site) == {"v1.1.0"}


@pytest.fixture
def traffic(address: str, figures: list[str], request: Any) -> Any:
    return partial(visited, address, FIRST_ADDRESS, request.node.name, figures)


def nobody_is_kept_away(machine: Callable[[str], Any]) -> bool:
    return all("tickbox_examples_away" not in machine(name).check_output("nft list tables") for name in APPS)


def test_a_batch_of_all_hosts_is_refused(play: Any, serving: Callable[[], set[str]]) -> None:
    done = play("deploy.yml", "--check", deploy_batch="100%", **ROLLING)
    assert done.code != 0
    assert "so that nobody serves meanwhile" in done.output
    assert serving() == {"v1.1.0"}


def test_a_failed_batch_brings_the_earlier_ones_back(
    play: Any, traffic: Any, serving: Callable[[], set[str]], machine: Callable[[str], Any]
) -> None:
    """The first host serves it meanwhile, and answers as well as the other one."""
    with traffic() as seen, failing_worker(machine("tickbox-app2"), "v1.2.0"):
        done = play("deploy.yml", deploy_canary_seconds=10, **ROLLING)
    assert done.code != 0
    assert "tickbox-app1: 0 errors among" in done.output
    assert done.summary["outcome"] == "rolled_back"
    assert {release.partition("-")[0] for release in seen.releases} == {"v1.1.0", "v1.2.0"}
    assert done.summary["window_seconds"] == 0
    assert serving() == {"v1.1.0"}
    assert nobody_is_kept_away(machine)


def test_an_upgrade_batch_by_batch(play: Any, traffic: Any, serving: Callable[[], set[str]], machine: Callable[[str], Any]) -> None:
    with traffic() as seen:
        done = play("deploy.yml", deploy_batch=[1, "50%"], **ROLLING)
    assert done.summary["outcome"] == "deployed"
    assert {release.partition("-")[0] for release in seen.releases} == {"v1.1.0", "v1.2.0"}
    assert done.summary["window_seconds"] == 0
    assert serving() == {"v1.2.0"}
    assert nobody_is_kept_away(machine)


def test_a_rollback_that_nobody_notices(play: Any, traffic: Any, serving: Callable[[], set[str]]) -> None:
    with traffic():
        done = play("rollback.yml", rollback_reason="A test takes it back")
    assert (done.code, done.summary["outcome"]) == (0, "rolled_back")
    assert done.summary["window_seconds"] == 0
    assert serving() == {"v1.1.0"}


def test_rollback(play: Any, serving: Callable[[], set[str]], site: httpx.Client) -> None:
    """Visitors have written since the schema of v1.1.0 came."""
    back = play("rollback.yml", rollback_reason="A test takes it back", rollback_accept_data_loss=True)
    assert (back.code, back.summary["outcome"]) == (0, "rolled_back")
    assert serving() == {"v1.0.0"}
    assert versions(site) == {"v1.0.0"}

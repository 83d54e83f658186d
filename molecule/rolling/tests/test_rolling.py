"""A rolling release and its way back: no answer fails, none is of two releases, and the work in the background changes hands once.

What visitors saw is written to reports/rolling.md, a line a test.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from machines import databases, running_units
from moment import Moment
from traffic import visited

FIRST_ADDRESS = 220  # other scenarios may have theirs at the same time
ROLLING = {"app_version": "v1.2.0", "deploy_strategy": "rolling"}
NOT_APPLICABLE = {
    "deploy.maintenance.window",
    "deploy.maintenance.notify",
    "deploy.maintenance.enable",
    "deploy.go_live.disable_maintenance",
    "rollback.initiate.maintenance",
    "rollback.close.maintenance",
}


@pytest.fixture
def traffic(address: str, figures: list[str], request: Any) -> Any:
    return partial(visited, address, FIRST_ADDRESS, request.node.name, figures)


def not_applicable(done: Any) -> set[str]:
    return {item["id"] for item in done.summary["items"] if item["status"] == "not_applicable"} & NOT_APPLICABLE


def by_worker(host: Any, release: str) -> tuple[float, float]:
    """When the worker of a release last said that it started, and that it stopped."""
    lines = host.check_output(f"journalctl --unit='examples-worker@{release}*' --output=json --no-pager").splitlines()
    said = [(float(line["__REALTIME_TIMESTAMP"]), str(line["MESSAGE"])) for line in map(json.loads, lines)]
    return tuple(max((at for at, text in said if f'"{word}"' in text), default=0.0) for word in ("Started", "Stopped"))  # type: ignore[return-value]


def stamps(host: Any) -> dict[str, str]:
    """When the timers last elapsed, as systemd remembers it."""
    listed = host.check_output("stat --format='%n %Y' /var/lib/systemd/timers/stamp-examples-cleanup@*.timer")
    return {line.split("@")[1].split("-")[0]: line.split()[1] for line in listed.splitlines()}


def of_the_same_hour(seen: dict[str, str]) -> bool:
    """The timers stand where they stood, or the hour has come since, when the one that runs elapsed once more."""
    return seen["v1.1.0"] == seen["v1.2.0"] or min(int(when) % 3600 for when in seen.values()) < 120


def test_a_migration_that_is_not_declared_is_refused(play: Any, version: Any, host: Any) -> None:
    before = running_units(host)
    done = play("deploy.yml", app_migrations_compatible=[], **ROLLING)
    assert done.code != 0
    assert "app_migrations_compatible does not name the migration 0004" in done.output
    assert "Nothing was changed." in done.output
    assert (version(), running_units(host)) == ("v1.1.0", before)


def test_a_rolling_release_that_fails_goes_back_unnoticed(play: Any, traffic: Any, site: httpx.Client) -> None:
    with traffic() as seen:
        done = play("deploy.yml", app_version="v1.1.3-broken-route", deploy_strategy="rolling")
    assert done.code != 0
    assert done.summary["outcome"] == "rolled_back"
    # Whoever asked for a single example met its error meanwhile; nobody here did.
    assert [release.partition("-")[0] for release in seen.releases] == ["v1.1.0", "v1.1.3"]
    assert site.get("/version").json()["version"] == "v1.1.0"
    assert done.summary["window_seconds"] == 0


def test_an_upgrade_that_nobody_notices(play: Any, traffic: Any, host: Any) -> None:
    before = databases(host)
    with traffic() as seen:
        done = play("deploy.yml", **ROLLING)
    assert done.summary["outcome"] == "deployed"
    assert seen.faults == [], seen.faults[:5]
    assert [release.partition("-")[0] for release in seen.releases] == ["v1.1.0", "v1.2.0"]
    assert seen.long_answers_over_the_switch > 0
    assert done.summary["window_seconds"] == 0
    assert not_applicable(done) == {item for item in NOT_APPLICABLE if item.startswith("deploy")}
    assert set(databases(host)) <= set(before)
    assert {unit.partition("@")[2].partition("-")[0] for unit in running_units(host)} == {"v1.2.0"}
    assert by_worker(host, "v1.1.0")[1] < by_worker(host, "v1.2.0")[0]
    assert of_the_same_hour(stamps(host))


def test_a_rollback_that_nobody_notices(play: Any, traffic: Any, host: Any) -> None:
    with traffic() as seen:
        done = play("rollback.yml", rollback_reason="A test takes it back")
    assert done.summary["outcome"] == "rolled_back"
    assert seen.faults == [], seen.faults[:5]
    assert [release.partition("-")[0] for release in seen.releases] == ["v1.2.0", "v1.1.0"]
    assert seen.long_answers_over_the_switch > 0
    assert done.summary["window_seconds"] == 0
    assert not_applicable(done) == {item for item in NOT_APPLICABLE if item.startswith("rollback")}
    assert {unit.partition("@")[2].partition("-")[0] for unit in running_units(host)} == {"v1.1.0"}
    assert by_worker(host, "v1.2.0")[1] < by_worker(host, "v1.1.0")[0]
    assert of_the_same_hour(stamps(host))


def test_a_run_that_was_cut_off_is_gone_on_with_unnoticed(play: Any, traffic: Any, host: Any, tmp_path: Path) -> None:
    """It is killed as soon as visitors meet the new release; whoever goes on need not say that it was rolling."""
    moment = Moment(tmp_path / "tasks.jsonl", "Clear and rebuild caches again")
    with traffic() as seen:
        killed = play("deploy.yml", environment=moment.environment, **ROLLING)
        done = play("deploy.yml", app_version=ROLLING["app_version"])
    assert killed.code != 0
    assert moment.done is not None
    assert done.summary["outcome"] == "deployed"
    assert seen.faults == [], seen.faults[:5]
    assert [release.partition("-")[0] for release in seen.releases] == ["v1.1.0", "v1.2.0"]
    assert not_applicable(done) == {item for item in NOT_APPLICABLE if item.startswith("deploy")}
    assert {unit.partition("@")[2].partition("-")[0] for unit in running_units(host)} == {"v1.2.0"}

"""Deploy again, upgrade, roll back, and releases that fail: each time somebody's rows are there and a whole release serves."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest


def save(user: httpx.Client) -> str:
    """Save a result as the user and return the text by which it is known."""
    text = uuid.uuid4().hex
    result = {"example": "hello-python", "code": "print(1)", "stdout": text, "stderr": "", "exit_code": 0}
    user.post("/api/results", json=result).raise_for_status()
    return text


def saved(user: httpx.Client) -> str:
    return user.get("/api/results").raise_for_status().text


def units(host: Any) -> list[str]:
    """The application's units that run."""
    listed = host.check_output("systemctl list-units --plain --no-legend --state=active 'examples-*@*'")
    return sorted(line.split()[0] for line in listed.splitlines())


def databases(host: Any) -> list[str]:
    return str(host.check_output("runuser -u postgres -- psql -XAtc 'SELECT datname FROM pg_database'")).split()


def test_the_version_that_serves_is_deployed_again_without_a_change(play: Any, version: Callable[[], str]) -> None:
    done = play("deploy.yml")
    assert done.code == 0
    assert set(done.changed.values()) <= {0}
    assert done.summary["outcome"] == "unchanged"
    assert version() == "v1.0.0"


def test_check_mode_changes_nothing(play: Any, host: Any, version: Callable[[], str]) -> None:
    before = host.check_output("ls -l /srv/examples/releases /etc/systemd/system")
    done = play("deploy.yml", "--check", "--diff", app_version="v1.1.0")
    assert done.code == 0
    assert "v1.1.0" in done.output
    assert host.check_output("ls -l /srv/examples/releases /etc/systemd/system") == before
    assert version() == "v1.0.0"


def test_an_upgrade_and_its_rollback_keep_the_rows(play: Any, host: Any, user: httpx.Client, version: Callable[[], str]) -> None:
    early = save(user)

    done = play("deploy.yml", app_version="v1.1.0")
    assert done.code == 0
    assert done.summary["outcome"] == "deployed"
    assert done.summary["window_seconds"] > 0
    assert version() == "v1.1.0"
    assert early in saved(user)
    late = save(user)

    checked = play("rollback.yml", "--check", "--diff")
    assert checked.code == 0
    assert version() == "v1.1.0"

    back = play("rollback.yml")
    assert back.code == 0
    assert back.summary["outcome"] == "rolled_back"
    assert version() == "v1.0.0"
    assert early in saved(user)

    (kept,) = back.summary["kept"]
    aside = kept.removeprefix("database ")
    assert aside in databases(host)
    found = host.check_output("runuser -u postgres -- psql -XAt -d %s -c 'SELECT stdout FROM saved_results'", aside)
    assert early in found
    assert late in found
    assert all("@v1.0.0-" in unit for unit in units(host))


def test_a_release_that_was_taken_back_can_be_deployed_again(play: Any, version: Callable[[], str]) -> None:
    assert play("deploy.yml", app_version="v1.1.0").code == 0
    assert version() == "v1.1.0"
    assert play("deploy.yml", app_version="v1.2.0").code == 0
    assert version() == "v1.2.0"
    done = play("rollback.yml", rollback_to="v1.0.0")
    assert done.code == 0
    assert version() == "v1.0.0"


@pytest.mark.parametrize(
    ("broken", "task"),
    [
        ("v1.1.1-broken-migration", "Run database migrations"),
        ("v1.1.2-broken-start", "Wait until the new process is well"),
        ("v1.1.3-broken-route", "Look whether the application answered them itself, and rightly"),
        ("v1.1.4-wrong-version", "Verify application is running"),
    ],
)
def test_a_release_that_fails_leaves_the_one_that_served(
    play: Any, host: Any, user: httpx.Client, version: Callable[[], str], broken: str, task: str
) -> None:
    row = save(user)
    before = units(host)
    done = play("deploy.yml", app_version=broken)
    assert done.code != 0
    assert f'"{task}" failed' in done.output
    assert version() == "v1.0.0"
    assert row in saved(user)
    assert units(host) == before
    manifest = json.loads(host.file("/srv/examples/current/manifest.json").content_string)
    assert manifest["version"] == "v1.0.0"
    assert not host.file("/var/lib/tickbox/examples/lock.json").exists
    assert user.get("/").status_code == 200


def test_an_operators_maintenance_mode_stays(play: Any, host: Any, site: httpx.Client, version: Callable[[], str]) -> None:
    assert play("playbooks/maintenance.yml", maintenance="on").code == 0
    assert site.get("/").status_code == 503
    done = play("deploy.yml", app_version="v1.1.0")
    assert done.code == 0
    assert site.get("/").status_code == 503
    assert play("rollback.yml").code == 0
    assert site.get("/").status_code == 503
    assert play("playbooks/maintenance.yml", maintenance="off").code == 0
    assert version() == "v1.0.0"


def test_the_status_says_what_serves(play: Any) -> None:
    done = play("playbooks/status.yml")
    assert done.code == 0
    assert "serves v1.0.0-" in done.output
    assert "no run under way" in done.output

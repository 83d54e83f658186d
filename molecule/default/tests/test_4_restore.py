"""What was backed up is brought back: beside the database, from the repository, into place; and files beside the live ones."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from machines import databases
from users import save

DUMPS = "/var/backups/tickbox/examples"


def rows(host: Any, database: str) -> str:
    return str(host.check_output("runuser -u postgres -- psql -XAt -d %s -c 'SELECT stdout FROM saved_results'", database))


@pytest.fixture(scope="module")
def backup(play: Any) -> str:
    """The id of a run that backed up."""
    done = play("playbooks/backup.yml")
    assert done.code == 0, done.output
    return str(done.summary["run_id"])


def test_the_newest_dump_is_brought_beside_the_database(play: Any, host: Any, user: httpx.Client, backup: str) -> None:
    late = save(user)
    before = databases(host)
    done = play("playbooks/restore.yml")
    assert done.code == 0, done.output
    name = f"examples_restored_{done.summary['run_id']}"
    assert (done.summary["kind"], done.summary["outcome"]) == ("restore", "restored")
    assert done.summary["kept"] == [f"database {name}"]
    assert f"{backup} of " in done.output
    assert sorted([*before, name]) == databases(host)
    assert late in rows(host, "examples")
    assert late not in rows(host, name)


def test_what_is_not_on_the_host_any_more_comes_from_the_repository(play: Any, host: Any, backup: str) -> None:
    host.check_output(f"mkdir /root/kept && mv {DUMPS}/examples-{backup}.* /root/kept")
    try:
        done = play("playbooks/restore.yml", restore_point=backup)
        assert done.code == 0, done.output
        assert f"{backup} of " in done.output
        assert "in the repository as" in done.output
        assert host.check_output("find /var/backups/tickbox -name 'fetched-*'") == ""
    finally:
        host.check_output(f"mv /root/kept/* {DUMPS} && rmdir /root/kept")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"restore_point": "20200101t000000z_dead"}, "restore_point: there is no backup of 20200101t000000z_dead. There are: "),
        ({"restore_point": "yesterday"}, "restore_point: 'yesterday' is not a time"),
        ({"restore_to": "place"}, "Confirm it with -e restore_confirm=examples"),
        ({"restore_to": "place", "restore_confirm": "shop"}, "Confirm it with -e restore_confirm=examples"),
        ({"restore_to": "there"}, "value of restore_to must be one of: scratch, place"),
        ({"restore_files": True, "restore_paths": "/none/there"}, "There is no backup at all"),
    ],
)
def test_what_cannot_be_restored_is_refused(play: Any, host: Any, backup: str, variables: dict[str, Any], message: str) -> None:
    before = databases(host)
    done = play("playbooks/restore.yml", **variables)
    assert done.code != 0
    assert message in done.output
    assert databases(host) == before
    assert backup


def test_a_corrupt_dump_is_refused(play: Any, host: Any, site: httpx.Client, backup: str) -> None:
    before = databases(host)
    dump = f"{DUMPS}/examples-{backup}.dump"
    host.check_output(f"cp -p {dump} /root/dump.kept && truncate --size=-100 {dump}")
    try:
        done = play("playbooks/restore.yml", restore_point=backup, restore_to="place", restore_confirm="examples")
        assert done.code != 0
        assert "is corrupt: its digest is not that of its manifest" in done.output
        assert databases(host) == before
        assert site.get("/").status_code == 200
    finally:
        host.check_output(f"mv /root/dump.kept {dump}")


def test_a_dump_takes_the_place_of_the_database(
    play: Any, host: Any, user: httpx.Client, secrets: dict[str, str], backup: str, version: Callable[[], str]
) -> None:
    late, serving = save(user), version()
    done = play("playbooks/restore.yml", restore_point=backup, restore_to="place", restore_confirm="examples")
    assert done.code == 0, done.output
    aside = f"examples_aside_{done.summary['run_id']}"
    assert done.summary["kept"] == [f"database {aside}"]
    assert done.summary["window_seconds"] > 0
    assert late not in rows(host, "examples")
    assert late in rows(host, aside)
    assert version() == serving
    assert user.get("/").status_code == 200
    # who logged in after the backup has to do it again
    login = {"username": "admin", "password": secrets["vault_app_admin_password"]}
    user.post("/api/login", json=login).raise_for_status()
    assert save(user) in rows(host, "examples")
    units = host.check_output("systemctl list-units --plain --no-legend --state=active 'examples-*@*'")
    assert "examples-worker@" in units
    assert (
        host.run("systemctl is-enabled $(basename $(readlink -f /srv/examples/current) | sed 's/.*/examples-web@&.service/')").rc
        == 0
    )
    assert not host.file("/var/lib/tickbox/examples/lock.json").exists


def test_files_are_brought_beside_the_live_ones(play: Any, host: Any, backup: str) -> None:
    done = play("playbooks/restore.yml", restore_files=True, restore_point=backup)
    assert done.code == 0, done.output
    folder = f"/var/lib/tickbox/examples/restored/{done.summary['run_id']}"
    assert host.file(f"{folder}/srv/examples/shared").is_directory
    assert done.summary["kept"][0].startswith(f"files in {folder} on ")

"""Deploy again, upgrade, roll back: each time somebody's rows are there and a whole release serves."""

import re
from collections.abc import Callable
from typing import Any

import httpx
from machines import databases
from machines import running_units as units
from users import save, saved

STATE = """
find /srv/examples /etc/systemd/system /etc/nginx -type f ! -path '*v1.1.0*' -exec sha256sum {} + | sort -k 2
readlink /srv/examples/current /run/examples/current.sock
systemctl list-unit-files --no-legend --state=enabled 'examples*'
systemctl list-units --plain --no-legend --state=active 'examples-*@*' | cut -d ' ' -f 1
"""
TABLES = """
names="SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('events', 'popularity') ORDER BY 1"
for table in $(psql -XAtd DATABASE -c "$names"); do
  echo "$table $(psql -XAtd DATABASE -c "SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM $table t")"
done
"""
LATER = ("rollback.close.root_cause", "rollback.close.fix")  # given once they are known


def notices(summary: dict[str, Any]) -> list[str]:
    """What was told in a run, and by all receivers accepted."""
    return [one["kind"] for one in summary["notices"] if one["receivers"] and all(to["accepted"] for to in one["receivers"])]


def test_the_version_that_serves_is_deployed_again_without_a_change(play: Any, version: Callable[[], str]) -> None:
    done = play("deploy.yml")
    assert done.code == 0
    assert set(done.changed.values()) <= {0}
    assert done.summary["outcome"] == "unchanged"
    assert notices(done.summary) == []
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
    assert notices(done.summary) == ["planned", "live"]
    assert f"Notice {done.summary['run_id']}-live" in host.file("/var/mail/ops").content_string
    assert version() == "v1.1.0"
    assert early in saved(user)
    late = save(user)

    checked = play("rollback.yml", "--check", "--diff", rollback_reason="A test takes it back")
    assert checked.code == 0
    assert version() == "v1.1.0"

    back = play("rollback.yml", rollback_reason="A test takes it back")
    assert back.code == 0
    assert back.summary["outcome"] == "rolled_back"
    assert notices(back.summary) == ["rolled_back"]
    assert version() == "v1.0.0"
    assert early in saved(user)
    assert late in saved(user)
    seen = {item["id"]: item["status"] for item in back.summary["items"] if item["id"].startswith("rollback.")}
    assert {item for item, status in seen.items() if status != "passed"} <= {*LATER, "rollback.close.notify"}
    assert {seen[item] for item in LATER} == {"pending"}

    explained = play(
        "playbooks/incident.yml",
        incident_run=back.summary["run_id"],
        incident_cause="The demo took it back: nothing was wrong with it, and favourites are the fix",
        incident_fix="v1.2.0",
        incident_test="tests/integration/test_favourites.py::test_marking_and_taking_away",
    )
    assert explained.code == 0, explained.output
    for item in LATER:
        assert f"[x] {item}" in explained.output

    kept, written = back.summary["kept"]
    aside = kept.removeprefix("database ")
    assert "/var/backups/tickbox/examples/examples-" in written
    assert aside in databases(host)
    found = host.check_output("runuser -u postgres -- psql -XAt -d %s -c 'SELECT stdout FROM saved_results'", aside)
    assert early in found
    assert late in found
    assert all("@v1.0.0-" in unit for unit in units(host))


def test_a_release_that_was_taken_back_can_be_deployed_again(play: Any, host: Any, version: Callable[[], str]) -> None:
    assert play("deploy.yml", app_version="v1.1.0").code == 0
    assert version() == "v1.1.0"
    assert play("deploy.yml", app_version="v1.2.0").code == 0
    assert version() == "v1.2.0"
    # The way back leads from a release that does not answer any more, too.
    host.check_output("systemctl stop 'examples-web@v1.2.0-*'")
    done = play("rollback.yml", rollback_to="v1.0.0", rollback_reason="A test takes it back")
    assert done.code == 0
    assert version() == "v1.0.0"


def state(host: Any) -> str:
    """Each file of what serves v1.0.0 by its digest, where the links lead, and which units run and come back at boot."""
    return str(host.check_output("bash -ec %s", STATE))


def tables(host: Any, database: str) -> str:
    """Each table by a digest of its rows, but for those in which each visit is counted, that of a look as well."""
    return str(host.check_output("runuser -u postgres -- bash -ec %s", TABLES.replace("DATABASE", database)))


def test_a_restored_release_is_what_it_was_and_an_operators_maintenance_mode_stays(
    play: Any, host: Any, site: httpx.Client, version: Callable[[], str]
) -> None:
    before = state(host)
    assert play("playbooks/maintenance.yml", maintenance="on").code == 0
    closed = {language: site.get("/", headers={"Accept-Language": language}) for language in ("en", "de-AT,en;q=0.5", "fr")}
    assert {answer.status_code for answer in closed.values()} == {503}
    assert [re.findall('html lang="(.*)"', answer.text) for answer in closed.values()] == [["en"], ["de"], ["en"]]
    done = play("deploy.yml", app_version="v1.1.0")
    assert done.code == 0
    assert site.get("/").status_code == 503

    # The looks of the deployment have written rows since the restore point.
    asked = {"rollback_reason": "A test takes it back", "rollback_database": "restore"}
    refused = play("rollback.yml", **asked)
    assert refused.code != 0
    assert "rollback_accept_data_loss=true" in refused.output
    assert "v1.1.0" in host.check_output("readlink /srv/examples/current")
    point = tables(host, f"examples_before_{done.summary['run_id']}")
    assert len(point.splitlines()) > 4
    assert play("rollback.yml", rollback_accept_data_loss=True, **asked).code == 0
    assert tables(host, "examples") == point
    assert state(host) == before

    assert site.get("/").status_code == 503
    assert play("playbooks/maintenance.yml", maintenance="off").code == 0
    assert version() == "v1.0.0"


def test_the_status_says_what_serves(play: Any) -> None:
    done = play("playbooks/status.yml")
    assert done.code == 0
    assert "serves v1.0.0-" in done.output
    assert "no run under way" in done.output


def test_no_log_of_the_host_holds_a_secret(host: Any, secrets: dict[str, str]) -> None:
    """After deployments, upgrades and ways back; a command line stands in the journal as sudo writes it."""
    # Looked for here: what is looked for on the host would stand in its journal as well.
    logs = host.check_output(
        'bash -c \'{ journalctl --no-pager --output=cat; find /var/log -type f ! -path "*/journal/*" -exec cat {} +; } '
        '| tr --complement --delete "[:print:]\\n"\''
    )
    assert "COMMAND=" in logs
    assert [name for name, value in secrets.items() if value in logs] == []

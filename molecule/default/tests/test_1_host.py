"""The host as provisioning and the first deployment leave it."""

import json
from typing import Any

import httpx
import pytest

APP = "examples"


@pytest.fixture
def release(host: Any) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(host.file(f"/srv/{APP}/current/manifest.json").content_string)
    return manifest


@pytest.mark.parametrize(
    "unit",
    ["nginx", "postgresql", "redis-server", "nftables", "prometheus", "prometheus-alertmanager", "tickbox-backup.timer"],
)
def test_what_the_application_needs_runs_and_starts_at_boot(host: Any, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


def test_the_release_is_verified_and_its_units_run(host: Any, release: dict[str, Any]) -> None:
    assert release["state"] == "verified"
    assert len(release["units"]) == 3
    for unit in release["units"]:
        assert host.service(unit).is_running, unit
        assert host.service(unit).is_enabled, unit


def test_the_links_lead_to_the_release(host: Any, release: dict[str, Any]) -> None:
    assert host.file(f"/srv/{APP}/current").linked_to == f"/srv/{APP}/releases/{release['release_id']}"
    assert host.file(f"/run/{APP}/current.sock").linked_to == release["socket"]


def test_settings_are_closed_to_others(host: Any) -> None:
    settings = host.file(f"/srv/{APP}/current/config/app.env")
    assert (settings.user, settings.group, settings.mode) == ("root", APP, 0o640)


def test_the_application_cannot_write_to_its_code(host: Any) -> None:
    user = f"runuser -u {APP} --"
    assert host.run(f"{user} touch /srv/{APP}/current/code/x").rc != 0
    assert host.run(f"{user} touch /srv/{APP}/current/venv/x").rc != 0
    assert host.run(f"{user} test -w /srv/{APP}/shared").rc == 0


def test_the_application_may_change_rows_and_not_the_schema(host: Any) -> None:
    def query(text: str) -> Any:
        settings = f"set -a; . /srv/{APP}/current/config/app.env"
        python = f"/srv/{APP}/current/venv/bin/python"
        code = f"import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'].replace('+psycopg', '')).execute('{text}')"
        return host.run(f'bash -c "{settings}; {python} -c \\"{code}\\""')

    assert query("SELECT count(*) FROM alembic_version").rc == 0
    refused = query("CREATE TABLE intruder (x int)")
    assert refused.rc != 0
    assert "permission denied" in refused.stderr


def test_the_database_has_checksums(host: Any) -> None:
    assert host.run("runuser -u postgres -- psql -XAtc 'SHOW data_checksums'").stdout.strip() == "on"


def test_no_run_holds_the_lock(host: Any) -> None:
    assert not host.file(f"/var/lib/tickbox/{APP}/lock.json").exists


def test_the_site_answers_with_its_headers(site: httpx.Client) -> None:
    for path in ("/", "/api/examples", "/none"):
        headers = site.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["strict-transport-security"]


def test_plain_http_leads_to_https(address: str) -> None:
    answer = httpx.get(f"http://{address}/version", trust_env=False)
    assert answer.status_code == 301
    assert answer.headers["location"] == f"https://{address}/version"


def test_code_runs_without_a_network_and_without_the_hosts_files(site: httpx.Client) -> None:
    def run(code: str) -> dict[str, Any]:
        answer: dict[str, Any] = site.post("/api/run", json={"language": "python", "code": code}).raise_for_status().json()
        return answer

    assert run("print(6 * 7)")["stdout"] == "42\n"
    assert run("import socket; socket.create_connection(('1.1.1.1', 53), 2)")["exit_code"] != 0
    assert run(f"open('/srv/{APP}/current/config/app.env')")["exit_code"] != 0

"""What the role backup writes is read by those for whom it is: systemd, ssh, the shell."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[2] / "roles" / "backup"
RUN, OLD = "20260103t101112z_77aa", "20260102t030405z_9f1c"


def trusted(value: Any) -> Any:
    """As Ansible has the variables of files: each text is a template."""
    if isinstance(value, dict):
        return {name: trusted(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [trusted(entry) for entry in value]
    return trust_as_template(value) if isinstance(value, str) else value


def rendered(text: str, **given: Any) -> Any:
    known = {
        **trusted(yaml.safe_load((ROLE / "defaults/main.yml").read_text())),
        **trusted(yaml.safe_load((ROLE / "vars/main.yml").read_text())),
        **{"inventory_hostname": "one", "groups": {"app": ["one"], "database": ["one"]}},
        **{"app_name": "shop", "app_backup_path": "/var/backups/tickbox/shop"},
        **{"app_state_path": "/var/lib/tickbox/shop", "app_home": "/srv/shop"},
        **{"backup_repository": "/mnt/restic", "app_migration_current_query": "SELECT 1"},
        **given,
    }
    return Templar(loader=DataLoader(), variables=known).template(trust_as_template(text))


def template(name: str, **given: Any) -> str:
    return str(rendered((ROLE / "templates" / name).read_text(), **given))


@pytest.mark.parametrize("name", ["tickbox-restore-test.j2", "tickbox-success.j2"])
def test_scripts_are_such(name: str) -> None:
    done = subprocess.run(["sh", "-n"], input=template(name), check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_figures_are_left_for_the_monitoring(tmp_path: Path) -> None:
    script = template("tickbox-success.j2", __backup_metrics=str(tmp_path))
    subprocess.run(["sh", "-s", "restore_test", "seconds 12", "rows 340"], input=script, check=True, text=True)
    lines = [line.split() for line in (tmp_path / "tickbox_restore_test.prom").read_text().splitlines()]
    assert [name for name, _ in lines] == [
        "tickbox_restore_test_last_success_timestamp_seconds",
        "tickbox_restore_test_seconds",
        "tickbox_restore_test_rows",
    ]
    assert [value for _, value in lines[1:]] == ["12", "340"]
    assert int(lines[0][1]) > 1_700_000_000


def test_root_reaches_the_server_of_its_backups_with_the_key_for_it(tmp_path: Path) -> None:
    files = rendered(
        "{{ __backup_ssh_files }}",
        __backup_settings={"ssh_host": "backup.example.com"},
        backup_ssh_key="-----BEGIN",
        backup_ssh_known_hosts="backup.example.com ssh-ed25519 AAAA",
    )
    assert [file["mode"] for file in files] == ["0600", "0644", "0644"]
    assert files[0]["content"] == "-----BEGIN\n"
    config = tmp_path / "config"
    config.write_text(files[2]["content"].replace("localuser root ", ""))  # whoever runs the tests
    asked = {}
    for host in ("backup.example.com", "other.example.com"):
        done = subprocess.run(["ssh", "-G", "-F", config, f"backup@{host}"], check=True, capture_output=True, text=True)
        asked[host] = done.stdout
    assert "identityfile /etc/tickbox/backup_ssh_key" in asked["backup.example.com"]
    assert "userknownhostsfile /etc/tickbox/backup_ssh_known_hosts" in asked["backup.example.com"]
    assert "stricthostkeychecking true" in asked["backup.example.com"]
    assert "tickbox" not in asked["other.example.com"]


def test_what_leads_back_to_a_release_on_the_hosts_is_named() -> None:
    manifests = {
        "v1": {"run_id": OLD, "restore_point": ""},
        "v2": {"run_id": RUN, "restore_point": f"shop_before_{RUN}"},
        "v3": {"run_id": RUN},
    }
    hosts = {
        "one": {"__backup_releases": {"releases": manifests}},
        "two": {"__backup_releases": {"releases": {"v1": manifests["v1"]}}},
    }
    given = {"groups": {"app": ["one", "two"], "database": ["three"]}, "hostvars": hosts}
    assert rendered("{{ __backup_named_databases }}", **given) == [f"shop_before_{RUN}"]
    assert rendered("{{ __backup_named_runs }}", **given) == [OLD, RUN]

"""Bad input: one clear error that names the variable or the host and what to do, before anything has changed."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LOCK = "/var/lib/tickbox/examples/lock.json"


@pytest.fixture(autouse=True)
def _nothing_changes(host: Any, version: Callable[[], str]) -> Iterator[None]:
    """Whatever is refused, the release that served serves, and no folder, unit or database has come or gone."""

    def look() -> tuple[str, ...]:
        listed = host.check_output("ls -1 /srv/examples/releases; readlink /srv/examples/current")
        running = host.check_output("systemctl list-units --plain --no-legend --state=active 'examples-*@*'")
        databases = host.check_output("runuser -u postgres -- psql -XAtc 'SELECT datname FROM pg_database ORDER BY 1'")
        return listed, running, databases, version()

    before = look()
    yield
    assert look() == before


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"app_version": "v9.9.9"}, "app_version: the repository has no 'v9.9.9'; its versions are"),
        ({"app_repo": "/none/there.git"}, "app_repo: /none/there.git cannot be fetched"),
        ({"app_repo": ""}, "app_repo"),
        ({"app_services": "web"}, "app_services"),
        ({"app_name": "../examples"}, "app_name: '../examples' is no name"),
        ({"app_node_lock": "package-lock.json"}, "app_requirements, app_node_lock: give the lock file"),
        ({"app_timers": [{"name": "x"}]}, "app_timers"),
        ({"preflight_free_bytes": 10**18}, "preflight_free_bytes asks for 1000000000000000000"),
    ],
    ids=[
        "unknown version",
        "no repository",
        "empty repository",
        "wrong type",
        "wrong name",
        "two kinds of packages",
        "missing key",
        "full disk",
    ],
)
def test_a_wrong_variable_is_named(play: Any, variables: dict[str, Any], message: str) -> None:
    done = play("deploy.yml", **{"app_version": "v1.1.0", **variables})
    assert done.code != 0
    assert message in done.output


def test_a_rollback_to_nowhere_is_refused(play: Any) -> None:
    done = play("rollback.yml", rollback_to="v9.9.9", rollback_reason="A test takes it back")
    assert done.code != 0
    assert "rollback_to: no way leads back to v9.9.9" in done.output


def test_a_rollback_that_nobody_gives_a_reason_for_is_refused(inventory: Path) -> None:
    command = ["ansible-playbook", "--inventory", str(inventory), "rollback.yml"]
    root = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
    environment = {**os.environ, "ANSIBLE_CONFIG": str(root / "ansible.cfg")}
    # Without a terminal nobody can be asked.
    done = subprocess.run(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "-e rollback_reason=" in done.stdout + done.stderr


def test_a_held_lock_is_refused_and_stays(play: Any, host: Any) -> None:
    holder = {"id": "other", "kind": "deploy", "who": "somebody@elsewhere", "started": time.time() - 300}
    host.run_test(f"echo '{json.dumps(holder)}' > {LOCK}")
    done = play("deploy.yml", app_version="v1.1.0")
    assert done.code != 0
    assert "deploy other by somebody@elsewhere, begun 5 min ago" in done.output
    assert json.loads(host.file(LOCK).content_string)["id"] == "other"
    host.run_test(f"rm {LOCK}")


@pytest.fixture
def elsewhere(inventory: Path, tmp_path: Path) -> Callable[[str], Path]:
    """An inventory with the scenario's variables and other hosts."""

    def make(hosts: str) -> Path:
        (tmp_path / "group_vars").symlink_to((inventory / "group_vars").resolve())
        (tmp_path / "hosts.yml").write_text(hosts)
        return tmp_path

    return make


def test_an_inventory_without_hosts_is_refused(play: Any, elsewhere: Callable[[str], Path]) -> None:
    done = play("deploy.yml", hosts_of=elsewhere("testhosts: {hosts: {lonely: {ansible_host: 10.89.80.250}}}\n"))
    assert done.code != 0
    assert "The inventory has no host in the group app" in done.output


def test_an_unreachable_host_is_named(play: Any, elsewhere: Callable[[str], Path]) -> None:
    groups = "".join(f"{group}: {{hosts: {{absent: }}}}\n" for group in ("app", "database", "redis", "web", "monitoring"))
    done = play("deploy.yml", hosts_of=elsewhere("testhosts: {hosts: {absent: {ansible_host: 10.89.80.250}}}\n" + groups))
    assert done.code != 0
    assert "absent" in done.output
    assert "UNREACHABLE" in done.output.upper()


def test_a_port_that_something_else_has_taken_is_named(play: Any, host: Any) -> None:
    unit = "port-thief.service"
    host.check_output(f"systemd-run --quiet --collect --unit={unit} python3 -m http.server --bind 127.0.0.2 6379")
    try:
        host.check_output("timeout 20 sh -c 'until ss -Hltn | grep -q 127.0.0.2:6379; do sleep 0.1; done'")
        done = play("playbooks/provision.yml")
    finally:
        host.check_output(f"systemctl stop {unit}")
    assert done.code != 0
    assert "port 6379 is taken by python3" in done.output
    assert "redis-server needs it" in done.output
    assert set(done.changed.values()) <= {0}


def test_a_wrong_vault_password_is_refused(play: Any, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong\n")
    done = play("deploy.yml", environment={"ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "password")})
    assert done.code != 0
    assert "vault" in done.output.lower()
    assert "Decryption failed" in done.output


def test_a_host_that_was_never_provisioned_is_named(play: Any) -> None:
    done = play("deploy.yml", app_name="another", app_version="v1.1.0")
    assert done.code != 0
    assert "provision the host first" in done.output

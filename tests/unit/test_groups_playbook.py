"""What playbooks/groups.yml refuses of an inventory, before a host is asked for anything."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOSTS = "hosts: {hosts: {one: {ansible_host: 192.0.2.11}}}\n"
GROUPS = "".join(f"{group}: {{hosts: {{one: }}}}\n" for group in ("app", "database", "redis", "web", "monitoring"))
VARIABLES = "app_name: shop\napp_requirements: requirements.lock\n"


def run(folder: Path, inventory: str, variables: str = VARIABLES) -> tuple[int, str]:
    (folder / "group_vars").mkdir()
    (folder / "group_vars/all.yml").write_text(variables)
    (folder / "hosts.yml").write_text(inventory)
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"--inventory={folder}/hosts.yml", "playbooks/groups.yml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("address", ["192.0.2.11", '"2001:db8::11"', "192.0.2.11, internal_address: 10.0.0.11"])
def test_an_inventory_that_says_all(tmp_path: Path, address: str) -> None:
    code, output = run(tmp_path, HOSTS.replace("192.0.2.11", address) + GROUPS)
    assert code == 0, output


@pytest.mark.parametrize(
    ("inventory", "variables", "says"),
    [
        (HOSTS, VARIABLES, "The inventory has no host in the group app."),
        (HOSTS + GROUPS.replace("redis: {hosts: {one: }}\n", ""), VARIABLES, "The inventory has no group redis."),
        (HOSTS.replace("ansible_host: 192.0.2.11", "") + GROUPS, VARIABLES, "one: ansible_host is ''. Give the host's address"),
        (HOSTS.replace("192.0.2.11", "one.test") + GROUPS, VARIABLES, "one: ansible_host is 'one.test'. Give the host's address"),
        (
            HOSTS.replace("11}", "11, internal_address: inner}") + GROUPS,
            VARIABLES,
            "one: ansible_host is '192.0.2.11', internal_address is 'inner'. Give the host's address",
        ),
        (HOSTS + GROUPS, VARIABLES.replace("shop", "Shop"), "app_name: 'Shop' is no name"),
        (HOSTS + GROUPS, "app_name: shop\n", "app_requirements, app_node_lock: give the lock file"),
        (HOSTS + GROUPS, VARIABLES + "app_node_lock: package-lock.json\n", "app_requirements, app_node_lock: give the lock file"),
    ],
)
def test_an_inventory_that_lacks_something_is_refused(tmp_path: Path, inventory: str, variables: str, says: str) -> None:
    code, output = run(tmp_path, inventory, variables)
    assert code != 0
    assert says in output

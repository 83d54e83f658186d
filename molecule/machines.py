"""The test hosts of an inventory, looked at as root."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Any

import testinfra
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import FileVaultSecret

ROOT = Path(__file__).parents[1]
SSH = ROOT / ".tickbox/ssh"


def known_hosts(address: str) -> Path:
    """The file with the SSH host key of a test host, as testhosts/create.yml leaves it."""
    return SSH / "known_hosts.d" / address


def hosts_of(inventory: Path) -> dict[str, Any]:
    """The hosts with their variables. An inventory without hosts would test nothing."""
    named: dict[str, Any] = yaml.safe_load((inventory / "hosts.yml").read_text())["testhosts"]["hosts"]
    assert named
    return named


def connector(hosts: dict[str, Any], connections: Path) -> Callable[[str], Any]:
    """A host by its name. ``connections``: a folder for sockets, of which the path has to be short."""

    @cache
    def connect(name: str) -> Any:
        address = hosts[name]["ansible_host"]
        extra = f"-o UserKnownHostsFile={known_hosts(address)} -o ControlPath={connections}/%C"
        return testinfra.get_host(
            f"ssh://ansible@{address}",
            ssh_identity_file=str(SSH / "id_ed25519"),
            ssh_extra_args=extra,
            sudo=True,
        )

    return connect


def secrets_of_demo() -> dict[str, str]:
    """The demo's secrets, out of its vault."""
    loader = DataLoader()
    secret = FileVaultSecret(filename=str(ROOT / ".tickbox/vault-password"), loader=loader)
    secret.load()
    loader.set_vault_secrets([("default", secret)])
    found: dict[str, str] = loader.load_from_file(str(ROOT / "inventory/demo/group_vars/all/vault.yml"))
    return found


def on_host(address: str, text: str) -> str:
    """A command of the controller that runs a shell text on a host as root, by a connection of its own."""
    options = f"-i {SSH}/id_ed25519 -o UserKnownHostsFile={known_hosts(address)} -o BatchMode=yes -o ControlPath=none"
    return f"ssh {options} ansible@{address} {quote(f'sudo bash -ec {quote(text)}')}"


def running_units(host: Any) -> list[str]:
    """The application's units that run."""
    listed = host.check_output("systemctl list-units --plain --no-legend --state=active 'examples-*@*'")
    return sorted(line.split()[0] for line in listed.splitlines())


def databases(host: Any) -> list[str]:
    return str(host.check_output("runuser -u postgres -- psql -XAtc 'SELECT datname FROM pg_database ORDER BY 1'")).split()


def _rows(host: Any, database: str) -> str:
    """Whole rows, as a migration may have renamed any column."""
    query = "SELECT row_to_json(saved_results) FROM saved_results"
    return str(host.check_output("runuser -u postgres -- psql -XAt -d %s -c %s", database, query))


def serving_rows(host: Any) -> str:
    return _rows(host, "examples")


def aside_rows(host: Any) -> list[str]:
    """Those of the databases that were set aside."""
    return [_rows(host, name) for name in databases(host) if name.startswith("examples_aside_")]

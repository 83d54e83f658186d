"""What the scenarios' tests share: playbooks run as people run them, the site as visitors see it, the run records."""

import json
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import httpx
import pytest
from machines import ROOT, connector, hosts_of, secrets_of_demo

ADMIN = "admin"


@dataclass(frozen=True)
class Outcome:
    """How a playbook ended: its exit code, its output, the hosts' figures, and the summary of the run that it made."""

    code: int
    output: str = field(repr=False)  # it is printed; in the words of a failed test it would hide the rest
    changed: dict[str, int]
    summary: dict[str, Any]


@pytest.fixture(scope="session")
def inventory() -> Path:
    return Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "inventory"


@pytest.fixture(scope="session")
def hosts(inventory: Path) -> dict[str, Any]:
    """The hosts of the scenario with their variables."""
    return hosts_of(inventory)


@pytest.fixture(scope="session")
def machine(hosts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """A host of the scenario by its name, looked at as root."""
    return connector(hosts, tmp_path_factory.mktemp("ssh"))


@pytest.fixture
def host(hosts: dict[str, Any], machine: Callable[[str], Any]) -> Any:
    """The host of a scenario that has one."""
    (name,) = hosts
    return machine(name)


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the records of the runs that ``play`` makes are."""
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="session")
def play(inventory: Path, records: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Outcome]:
    """Run a playbook of the project: play("deploy.yml", "--check", app_version="v1.1.0").

    ``hosts_of``: another inventory than the scenario's. ``environment``: variables for Ansible itself.
    """

    latest = records / "latest"

    def run(
        playbook: str,
        *arguments: str,
        hosts_of: Path = inventory,
        environment: Mapping[str, str] | None = None,
        **variables: Any,
    ) -> Outcome:
        before = latest.readlink() if latest.is_symlink() else None
        done = ansible_runner.run(
            private_data_dir=str(tmp_path_factory.mktemp("run")),
            project_dir=str(ROOT),
            playbook=playbook,
            inventory=str(hosts_of),
            extravars={"run_reports": str(records), **variables},
            cmdline=" ".join(arguments) or None,
            envvars={
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "plugins/callback"),
                "ANSIBLE_STDOUT_CALLBACK": "tickbox",  # the runner has a callback of its own, which lets this one speak
                **(environment or {}),
            },
            quiet=True,
        )
        output = done.stdout.read()
        print(output)
        made = latest.is_symlink() and latest.readlink() != before
        summary = json.loads((latest / "summary.json").read_text()) if made else {}
        return Outcome(done.rc, output, (done.stats or {}).get("changed", {}), summary)

    return run


@pytest.fixture(scope="session")
def address(hosts: dict[str, Any]) -> str:
    """Where the scenario's web host is: the one named so, or the only host."""
    web = [host for name, host in hosts.items() if name.endswith("-web")] or list(hosts.values())
    return str(web[0]["ansible_host"])


@pytest.fixture
def site(address: str) -> httpx.Client:
    """A visitor, who trusts the demo's CA and keeps cookies."""
    context = ssl.create_default_context(cafile=str(ROOT / ".tickbox/ca/ca.crt"))
    return httpx.Client(base_url=f"https://{address}", verify=context, timeout=20, trust_env=False)


@pytest.fixture(scope="session")
def figures() -> Iterator[list[str]]:
    """What visitors saw, a line a test, written to reports/<scenario>.md."""
    lines = ["| test | requests | failed | long ones over the switch |", "|---|---|---|---|"]
    yield lines
    (ROOT / f"reports/{os.environ['MOLECULE_SCENARIO_NAME']}.md").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def secrets() -> dict[str, str]:
    return secrets_of_demo()


@pytest.fixture
def user(site: httpx.Client, secrets: dict[str, str]) -> httpx.Client:
    """A visitor who has logged in."""
    answer = site.post("/api/login", json={"username": ADMIN, "password": secrets["vault_app_admin_password"]})
    assert answer.is_success, answer.text
    return site


@pytest.fixture
def version(site: httpx.Client) -> Callable[[], str]:
    return lambda: str(site.get("/version").raise_for_status().json()["version"])

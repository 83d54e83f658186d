"""Those that are measured. Each takes the example application to a version and back, and says nothing before it is done."""

import os
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ansible_runner
from machines import known_hosts

from tools.bench import BENCH, ROOT
from tools.bench.versions import REPOSITORY

INVENTORY = BENCH / "inventory"
LOGS = ROOT / "reports/bench"
SSH = ROOT / ".tickbox/ssh"
REASON = "It is measured how long the way back takes"


class Contender(ABC):
    name: str
    title: str
    site: str  # what nginx knows its site by

    @abstractmethod
    def deploy(self, version: str) -> list[dict[str, Any]]:
        """Deploy the version; the events of the run, where there are any."""

    def update(self, version: str) -> list[dict[str, Any]]:
        """Deploy a version that leaves the schema alone."""
        return self.deploy(version)

    @abstractmethod
    def rollback(self) -> list[dict[str, Any]]:
        """Go back to the version before."""


@dataclass
class Tickbox(Contender):
    inventory: Path = INVENTORY
    name, title, site = "tickbox", "Tickbox", ""

    def deploy(self, version: str) -> list[dict[str, Any]]:
        return self._play("deploy.yml", app_version=version)

    def update(self, version: str) -> list[dict[str, Any]]:
        return self._play("deploy.yml", app_version=version, deploy_strategy="rolling")

    def rollback(self) -> list[dict[str, Any]]:
        return self._play("rollback.yml", rollback_reason=REASON)

    def restore(self) -> list[dict[str, Any]]:
        """Go back with the database, whatever the worker has written since."""
        return self._play("rollback.yml", rollback_reason=REASON, rollback_database="restore", rollback_accept_data_loss=True)

    def _play(self, name: str, **variables: Any) -> list[dict[str, Any]]:
        return playbook(name, inventory=self.inventory, **variables)


@dataclass
class Commands(Contender):
    """A tool that is a command. It has the address of the repository, and a folder in which it builds the frontend."""

    host: str
    repository: str
    name = ""
    folder = BENCH

    def _run(self, command: list[str], **more: str) -> list[dict[str, Any]]:
        environment = {
            "BENCH_HOST": self.host,
            "BENCH_KEY": str(SSH / "id_ed25519"),
            "BENCH_KNOWN_HOSTS": str(known_hosts(self.host)),
            "BENCH_REPOSITORY": self.repository,
            "BENCH_LOCAL_REPOSITORY": str(REPOSITORY),
            "BENCH_BUILD": str(ROOT / ".tickbox/bench" / self.name),
            **more,
        }
        LOGS.mkdir(parents=True, exist_ok=True)
        log = LOGS / f"{self.name}.log"
        with log.open("w") as output:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: see {log}")
        return []


class Capistrano(Commands):
    name, title, site = "capistrano", "Capistrano", "capistrano.test"
    folder = BENCH / "capistrano"

    def deploy(self, version: str) -> list[dict[str, Any]]:
        return self._run(["cap", "bench", "deploy"], BENCH_VERSION=version)

    def rollback(self) -> list[dict[str, Any]]:
        return self._run(["cap", "bench", "deploy:rollback"])


class Floor(Commands):
    name, title, site = "floor", "the floor", "floor.test"

    def deploy(self, version: str) -> list[dict[str, Any]]:
        return self._run(["./floor.sh", "deploy", version])

    def rollback(self) -> list[dict[str, Any]]:
        return self._run(["./floor.sh", "rollback"])


def playbook(name: str, *options: str, inventory: Path = INVENTORY, **variables: Any) -> list[dict[str, Any]]:
    """Run a playbook as an operator would; its events. It opens its own SSH connection, as the others do."""
    events: list[dict[str, Any]] = []

    def note(event: dict[str, Any]) -> bool:
        events.append(event)
        return False  # the runner need not keep it

    LOGS.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as private, TemporaryDirectory() as sockets:
        done = ansible_runner.run(
            private_data_dir=private,
            project_dir=str(ROOT),
            playbook=name,
            inventory=str(inventory),
            extravars=variables,
            cmdline=" ".join(options) or None,
            envvars={
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "plugins/callback"),
                "ANSIBLE_STDOUT_CALLBACK": "tickbox",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
            },
            event_handler=note,
            quiet=True,
        )
        log = LOGS / f"{Path(name).stem}.log"
        log.write_text(done.stdout.read())
    if done.rc != 0:
        raise RuntimeError(f"{name} ended with {done.rc}: see {log}")
    return events

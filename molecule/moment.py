"""A moment of a run at which something happens: what tells the callback at_task of it, and what the callback wrote down."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import run
from typing import Any

ROOT = Path(__file__).parents[1]
# A moment's own addresses lie above those of the test hosts.
FIRST_ADDRESS = 200


@dataclass(frozen=True)
class Moment:
    """``at``: number or name of the task before which it is; empty for none, which only lists the tasks.

    ``do``: a shell command of the controller; empty to kill the run. ``look``: one that is run before each task, and prints what
    there is. ``tasks``: the file that is written.
    """

    tasks: Path
    at: str = ""
    do: str = ""
    look: str = ""
    mark: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ANSIBLE_CALLBACK_PLUGINS": f"{ROOT}/plugins/callback:{ROOT}/molecule/plugins/callback",
            "ANSIBLE_CALLBACKS_ENABLED": "at_task",
            "TICKBOX_TASKS": str(self.tasks),
            "TICKBOX_AT": self.at,
            "TICKBOX_DO": self.do,
            "TICKBOX_LOOK": self.look,
            "TICKBOX_MARK": self.mark,
        }

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What the callback wrote down; nothing where the run ended before its first task."""
        return [json.loads(line) for line in self.tasks.read_text().splitlines()] if self.tasks.exists() else []

    @property
    def names(self) -> list[str]:
        """The tasks that began, in their order."""
        return [line["task"] for line in self.lines if "task" in line]

    @property
    def done(self) -> dict[str, Any] | None:
        """What happened, None where the run never came to it."""
        return next((line for line in self.lines if "did" in line), None)


@contextmanager
def addresses(host: str, count: int, first: int = FIRST_ADDRESS) -> Iterator[list[str]]:
    """More addresses of this machine, on the bridge that leads to a test host."""
    network = host.rpartition(".")[0]
    route = json.loads(run(["ip", "-json", "route", "get", host], check=True, capture_output=True, text=True).stdout)
    own = [f"{network}.{first + number}" for number in range(count)]
    for one in own:
        run(["ip", "address", "replace", f"{one}/32", "dev", route[0]["dev"]], check=True)
    try:
        yield own
    finally:
        for one in own:
            run(["ip", "address", "delete", f"{one}/32", "dev", route[0]["dev"]], check=True)

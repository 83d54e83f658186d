# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""For tests: lists a run's tasks, and at one of them breaks something or kills the controller."""

from __future__ import annotations

DOCUMENTATION = """
name: at_task
type: notification
short_description: List the tasks of a run, and break something before one of them
description:
  - Appends one JSON line for each task that begins to the file E(TICKBOX_TASKS), with its number and name.
  - Before the task that E(TICKBOX_AT) names, by its number or its name (the first that bears it), runs the shell command
    E(TICKBOX_DO) and appends what came of it. Without a command it kills the run, as C(kill -9) would, with all that it has
    started on this machine.
  - What the run has started is known by E(TICKBOX_MARK), which has to be in the environment of the run.
requirements:
  - enabled in C(callbacks_enabled)
"""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


def started_under(mark: str) -> set[int]:
    """The processes that were started with this mark: workers have sessions of their own, background jobs no parents."""
    wanted = f"TICKBOX_MARK={mark}".encode()
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:  # it has ended, or is another user's
            continue
        if wanted in environment.split(b"\0"):
            found.add(int(process.name))
    return found


def kill_run(mark: str) -> None:
    """Itself last."""
    gone = {os.getpid()}
    while others := started_under(mark) - gone:
        for process in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        gone |= others
    os.kill(os.getpid(), signal.SIGKILL)


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "at_task"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        # Taken out of the environment: a playbook that the command runs has no moment of its own.
        self._at, self._do, self._tasks = (os.environ.pop(f"TICKBOX_{name}", "") for name in ("AT", "DO", "TASKS"))
        self._mark = os.environ.get("TICKBOX_MARK", "")
        self._number = 0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._number += 1
        self._note(number=self._number, task=task.get_name())
        if self._at and self._at in {str(self._number), task.name, task.get_name()}:
            self._at = ""
            self._act()

    def _act(self) -> None:
        if not self._do:
            self._note(at=self._number, did="kill")
            kill_run(self._mark)
        environment = {name: value for name, value in os.environ.items() if name != "TICKBOX_MARK"}
        command = ["bash", "-ec", self._do]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self._note(at=self._number, did=self._do, code=done.returncode, output=done.stdout + done.stderr)

    def _note(self, **line: Any) -> None:
        if self._tasks:
            with Path(self._tasks).open("a") as file:
                file.write(json.dumps(line) + "\n")

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""For tests: lists a run's tasks with what came of them, and at one of them breaks something or kills the controller."""

from __future__ import annotations

DOCUMENTATION = """
name: at_task
type: notification
short_description: List the tasks of a run, and break something before one of them
description:
  - Appends one JSON line for each task that begins to the file E(TICKBOX_TASKS), with its number, name and action, and one for
    what came of it on each host.
  - After each task that could change something it runs the shell command E(TICKBOX_LOOK), where there is one, and appends the
    lines that the command printed and had not printed the time before, or does not print any more.
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
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

# They are carried out in Ansible itself: what they change is in its memory.
NO_DEEDS = {f"ansible.builtin.{name}" for name in ("assert", "debug", "fail", "include_role", "include_tasks", "meta", "set_fact")}


def started_under(mark: str) -> set[int]:
    """The processes that were started with this mark: workers have sessions of their own, background jobs no parents."""
    wanted = f"TICKBOX_MARK={mark}".encode()
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = environment_of(process)
        except OSError:  # it has ended, or is another user's
            continue
        if wanted in environment.split(b"\0"):
            found.add(int(process.name))
    return found


def environment_of(process: Path) -> bytes:
    """While a process takes up a program (``execve``), the kernel shows none: it is read once that is done."""
    environment = (process / "environ").read_bytes()
    while not environment and takes_up_a_program(process):
        time.sleep(0.001)
    return environment or (process / "environ").read_bytes()


def takes_up_a_program(process: Path) -> bool:
    """It has memory (field 23 of proc(5) ``stat``; threads of the kernel have none), and no end of its environment (51) yet."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return fields[20] != "0" and fields[48] == "0"


def kill_run(mark: str) -> None:
    """Itself last."""
    gone = {os.getpid()}
    while others := started_under(mark) - gone:
        for process in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        gone |= others
    os.kill(os.getpid(), signal.SIGKILL)


def bash(command: str) -> subprocess.CompletedProcess[str]:
    """It does not bear the mark."""
    environment = {name: value for name, value in os.environ.items() if name != "TICKBOX_MARK"}
    return subprocess.run(
        ["bash", "-ec", command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "at_task"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        # Taken out of the environment: a playbook that the command runs has no moment of its own.
        names = ("AT", "DO", "LOOK", "TASKS")
        self._at, self._do, self._look, self._tasks = (os.environ.pop(f"TICKBOX_{name}", "") for name in names)
        self._mark = os.environ.get("TICKBOX_MARK", "")
        self._number = 0
        self._deed = True
        self._seen: set[str] = set()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        if self._look and self._deed:
            self._note(after=self._number, other=self._looked())
            self._deed = False
        self._number += 1
        self._note(number=self._number, task=task.get_name(), action=task.action)
        if self._at and self._at in {str(self._number), task.name, task.get_name()}:
            self._at = ""
            self._act()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._came(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._came(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._came(result, "unreachable")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._came(result, "skipped")

    def _came(self, result: Any, outcome: str) -> None:
        came = result.result
        self._deed = self._deed or (outcome != "skipped" and result.task.action not in NO_DEEDS)
        job = {"job": came["ansible_job_id"], "finished": bool(came["finished"])} if "finished" in came else {}
        self._note(of=self._number, host=result.host.name, outcome=outcome, **job)

    def _looked(self) -> list[str]:
        """What is not as it was the time before."""
        done = bash(self._look)
        if done.returncode != 0:
            return [f"it could not be looked: {done.stderr.strip()}"]
        before, self._seen = self._seen, set(done.stdout.splitlines())
        return sorted(before ^ self._seen) if before else []

    def _act(self) -> None:
        if not self._do:
            self._note(at=self._number, did="kill")
            kill_run(self._mark)
        done = bash(self._do)
        self._note(at=self._number, did=self._do, code=done.returncode, output=done.stdout + done.stderr)

    def _note(self, **line: Any) -> None:
        if self._tasks:
            with Path(self._tasks).open("a") as file:
                file.write(json.dumps(line) + "\n")

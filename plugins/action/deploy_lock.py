# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes the lock of an application on a host for the run of this process, and gives signs of life as long as the process lives.

The lock names the controller's process. A run that was one of this controller and is no more is known to be dead at once; for any
other one the host goes by the signs of life. They are given by a process of its own, which has the connection of the task: a run
spends minutes in tasks that do not touch a host.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

MODULE_UTILS = str(Path(__file__).parents[1] / "module_utils")
if MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(MODULE_UTILS)
from ansible.module_utils.tickbox.lock import BEAT, end_processes

HIGHEST = 65536  # descriptors that the process could have inherited


def begun(pid: int) -> str:
    """When the process began, in ticks since boot, which tells it from a later one of that number; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def machine() -> str:
    """This boot and this space of process numbers."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').stat().st_ino}"


class ActionModule(ActionBase):  # type: ignore[misc]
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        main = os.getppid()
        if run := arguments.get("run"):
            arguments["run"] = {**run, "controller": {"machine": machine(), "pid": main, "begun": begun(main)}}
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        holder = result.get("holder") or {}
        result["dead"] = self._dead(holder)
        if result.get("failed") and result["dead"]:
            again = self._execute_module(module_args={**arguments, "dead": holder["id"]}, task_vars=task_vars)
            result = {**again, "dead": True}
        taken = arguments.get("state", "present") == "present" and not result.get("failed")
        if taken and holder.get("id") != arguments["run"]["id"] and not self._task.check_mode:
            if holder:
                end_processes(holder["id"])  # as on the host: what the dead run left on the controller
            self._stay_alive(arguments, main)
        return result

    @staticmethod
    def _dead(holder: dict[str, Any]) -> bool:
        """Whether the holder is a run of this controller that is no more. Of another controller's nothing is known here."""
        process = holder.get("controller") or {}
        return process.get("machine") == machine() and begun(int(process.get("pid", 0))) != process.get("begun")

    def _stay_alive(self, arguments: dict[str, Any], main: int) -> None:
        """Begin a process that touches the lock until this run is over."""
        if os.fork():
            return
        # whatever goes wrong here must not go on as a second worker of Ansible
        try:
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDWR)
            for standard in range(3):
                os.dup2(nothing, standard)
            os.closerange(3, HIGHEST)
            self._beat(arguments["path"], arguments["run"], main)
        finally:
            os._exit(0)

    def _beat(self, path: str, run: dict[str, Any], main: int) -> None:
        command = f"""grep -qF '"id": "{run["id"]}"' {path} && touch -c {path}"""
        due = time.monotonic() + BEAT
        while begun(main) == run["controller"]["begun"]:
            time.sleep(0.5)
            if time.monotonic() < due:
                continue
            due = time.monotonic() + BEAT
            # a host that cannot be reached just now is tried again
            with contextlib.suppress(AnsibleError, OSError):
                if self._low_level_execute_command(command)["rc"] != 0:
                    return

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows each statement of the checklist as it is ticked, and appends it to the run record."""

from __future__ import annotations

DOCUMENTATION = """
name: tickbox
type: notification
short_description: Show the checklist as it is ticked and keep the run record
description:
  - Prints one line for each assertion that a C(check_*) module returns.
  - Once M(run_record) has opened a run, appends assertions, phases, failures and unreachable hosts to its record,
    flushed line by line, so that a killed run leaves what it saw.
requirements:
  - enabled in C(callbacks_enabled)
"""

import time
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible import constants as C
from ansible.playbook.role_include import IncludeRole
from ansible.plugins.callback import CallbackBase

# Ansible gives plugins/module_utils to modules only; a callback has to name it.
ansible.module_utils.__path__.append(str(Path(__file__).parent.parent / "module_utils"))
from ansible.module_utils.tickbox.record import Writer, seconds

MARKS = {
    "passed": ("[x]", C.COLOR_OK),
    "attested": ("[x]", C.COLOR_OK),
    "failed": ("[!]", C.COLOR_ERROR),
    "unverifiable": ("[?]", C.COLOR_WARN),
    "waived": ("[-]", C.COLOR_WARN),
    "not_applicable": ("[-]", C.COLOR_SKIP),
    "pending": ("[ ]", C.COLOR_WARN),
}


def outermost_role(task: Any) -> Any:
    """The play's own include of a role through which the task came: the phase. None for a task of the play itself."""
    found = None
    while (task := getattr(task, "_parent", None)) is not None:
        if isinstance(task, IncludeRole):
            found = task
    return found


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "tickbox"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._record: Writer | None = None
        self._include: IncludeRole | None = None

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        include = outermost_role(task)
        if include is not None and (self._include is None or include.get_name() != self._include.get_name()):
            self._include = include
            self._write("phase", name=include.get_name(), phase=include._role_name)

    def v2_runner_on_ok(self, result: Any) -> None:
        opened = result.result.get("tickbox_run")
        if opened and opened.get("directory"):
            self._record = Writer(Path(opened["directory"]))
            self._write("resumed" if "resumed" in opened else "opened", **opened)
        self._assertions(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._assertions(result)
        if not ignore_errors:
            self._write("failure", host=result.host.name, task=result.task_name, message=str(result.result.get("msg", "")))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._write("unreachable", host=result.host.name, task=result.task_name, message=str(result.result.get("msg", "")))

    def _assertions(self, result: Any) -> None:
        for seen in [result.result, *result.result.get("results", [])]:
            if not isinstance(seen, dict):
                continue
            for assertion in seen.get("assertions", []):
                host = self._looked_from(result)
                mark, color = MARKS[assertion["status"]]
                self._display.display(f"  {mark} {assertion['item']:<44} {host}: {assertion['summary']}", color=color)
                phase = self._include._role_name if self._include else None
                self._write("assertion", host=host, phase=phase, seconds=seconds(assertion), **assertion)

    @staticmethod
    def _looked_from(result: Any) -> str:
        """The host that was looked at, or the controller where the look was from outside."""
        delegated = result.result.get("_ansible_delegated_vars", {})
        if delegated.get("ansible_connection") == "local":
            return "controller"
        return str(delegated.get("ansible_delegated_host") or result.host.name)

    def _write(self, event: str, **fields: Any) -> None:
        if self._record:
            self._record.append({"event": event, "time": time.time(), **fields})

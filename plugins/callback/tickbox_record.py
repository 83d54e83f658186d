# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Appends to the run record what modules saw, whatever shows it on the terminal."""

from __future__ import annotations

DOCUMENTATION = """
name: tickbox_record
type: notification
short_description: Keep the run record
description:
  - Once M(run_record) has opened a run, appends assertions, phases, failures and unreachable hosts to its record,
    flushed line by line, so that a killed run leaves what it saw.
  - Is always on where Ansible finds it, so that no setting of an operator's loses the record.
"""

import time
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.plugins.callback import CallbackBase

# Ansible gives plugins/module_utils to modules only; a callback has to name it.
ansible.module_utils.__path__.append(str(Path(__file__).parent.parent / "module_utils"))
from ansible.module_utils.tickbox.callbacks import assertions_of, outermost_role
from ansible.module_utils.tickbox.record import Writer, seconds


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "tickbox_record"

    def __init__(self) -> None:
        super().__init__()
        self._record: Writer | None = None
        self._include: Any = None
        self._looked: set[str] = set()  # the items that the task in progress has looked at on some host

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._looked = set()
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
        message = str(result.result.get("msg", ""))
        self._write("unreachable", host=result.host.name, task=result.task_name, message=message, items=sorted(self._looked))

    def _assertions(self, result: Any) -> None:
        phase = self._include._role_name if self._include else None
        once = bool(result.task.run_once)
        for host, assertion in assertions_of(result):
            self._looked |= set() if once else {assertion["item"]}
            self._write("assertion", host=host, phase=phase, once=once, seconds=seconds(assertion), **assertion)

    def _write(self, event: str, **fields: Any) -> None:
        if self._record:
            self._record.append({"event": event, "time": time.time(), **fields})

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a module of library/ in the process that carries out the task, where it runs on the controller anyway.

A process of its own costs a module half a second: Python starts, and imports Ansible and httpx once more. Visitors wait for the
looks in the maintenance window, so the modules that look from outside are imported once here. Each such module has a link of its
name to this file. Asynchronously it runs in a fork of the task's process, which has all that in memory as well, and async_look
gathers what it saw. On any other host the module runs as every module does. What the run asks of it is settled as own_process.py
says.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import tempfile
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.module_utils.testing import patch_module_args
from ansible.plugins.action import ActionBase

HERE = Path(__file__)
NAME = HERE.stem
MODULE_UTILS = str(HERE.parents[1] / "module_utils")
if MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(MODULE_UTILS)
from ansible.module_utils.tickbox.looks import arguments_for, result_for


def load() -> Any:
    """The module of this name. Ansible loads an action before it forks for the task, so that tasks share what is imported."""
    found = spec_from_file_location(NAME, HERE.parents[2] / "library" / f"{NAME}.py")
    if found is None or found.loader is None:
        raise ImportError(f"library/{NAME}.py cannot be loaded")
    module = module_from_spec(found)
    # As an import would: what the module defines is looked up by its name.
    sys.modules[NAME] = module
    found.loader.exec_module(module)
    return module


class ActionModule(ActionBase):  # type: ignore[misc]
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = arguments_for(self._task, self._templar, variables)
        if arguments is None:
            return {**result, "skipped": True, "skip_reason": "none of its statements is asked for"}
        if self._connection.transport != "local" or self._play_context.become:
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val))
        else:
            self._update_module_args(NAME, arguments, task_vars)
            given = self._begin(arguments) if self._task.async_val else self._call(arguments)
            result.update(self._parse_returned_data({"stdout": given}, "legacy"))
        seen: dict[str, Any] = result_for(result, self._task, self._templar, variables)
        return seen

    def _call(self, arguments: dict[str, Any]) -> str:
        """What the module prints, or a failure where it crashes, which would end a process of its own."""
        output = io.StringIO()
        try:
            with patch_module_args(arguments), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
                MODULE.main()
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            told = f"it crashed: {type(error).__name__} {error} ({Path(where.filename).name}, line {where.lineno})"
            return json.dumps({"failed": True, "msg": told})
        return output.getvalue()

    def _begin(self, arguments: dict[str, Any]) -> str:
        """Call it in a fork, which leaves what it prints where async_status looks for it."""
        folder = Path(self.get_shell_option("async_dir", "~/.ansible_async")).expanduser()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", prefix=f"{NAME}.", dir=folder, delete=False) as file:
            begun = json.dumps(
                {"ansible_job_id": Path(file.name).name, "started": 1, "finished": 0, "results_file": file.name, "changed": False}
            )
            file.write(begun)
        if os.fork() == 0:
            try:
                os.setsid()  # the task's own group ends with the task
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.alarm(self._task.async_val)
                done = Path(f"{file.name}.done")
                done.write_text(self._call(arguments))
                done.replace(file.name)
            finally:
                os._exit(0)
        return begun


MODULE: Any = load() if NAME != "in_process" else None

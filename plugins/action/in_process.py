# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a module of library/ in the process that carries out the task, where it runs on the controller anyway.

A process of its own costs a module half a second: Python starts, and imports Ansible and httpx once more. Visitors wait for the
looks in the maintenance window, so the modules that look from outside are imported once here. Each such module has a link of its
name to this file. On any other host, and asynchronously, the module runs as every module does. What the run asks of it
is settled as own_process.py says.
"""

from __future__ import annotations

import contextlib
import io
import sys
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
        if self._connection.transport != "local" or self._play_context.become or self._task.async_val:
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val))
        else:
            result.update(self._call(arguments, task_vars))
        seen: dict[str, Any] = result_for(result, self._task, self._templar, variables)
        return seen

    def _call(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        self._update_module_args(NAME, arguments, task_vars)
        output = io.StringIO()
        try:
            with patch_module_args(arguments), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
                MODULE.main()
        except Exception as error:  # it would end a process of its own
            where = traceback.extract_tb(error.__traceback__)[-1]
            told = f"it crashed: {type(error).__name__} {error} ({Path(where.filename).name}, line {where.lineno})"
            return {"failed": True, "msg": told}
        parsed: dict[str, Any] = self._parse_returned_data({"stdout": output.getvalue()}, "legacy")
        return parsed


MODULE: Any = load() if NAME != "in_process" else None

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a look of library/ in a process of its own, as every module is run, and as the run asks for it.

Which statements are looked at (--tags), what is waived, and whether the run goes on over what does not hold (run_report_only) is
settled here and in in_process.py, on the controller and by its clock: no look knows of it, whatever host and phase it is of. Each
look has a link of its name to one of the two files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.plugins.action import ActionBase

MODULE_UTILS = str(Path(__file__).parents[1] / "module_utils")
if MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(MODULE_UTILS)
from ansible.module_utils.tickbox.looks import arguments_for, result_for


class ActionModule(ActionBase):  # type: ignore[misc]
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = arguments_for(self._task, self._templar, variables)
        if arguments is None:
            return {**result, "skipped": True, "skip_reason": "none of its statements is asked for"}
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val))
        seen: dict[str, Any] = result_for(result, self._task, self._templar, variables)
        return seen

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gathers a look that ran asynchronously, as ansible.builtin.async_status does, and treats its result as that of every look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.plugins.action import async_status

MODULE_UTILS = str(Path(__file__).parents[1] / "module_utils")
if MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(MODULE_UTILS)
from ansible.module_utils.tickbox.looks import result_for


class ActionModule(async_status.ActionModule):  # type: ignore[misc]
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        seen: dict[str, Any] = result_for(result, self._task, self._templar, task_vars or {})
        return seen

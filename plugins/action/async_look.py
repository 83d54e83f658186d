# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits for a look that runs asynchronously, and treats its result as that of every look.

jid: what the look was begun as; empty where nothing of it was asked for. seconds: how long to wait at most.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.plugins.action import async_status

MODULE_UTILS = str(Path(__file__).parents[1] / "module_utils")
if MODULE_UTILS not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(MODULE_UTILS)
from ansible.module_utils.tickbox.looks import result_for

SHORT_PAUSE = 0.05


class ActionModule(async_status.ActionModule):  # type: ignore[misc]
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        jid, seconds = str(self._task.args.get("jid") or ""), float(self._task.args.pop("seconds", 120))
        if not jid:
            return {"skipped": True, "skip_reason": "none of its statements is asked for"}
        here = Path(self._get_async_dir()).expanduser() / jid if self._connection.transport == "local" else None
        end = time.monotonic() + seconds
        while not (result := self._read(here) if here else super().run(tmp, task_vars)).get("finished") and time.monotonic() < end:
            time.sleep(SHORT_PAUSE)
        if not result.get("finished"):
            result.update(failed=True, msg=f"it has not ended after {seconds:g} s")
        seen: dict[str, Any] = result_for(result, self._task, self._templar, task_vars or {})
        return seen

    def _read(self, file: Path) -> dict[str, Any]:
        """What async_status would say of a job on this machine, without the time that a module takes to start."""
        try:
            text = file.read_text()
            seen = json.loads(text)
        except (OSError, ValueError) as error:
            return {"failed": True, "finished": True, "msg": f"{file} cannot be read: {error}"}
        if "started" in seen and not seen.get("finished"):
            return {"finished": False}
        return {**self._parse_returned_data({"stdout": text}, "legacy"), "finished": True, "ansible_job_id": file.name}

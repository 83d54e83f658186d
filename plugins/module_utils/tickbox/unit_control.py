# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several systemd units changed together, with few calls of systemctl."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

RUNNING = ("active", "activating", "reloading", "deactivating")

UNIT_NAMES: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
UNIT_SPEC: dict[str, Any] = dict.fromkeys(("stop", "start", "restart", "enable"), UNIT_NAMES)
STAMPS = Path("/var/lib/systemd/timers")  # when each persistent timer last elapsed, as the time of its file


def change_units(module: Any) -> dict[str, Any]:
    """Do what the arguments of UNIT_SPEC ask for, and return what changed. Fails the module with the end of the journal."""
    given = module.params
    before = _states(module, sorted({*given["stop"], *given["start"], *given["enable"]}))
    running = [unit for unit in given["stop"] if before[unit]["ActiveState"] in (*RUNNING, "failed")]
    disable = [unit for unit in given["stop"] if before[unit]["UnitFileState"] == "enabled"]
    start = [unit for unit in given["start"] if before[unit]["ActiveState"] != "active"]
    enable = [unit for unit in given["enable"] if before[unit]["UnitFileState"] != "enabled"]
    _systemctl(module, "stop", running)
    _systemctl(module, "reset-failed", [unit for unit in running if before[unit]["ActiveState"] == "failed"])
    _systemctl(module, "disable", disable)
    _systemctl(module, "enable", enable)
    if not module.check_mode:
        for timer in (unit for unit in [*start, *given["restart"]] if unit.endswith(".timer")):
            take_over(timer)
    _systemctl(module, "start", start)
    _systemctl(module, "restart", given["restart"])
    stopped = sorted({*running, *disable})
    started = [*start, *given["restart"]]
    return {"changed": bool(stopped or started or enable), "stopped": stopped, "started": started, "enabled": enable}


def take_over(timer: str, stamps: Path = STAMPS) -> None:
    """Let a persistent timer know when the same timer of any release last elapsed.

    Its work is then done at once where its time came while the timers changed, and never twice.
    """
    name = timer.partition("@")[0]
    known = [path.stat().st_mtime_ns for path in stamps.glob(f"stamp-{name}@*.timer")]
    if "@" in timer and known:
        stamp = stamps / f"stamp-{timer}"
        stamp.touch()
        os.utime(stamp, ns=(max(known), max(known)))


def last_words(module: Any, units: list[str]) -> str:
    """The end of what the units wrote to the journal, for a person."""
    journal = ["journalctl", "--no-pager", "--quiet", "--lines=5", "--output=cat", *[f"--unit={unit}" for unit in units]]
    return "The journal ends: " + " | ".join(module.run_command(journal)[1].strip().splitlines())


def _states(module: Any, units: list[str]) -> dict[str, dict[str, str]]:
    """ActiveState and UnitFileState of each unit."""
    if not units:
        return {}
    command = ["systemctl", "show", "--property=Id,ActiveState,UnitFileState", *units]
    _rc, out, _err = module.run_command(command, check_rc=True)
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if line) for block in out.strip().split("\n\n")]
    return dict(zip(units, blocks, strict=True))


def _systemctl(module: Any, verb: str, units: list[str]) -> None:
    if not units or module.check_mode:
        return
    rc, out, err = module.run_command(["systemctl", verb, *units])
    if rc != 0:
        module.fail_json(msg=f"systemctl {verb} {' '.join(units)}: {(err or out).strip()}. {last_words(module, units)}")

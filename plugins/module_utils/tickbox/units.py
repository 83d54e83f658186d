# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges units: were they restarted, do they run from the release, are they stable, do they answer."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from .answers import HTTP_OK, NO_ANSWER, Answer, json_differences
from .assertion import Verdict, verdict
from .processes import Process
from .systemd import Properties, Sample, timestamp

# A restart longer ago than this is history; one younger may be part of a loop that is slower than the window.
SETTLED = timedelta(seconds=60)


@dataclass(frozen=True)
class SocketFacts:
    """Who listens behind the link that nginx follows.

    expected, resolved: the release's socket and where the link leads. listeners: inode of each socket that listens there, with
    the processes that hold it. outsiders: those of them that are not the web unit's. kept: whether some process held
    the listening socket during the whole window.
    """

    expected: str
    resolved: str
    listeners: Mapping[str, set[int]]
    outsiders: set[int]
    kept: bool

    def problems(self) -> list[str]:
        """Name what is wrong with the way from the link to the process."""
        problems = []
        if self.resolved != self.expected:
            problems.append(f"the current socket leads to {self.resolved}, not {self.expected}")
        if not self.listeners:
            problems.append(f"nothing listens on {self.expected}")
        elif len(self.listeners) > 1:
            problems.append(f"{len(self.listeners)} sockets listen under the name {self.expected}")
        elif not all(self.listeners.values()):
            problems.append(f"no process is seen to hold the socket {self.expected}")
        if self.outsiders:
            named = ", ".join(str(pid) for pid in sorted(self.outsiders))
            problems.append(f"process {named} on {self.expected} is not the web unit's")
        if self.listeners and not self.kept:
            problems.append(f"the processes that serve {self.expected} were all replaced within the window")
        return problems


def judge_restart(
    samples: Sequence[Sample],
    processes: Mapping[str, Process],
    release: Path,
    started_after: datetime | None,
    now: datetime,
) -> Verdict:
    """deploy.release.restart: each unit's main process is new, runs from this release and stays."""
    problems = stability_problems(samples, now) + [
        f"{unit}: {problem}"
        for unit, properties in samples[-1].items()
        for problem in [
            *_pending_problems(properties),
            *_age_problems(properties, started_after),
            *(place_problems(processes[unit], properties, release) if unit in processes else []),
        ]
    ]
    if not samples[-1]:
        problems.append("no service was named")
    return verdict(
        problems,
        f"{len(samples[-1])} units run from {release.name}" + (" and started in time" if started_after else ""),
        expected={"release": str(release), "started_after": started_after.isoformat() if started_after else None},
        observed={unit: _facts(properties) for unit, properties in samples[-1].items()},
        evidence={unit: {"cwd": p.cwd, "exe": p.exe, "arguments": p.arguments} for unit, p in processes.items()},
    )


def judge_running(
    samples: Sequence[Sample],
    timers: Sample,
    web_unit: str,
    sockets: SocketFacts,
    health: Sequence[Answer],
    health_json: Mapping[str, Any],
    now: datetime,
) -> Verdict:
    """deploy.verification.running: units stable, the listener is the web unit's, its health answer is good."""
    problems = stability_problems(samples, now)
    problems += [
        f"{unit}: disabled, so it would not come back after a boot"
        for unit, properties in samples[-1].items()
        if properties.get("UnitFileState") == "disabled"
    ]
    if web_unit not in samples[-1]:
        problems.append(f"{web_unit}: not among the units")
    problems += [f"{timer}: {problem}" for timer, properties in timers.items() for problem in timer_problems(properties)]
    problems += sockets.problems()
    for answer in health:
        if found := health_problems(answer, health_json):
            problems += [f"health: {problem}" for problem in found]
            break
    return verdict(
        problems,
        f"{len(samples[-1])} units stable, {len(timers)} timers set, {len(health)} healthy answers",
        expected={"health": dict(health_json), "socket": sockets.expected},
        observed={
            "units": {unit: _facts(properties) for unit, properties in samples[-1].items()},
            "socket": sockets.resolved,
            "listeners": {inode: sorted(pids) for inode, pids in sockets.listeners.items()},
        },
        evidence={"health": health[-1].text if health else None, "timers": timers},
    )


def stability_problems(samples: Sequence[Sample], now: datetime) -> list[str]:
    """Name the units that were not the same running process in every sample, or are fresh from a crash."""
    problems = []
    for unit, last in samples[-1].items():
        seen = [sample[unit] for sample in samples]
        if last.get("LoadState") != "loaded":
            problems.append(f"{unit}: {last.get('LoadState') or 'unknown'}")
            continue
        down = [entry for entry in seen if (entry.get("ActiveState"), entry.get("SubState")) != ("active", "running")]
        if down:
            state = f"{down[-1].get('ActiveState')} ({down[-1].get('SubState')})"
            problems.append(f"{unit}: {state} in {len(down)} of {len(seen)} samples")
        restarts, before = _number(last, "NRestarts"), _number(seen[0], "NRestarts")
        if restarts > before:
            problems.append(f"{unit}: restarted {restarts - before} times within the window")
        elif len({entry.get("MainPID") for entry in seen}) > 1:
            problems.append(f"{unit}: its main process changed within the window")
        elif restarts and (started := timestamp(last.get("ExecMainStartTimestamp", ""))) and now - started < SETTLED:
            age = (now - started).total_seconds()
            problems.append(f"{unit}: crashed and was restarted ({restarts} times, the last {age:.0f} s ago)")
    return problems


def timer_problems(properties: Properties) -> list[str]:
    """Name what keeps a timer from elapsing again."""
    if properties.get("LoadState") != "loaded":
        return [properties.get("LoadState") or "unknown"]
    problems = _pending_problems(properties)
    if properties.get("ActiveState") != "active":
        problems.append(f"{properties.get('ActiveState')} ({properties.get('Result')})")
    elif properties.get("SubState") != "running" and not _elapses(properties):
        problems.append("active, but will not elapse again")
    # Nothing else survives a boot.
    if properties.get("UnitFileState") != "enabled":
        problems.append(f"{properties.get('UnitFileState') or 'not enabled'}")
    return problems


def health_problems(answer: Answer, expected: Mapping[str, Any]) -> list[str]:
    """Name what the application's own health answer lacks."""
    if answer.status == NO_ANSWER:
        return [answer.outcome]
    problems = [] if answer.status == HTTP_OK else [answer.outcome]
    return problems + json_differences(expected, answer.json())


def place_problems(process: Process, properties: Properties, release: Path) -> list[str]:
    """Name what ties the process to anything but this release."""
    problems = []
    if not _within(process.cwd, release / "code"):
        problems.append(f"its process runs in {process.cwd}, not in {release / 'code'}")
    elif process.cwd_replaced:
        problems.append(f"its process runs in a former {process.cwd}, which has been replaced since")
    command = properties.get("ExecStart", "")
    program = [process.exe, *process.arguments, *re.findall(r"path=(\S+)", command)]
    if not any(_lies_in(Path(process.cwd) / word, release) for word in program):
        problems.append(f"neither its program nor its unit's command lies in {release}")
    used = re.compile(re.escape(f"{release.parent}/") + r"([^/\s;:,]+)")
    others = {name for text in (*program, *process.mapped, command) for name in used.findall(text)} - {release.name}
    if others:
        problems.append(f"it uses files of release {', '.join(sorted(others))}")
    replaced = sorted(path for path in process.mapped if _within(path, release) and path.endswith(" (deleted)"))
    if replaced:
        problems.append(f"it still uses a file that has been replaced: {replaced[0]}")
    return problems


def _pending_problems(properties: Properties) -> list[str]:
    if properties.get("NeedDaemonReload") == "yes":
        return ["its unit file changed without a daemon-reload"]
    return []


def _age_problems(properties: Properties, started_after: datetime | None) -> list[str]:
    started = timestamp(properties.get("ExecMainStartTimestamp", ""))
    if started_after is None or properties.get("MainPID", "0") == "0":
        return []
    if started is None:
        return ["systemd does not say when its process started"]
    if started <= started_after:
        return [f"its process started {started:%Y-%m-%d %H:%M:%S} UTC, before {started_after:%Y-%m-%d %H:%M:%S %Z}"]
    return []


def _elapses(properties: Properties) -> bool:
    realtime = properties.get("NextElapseUSecRealtime", "")
    monotonic = properties.get("NextElapseUSecMonotonic", "")
    return realtime not in {"", "n/a", "0"} or monotonic not in {"", "n/a", "0", "infinity"}


def _facts(properties: Properties) -> dict[str, str]:
    names = ("ActiveState", "SubState", "MainPID", "NRestarts", "ExecMainStartTimestamp", "UnitFileState")
    return {name: properties.get(name, "") for name in names}


def _number(properties: Properties, name: str) -> int:
    text = properties.get(name, "")
    return int(text) if text.isdigit() else 0


def _within(path: str, folder: Path) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(folder)


def _lies_in(path: Path, folder: Path) -> bool:
    try:
        return _within(str(path), folder) and path.exists()
    except (OSError, ValueError):
        return False  # an argument that is no path

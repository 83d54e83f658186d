# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What units use, by /proc and by their control groups, in either version of these."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .assertion import CouldNotLook

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
# Where the group of a unit may lie: version 2 alone, version 2 beside version 1, systemd's own hierarchy of version 1.
HIERARCHIES = ("", "unified", "systemd")
TICKS = os.sysconf("SC_CLK_TCK")
KILOBYTE = 1024
UNLIMITED = 1 << 60  # version 1 writes a number beyond any memory where there is no limit
SESSIONS = ("session-", "user@", "user-")  # what people and Ansible itself do


@dataclass(frozen=True)
class Process:
    """One process at one moment: seconds of CPU of its own and of its children that ended, bytes of its own memory.

    started: in clock ticks since the boot, so that a pid used again is not taken for the same process.
    """

    pid: int
    parent: int
    started: int
    name: str
    own_seconds: float
    children_seconds: float
    memory: int = 0
    threads: int = 1
    files: int = 0
    files_limit: int | None = None


@dataclass(frozen=True)
class UnitSample:
    """A unit at one moment. cpu: seconds used since any fixed point. throttled: seconds, None where nobody counts them."""

    processes: Mapping[int, Process] = field(default_factory=dict)
    cpu: float = 0.0
    throttled: float | None = None

    @property
    def memory(self) -> int:
        return sum(process.memory for process in self.processes.values())

    @property
    def tasks(self) -> int:
        return sum(process.threads for process in self.processes.values())


def read_stat(text: str) -> Process:
    """Read /proc/<pid>/stat. The name may hold spaces and brackets."""
    try:
        pid, rest = text.split(" (", 1)
        name, numbers = rest.rsplit(") ", 1)
        fields = numbers.split()
        own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
        return Process(int(pid), int(fields[1]), int(fields[19]), name, own / TICKS, children / TICKS, threads=int(fields[17]))
    except (ValueError, IndexError):
        raise CouldNotLook("a process's state cannot be read") from None


def processes(pids: Iterator[int] | list[int], proc: Path = PROC, thoroughly: bool = False) -> dict[int, Process]:
    """The processes of these pids that are there. thoroughly: with memory and open files, which takes longer."""
    found = {}
    for pid in pids:
        folder = proc / str(pid)
        # One that has ended meanwhile uses nothing.
        with suppress(FileNotFoundError, ProcessLookupError):
            process = read_stat((folder / "stat").read_text(errors="replace"))
            if thoroughly:
                process = Process(
                    **{
                        **vars(process),
                        "memory": _own_memory(folder),
                        "files": len(os.listdir(folder / "fd")),  # noqa: PTH208 - only their number is wanted
                        "files_limit": _files_limit((folder / "limits").read_text()),
                    }
                )
            found[pid] = process
    return found


def unit_folder(control_group: str, root: Path = CGROUPS) -> Path:
    """The folder of a unit's control group in the hierarchy that has its processes."""
    for hierarchy in HIERARCHIES:
        folder = root / hierarchy / control_group.lstrip("/")
        if control_group.strip("/") and _pids(folder):
            return folder
    raise CouldNotLook(f"no control group {control_group or '(none)'} with processes in {root}")


def sample_unit(folder: Path, thoroughly: bool = False, proc: Path = PROC) -> UnitSample:
    """The unit of this control group, now."""
    found = processes(_pids(folder), proc, thoroughly)
    cpu = sum(process.own_seconds + process.children_seconds for process in found.values())
    throttled = None
    stat = _numbers(folder / "cpu.stat")
    if "usage_usec" in stat:  # version 2 counts exactly, ended processes included
        cpu = stat["usage_usec"] / 1e6
        throttled = stat["throttled_usec"] / 1e6 if "throttled_usec" in stat else None
    return UnitSample(found, cpu, throttled)


def limits(folder: Path, root: Path = CGROUPS) -> list[tuple[str, str, int, int]]:
    """Limits of the unit's group and of those around it, up to a container's: (what, where, used, limit).

    what is memory (bytes) or tasks. A group in version 1 has its limits in hierarchies of their own.
    """
    found = []
    group = folder
    while group not in (root, root / "unified", root / "systemd", group.parent):
        inactive = _numbers(group / "memory.stat").get("inactive_file", 0)
        found += _limit("memory", group, "memory.current", "memory.max", inactive)
        found += _limit("tasks", group, "pids.current", "pids.max")
        group = group.parent
    # The container's own group, in version 1, is where this process is.
    for line in (PROC / "self" / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            own = root / "memory" / path.lstrip("/")
            inactive = _numbers(own / "memory.stat").get("total_inactive_file", 0)
            found += _limit("memory", own, "memory.usage_in_bytes", "memory.limit_in_bytes", inactive)
        if controllers == "pids":
            found += _limit("tasks", root / "pids" / path.lstrip("/"), "pids.current", "pids.max")
    return found


def everybody(proc: Path = PROC) -> dict[int, Process]:
    """All processes that are seen from here."""
    return processes((int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()), proc)


def unit_of(pid: int, proc: Path = PROC) -> str:
    """The unit, scope or session that a process belongs to; empty where it is in none, or gone."""
    try:
        groups = (proc / str(pid) / "cgroup").read_text(errors="replace")
    except OSError:
        return ""
    names = re.findall(r"[^/\n]+\.(?:service|scope)", groups)
    return names[-1] if names else ""


def memory_of_host(proc: Path = PROC) -> tuple[int, int]:
    """Bytes of memory that are available, and bytes that there are."""
    found = {
        name: int(value.split()[0]) * KILOBYTE
        for name, _, value in (line.partition(":") for line in (proc / "meminfo").read_text().splitlines())
        if value.split() and value.split()[0].isdigit()
    }
    if not {"MemAvailable", "MemTotal"} <= found.keys():
        raise CouldNotLook("/proc/meminfo does not say how much memory there is")
    return found["MemAvailable"], found["MemTotal"]


def _own_memory(folder: Path) -> int:
    """Bytes that only this process has: what it wrote to, in memory and swapped out. Files that it shares are not among them."""
    try:
        text = (folder / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(size) * KILOBYTE for size in re.findall(r"^(?:Anonymous|Swap):\s+(\d+) kB", text, re.MULTILINE))


def _files_limit(text: str) -> int | None:
    found = re.search(r"^Max open files\s+(\d+|unlimited)", text, re.MULTILINE)
    return int(found[1]) if found and found[1].isdigit() else None


def _pids(folder: Path) -> list[int]:
    """The processes of a group and of the groups in it."""
    found: list[int] = []
    for path in [folder, *folder.rglob("*/")]:
        with suppress(OSError):
            found += [int(line) for line in (path / "cgroup.procs").read_text().split() if line.isdigit()]
    return found


def _limit(what: str, group: Path, used: str, limit: str, less: int = 0) -> list[tuple[str, str, int, int]]:
    try:
        most, now = (group / limit).read_text().strip(), (group / used).read_text().strip()
    except OSError:
        return []
    if not most.isdigit() or not now.isdigit() or int(most) > UNLIMITED:
        return []
    return [(what, group.name or "the host", max(0, int(now) - less), int(most))]


def _numbers(path: Path) -> dict[str, int]:
    try:
        words = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {word[0]: int(word[1]) for word in words if len(word) > 1 and word[1].isdigit()}

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges whether a host is what its work needs: system, processors, memory, disks, clock, packages."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from .assertion import CouldNotLook, Verdict, listed, verdict
from .sizes import shown, size, span

NO_UNIT_LIMIT = ("infinity", "[not set]", "")
# What systemd says of a unit's memory: the limits of its control group (in version 1 the last), and of each of its processes.
MEMORY = ("MemoryMax", "MemoryHigh", "EffectiveMemoryMax", "EffectiveMemoryHigh", "MemoryLimit")
PROCESS_MEMORY = ("LimitAS", "LimitASSoft", "LimitDATA", "LimitDATASoft", "LimitRSS", "LimitRSSSoft")
UNIT = ("LoadState", "ActiveState", "MainPID", "ControlGroup", "NeedDaemonReload", "CPUQuotaPerSecUSec", *MEMORY, *PROCESS_MEMORY)
SLICE = ("LoadState", "CPUQuotaPerSecUSec", *MEMORY)

TIME_SERVICES = ("systemd-timesyncd", "chrony", "chronyd", "ntpsec", "ntp", "ntpd", "openntpd")
TIME_ERROR = 5  # what ntp_gettime(3) returns for a clock that nothing has set for long (its error may exceed 16 s)


@dataclass(frozen=True)
class Room:
    """A file system as a path on it sees it. ``inodes`` is None where the file system has no such number."""

    free: int
    inodes: int | None
    read_only: bool


@dataclass(frozen=True)
class Unit:
    """A unit as systemd and the kernel have it.

    properties: by systemd. slices: the properties of those above it. memory, cpus: what the kernel enforces on its main
    process; None where there is no limit. replaced: whether its program's file is no longer the one that runs.
    """

    properties: Mapping[str, str]
    slices: Mapping[str, Mapping[str, str]]
    memory: int | None = None
    cpus: float | None = None
    replaced: bool = False


@dataclass(frozen=True)
class Clock:
    """``synchronised``: by the kernel, whose largest error is ``error`` (seconds). ``ahead``: of the controller's, in seconds.

    ``service``: the program that keeps the time; empty where none runs, None in a container, where its machine does it.
    """

    synchronised: bool
    error: float
    ahead: float | None
    service: str | None


@dataclass(frozen=True)
class Server:
    """A host. memory, cpus: what it has, or what its control group lets it have, whichever is less."""

    system: Mapping[str, str]
    architecture: str
    cpus: float
    memory: int
    rooms: Mapping[str, Room | None]
    units: Mapping[str, Unit]
    clock: Clock
    packages: Mapping[str, str | None]
    broken_packages: Sequence[str]


def read_os_release(text: str) -> dict[str, str]:
    """Read /etc/os-release: assignments, quoted or not."""
    entries = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, sign, value in entries if sign}


def read_packages(text: str) -> tuple[dict[str, str], list[str]]:
    """Read ``state<tab>name<tab>version`` lines of dpkg-query: versions of what is installed whole, and what is half installed."""
    versions, broken = {}, []
    for line in text.splitlines():
        state, name, version = (*line.split("\t"), "", "", "")[:3]
        if state.strip() in {"ii", "hi"}:
            versions[name] = version
        elif state[1:2] not in {"n", "c", ""} or state[2:3].strip():
            broken.append(name)
    return versions, broken


def of_packages(versions: Mapping[str, str], wanted: Sequence[str]) -> dict[str, str | None]:
    """The version of each wanted package; of a name with ``*`` or ``[0-9]`` in it, that of the first package which it fits."""
    return {
        name: next((versions[one] for one in sorted(versions) if one == name or fnmatchcase(one, name)), None) for name in wanted
    }


def read_memory(text: str) -> int:
    """Read MemTotal of /proc/meminfo, in bytes."""
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name == "MemTotal" and rest.split()[:1] and rest.split()[0].isdigit():
            return int(rest.split()[0]) * 1024
    raise CouldNotLook("/proc/meminfo names no MemTotal")


def room(path: Path) -> Room | None:
    """The file system of ``path``; None where there is no such path."""
    try:
        found = os.statvfs(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Room(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None, bool(found.f_flag & os.ST_RDONLY))


class _Times(ctypes.Structure):
    _fields_ = (("time", ctypes.c_long * 2), ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("rest", ctypes.c_long * 8))


def kernel_clock() -> tuple[bool, float]:
    """Whether the kernel's clock is synchronised, and its largest error in seconds. A container has its machine's."""
    times = _Times()
    state = ctypes.CDLL(None, use_errno=True).ntp_gettime(ctypes.byref(times))
    if state < 0:
        raise CouldNotLook(f"the kernel does not tell the state of its clock: {os.strerror(ctypes.get_errno())}")
    return state != TIME_ERROR, times.maxerror / 1e6


def at_least(version: str, wanted: str) -> bool:
    """Whether a Debian version is ``wanted`` or newer; the epoch counts only where ``wanted`` has one."""
    compared = version if ":" in wanted else version.split(":", 1)[-1]
    return subprocess.run(["dpkg", "--compare-versions", compared, "ge", wanted], capture_output=True, check=False).returncode == 0


def judge_server(
    seen: Server,
    *,
    systems: Sequence[str],
    architectures: Sequence[str],
    cpus: float,
    memory: str,
    disks: Sequence[Mapping[str, Any]],
    units: Sequence[Mapping[str, Any]],
    clock: str,
    clock_offset: float,
    packages: Mapping[str, str],
    newer: Callable[[str, str], bool] = at_least,
) -> Verdict:
    """pre.environment.server_requirements: the host has what is asked, and each unit may use what it needs of it."""
    system = f"{seen.system.get('ID', 'unknown')} {seen.system.get('VERSION_ID', '')}".strip()
    wanted_memory = size("memory", memory)
    problems = []
    if system not in systems:
        problems.append(f"the system is {system}, none of {listed(systems)}")
    if seen.architecture not in architectures:
        problems.append(f"the architecture is {seen.architecture}, none of {listed(architectures)}")
    if seen.cpus < cpus:
        problems.append(f"{seen.cpus:g} processors, {cpus:g} asked for")
    if seen.memory < wanted_memory:
        problems.append(f"{shown(seen.memory)} of memory, {shown(wanted_memory)} asked for")
    for wanted in disks:
        problems += _room_problems(wanted, seen.rooms.get(wanted["path"]))
    for wanted in units:
        problems += [f"{wanted['name']}: {problem}" for problem in _unit_problems(wanted, seen.units.get(wanted["name"]), seen)]
    problems += _clock_problems(seen.clock, clock, clock_offset)
    problems += _package_problems(seen, packages, newer)
    return verdict(
        problems,
        f"{system} on {seen.architecture}, {seen.cpus:g} processors, {shown(seen.memory)} of memory, {len(disks)} paths with room, "
        f"{len(units)} units with theirs, clock {_clock_for_a_person(seen.clock, clock)}, {len(packages)} packages",
        expected={
            "systems": list(systems),
            "architectures": list(architectures),
            "cpus": cpus,
            "memory": wanted_memory,
            "packages": dict(packages),
            "clock": clock,
        },
        observed={
            "system": system,
            "architecture": seen.architecture,
            "cpus": seen.cpus,
            "memory": seen.memory,
            "rooms": {path: vars(found) if found else None for path, found in seen.rooms.items()},
            "clock": vars(seen.clock),
            "packages": dict(seen.packages),
        },
        evidence={
            name: {"memory": unit.memory, "cpus": unit.cpus, **{key: unit.properties.get(key) for key in MEMORY}}
            for name, unit in seen.units.items()
        },
    )


def unit_memory(unit: Unit) -> tuple[int | None, str]:
    """The least of all limits over a unit's memory, and who sets it; None where nobody does."""
    limits = [(unit.memory, "the kernel")] if unit.memory is not None else []
    for name in (*MEMORY, *PROCESS_MEMORY):
        limits += _limit(unit.properties, name, name)
    for name, properties in unit.slices.items():
        for setting in MEMORY:
            limits += _limit(properties, setting, f"{setting} of {name}")
    return min(limits, default=(None, ""))


def _limit(properties: Mapping[str, str], name: str, who: str) -> list[tuple[int, str]]:
    text = properties.get(name, "")
    if text in NO_UNIT_LIMIT or text == str(2**64 - 1):
        return []
    if not text.isdecimal():
        raise CouldNotLook(f"systemd says {name}={text[:40]}, which is no size")
    return [(int(text), who)]


def _room_problems(wanted: Mapping[str, Any], found: Room | None) -> list[str]:
    path, free, inodes = wanted["path"], size(f"free of {wanted['path']}", wanted["free"]), wanted["inodes"]
    if found is None:
        return [f"{path} does not exist"]
    problems = [f"{path} can only be read"] if found.read_only else []
    if found.free < free:
        problems.append(f"{path} has {shown(found.free)} free, {shown(free)} asked for")
    if found.inodes is not None and found.inodes < inodes:
        problems.append(f"{path} has {found.inodes} inodes free, {inodes} asked for")
    return problems


def _unit_problems(wanted: Mapping[str, Any], unit: Unit | None, server: Server) -> list[str]:
    if unit is None or unit.properties.get("LoadState") != "loaded":
        return [f"{unit.properties.get('LoadState') or 'unknown' if unit else 'no such unit'}"]
    problems = []
    if unit.properties.get("ActiveState") != "active":
        problems.append(f"{unit.properties.get('ActiveState')}, not active")
    if unit.properties.get("NeedDaemonReload") == "yes":
        problems.append("its unit file changed without a daemon-reload, so that its limits are not those of the file")
    if unit.replaced:
        problems.append("its program has been replaced since it started: an older version runs than is installed")
    if wanted["memory"]:
        needed = size(f"memory of {wanted['name']}", wanted["memory"])
        limit, who = unit_memory(unit)
        if limit is not None and limit < needed:
            problems.append(f"may use {shown(limit)} of memory ({who}), {shown(needed)} asked for")
        elif server.memory < needed:
            problems.append(f"the host lets it have {shown(server.memory)} of memory, {shown(needed)} asked for")
    shares = [("the kernel", unit.cpus), *((name, span(p.get("CPUQuotaPerSecUSec", ""))) for name, p in _of(wanted, unit))]
    for who, share in shares:
        if wanted["cpus"] and share is not None and share < wanted["cpus"]:
            problems.append(f"may use {share:g} processors ({who}), {wanted['cpus']:g} asked for")
            break
    return problems


def _of(wanted: Mapping[str, Any], unit: Unit) -> list[tuple[str, Mapping[str, str]]]:
    return [(f"CPUQuota of {wanted['name']}", unit.properties), *((f"CPUQuota of {n}", p) for n, p in unit.slices.items())]


def _clock_problems(clock: Clock, source: str, offset: float) -> list[str]:
    problems = []
    if clock.ahead is not None and abs(clock.ahead) > offset:
        problems.append(f"the clock is {abs(clock.ahead):.1f} s {'ahead of' if clock.ahead > 0 else 'behind'} the controller's")
    if source == "controller":
        if clock.ahead is None:
            raise CouldNotLook("the controller's time is not given, so that the clock cannot be held against it")
        return problems
    if not clock.synchronised:
        problems.append("nothing synchronises the kernel's clock")
    if clock.service == "":
        problems.append("no service keeps the time")
    return problems


def _clock_for_a_person(clock: Clock, source: str) -> str:
    if source == "controller":
        return f"{abs(clock.ahead or 0):.1f} s from the controller's, held against nothing else"
    return f"in sync to {clock.error:.1f} s ({clock.service or 'by its machine'})"


def _package_problems(seen: Server, wanted: Mapping[str, str], newer: Callable[[str, str], bool]) -> list[str]:
    problems = [f"packages are not wholly installed: {listed(seen.broken_packages)}"] if seen.broken_packages else []
    for name, version in wanted.items():
        found = seen.packages.get(name)
        if found is None:
            problems.append(f"package {name} is not installed")
        elif not newer(found, version):
            problems.append(f"package {name} {found} is older than {version}")
    return problems

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What /proc says of processes: where they run from, what they were given, who listens on a socket file."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .assertion import CouldNotLook

PROC = Path("/proc")
LISTENS = 0x10000  # the flag in /proc/net/unix of a socket that accepts connections


@dataclass(frozen=True)
class Process:
    """A process, by its files. ``cwd_replaced``: its folder is no longer the one of that name."""

    pid: int
    cwd: str
    cwd_replaced: bool
    exe: str
    arguments: tuple[str, ...]
    mapped: frozenset[str]


def look(pid: int, proc: Path = PROC) -> Process:
    """Return what /proc says of ``pid``; CouldNotLook where it has ended or may not be looked at."""
    folder = proc / str(pid)
    try:
        cwd = str((folder / "cwd").readlink())
        return Process(
            pid=pid,
            cwd=cwd,
            cwd_replaced=not _same(folder / "cwd", Path(cwd)),
            exe=str((folder / "exe").readlink()),
            arguments=tuple(_strings(folder / "cmdline")),
            mapped=frozenset(re.findall(r" (/.*)$", _text(folder / "maps"), re.MULTILINE)),
        )
    except OSError as error:
        raise CouldNotLook(f"process {pid} cannot be looked at: {error}") from None


def environment(pid: int, proc: Path = PROC) -> dict[str, str]:
    """Return the environment that the process was started with."""
    try:
        return dict(entry.split("=", 1) for entry in _strings(proc / str(pid) / "environ") if "=" in entry)
    except OSError as error:
        raise CouldNotLook(f"the environment of process {pid} cannot be read: {error}") from None


def in_control_group(pid: int, control_group: str, proc: Path = PROC) -> bool:
    """Whether the process belongs to the unit whose control group is this, by the group's own last name."""
    try:
        groups = _text(proc / str(pid) / "cgroup").splitlines()
    except OSError:
        return False
    return bool(control_group) and any(Path(control_group).name in line.split("/") for line in groups)


def listeners(path: str, pid: int, proc: Path = PROC) -> dict[str, set[int]]:
    """Return the sockets that listen under the name ``path``, each by its inode with the processes that hold it.

    ``pid``: whose network namespace is looked at.
    """
    held: dict[str, set[int]] = {}
    for line in _text(proc / str(pid) / "net" / "unix").splitlines()[1:]:
        _, _, _, flags, _, _, inode, *name = line.split(maxsplit=7)
        if name == [path] and int(flags, 16) & LISTENS:
            held[inode] = set()
    for entry in proc.iterdir():
        if held and entry.name.isdigit():
            for inode in _sockets(entry) & held.keys():
                held[inode].add(int(entry.name))
    return held


def _sockets(process: Path) -> set[str]:
    found = set()
    # A process that is gone meanwhile holds nothing now; one that root may not look at can hold no socket that
    # counts as known: the caller refuses a listening socket without a known holder.
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for descriptor in (process / "fd").iterdir():
            with suppress(FileNotFoundError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    found.add(target[len("socket:[") : -1])
    return found


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _strings(path: Path) -> list[str]:
    return [entry for entry in _text(path).split("\0") if entry]

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel allows a process: memory and processor time by its control groups, of version 1, version 2 or both."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .assertion import CouldNotLook

PROC = Path("/proc")
NO_LIMIT = 1 << 62  # version 1 writes the largest number of pages for "none", in bytes just under 2^63


@dataclass(frozen=True)
class Allowed:
    """Limits over a process: bytes of memory and number of processors; None where there is none. ``kind``: who sets them."""

    memory: int | None
    cpus: float | None
    kind: str


@dataclass(frozen=True)
class Mount:
    """A mounted hierarchy of control groups: ``root`` is the group that is seen at ``point``."""

    root: str
    point: Path
    options: frozenset[str]
    version: int

    def folder(self, group: str) -> Path | None:
        """Where the files of ``group`` are; None where this mount does not show it."""
        inside = os.path.relpath(group, self.root)
        return None if inside.startswith("..") else self.point / inside


def allowed(pid: int, proc: Path = PROC) -> Allowed:
    """Limits over the process by its group and the groups above it, as far as they are seen from here.

    CouldNotLook where the groups that count for memory are not mounted here.
    """
    groups = _groups(proc / str(pid) / "cgroup")
    mounts = list(_mounts(proc / "self" / "mountinfo"))
    if "memory" in groups:
        memory: int | None = _first_version(_folder(mounts, "memory", groups["memory"]))
        kind = "version 1"
    else:
        memory = _second_version(_folder(mounts, "", groups.get("", "/")), mounts, proc)
        kind = "version 2"
    return Allowed(memory, _processors(groups, mounts), kind)


def _first_version(folder: Path) -> int | None:
    """The kernel itself says the least limit of the group and of all above it, those that are not seen from here as well."""
    found = re.search(r"^hierarchical_memory_limit (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
    if not found:
        raise CouldNotLook(f"{folder}/memory.stat names no limit")
    return None if int(found[1]) >= NO_LIMIT else int(found[1])


def _second_version(folder: Path, mounts: list[Mount], proc: Path) -> int | None:
    top = next(mount.point for mount in mounts if mount.version == 2 and folder.is_relative_to(mount.point))  # noqa: PLR2004
    controlled = "memory" in _text(top / "cgroup.controllers").split()
    if not controlled and re.search(r"^memory\t.*\t1$", _text(proc / "cgroups"), re.MULTILINE):
        raise CouldNotLook(f"the memory limits above {top} are not seen from this host")
    limits = []
    for group in _upwards(folder, top):
        for name in ("memory.max", "memory.high"):  # the top group of a machine has none
            if (group / name).exists() and (text := _text(group / name).strip()) != "max":
                limits.append(_number(text, group / name))
    return min(limits, default=None)


def _processors(groups: dict[str, str], mounts: list[Mount]) -> float | None:
    shares = []
    name = "cpu" if "cpu" in groups else ""
    mount = _mount(mounts, name, groups.get(name, "/"))
    for group in _upwards(*mount) if mount else ():
        if (group / "cpu.max").exists():
            quota, _, period = _text(group / "cpu.max").strip().partition(" ")
        elif (group / "cpu.cfs_quota_us").exists():
            quota, period = _text(group / "cpu.cfs_quota_us").strip(), _text(group / "cpu.cfs_period_us").strip()
        else:
            continue
        if quota not in {"max", "-1"}:
            shares.append(_number(quota, group) / (_number(period, group) or 1))
    return min(shares, default=None)


def _groups(path: Path) -> dict[str, str]:
    """The process's group by controller; the one of version 2 under the empty name."""
    groups = {}
    for line in _text(path).splitlines():
        number, controllers, group = (*line.split(":", 2), "", "")[:3]
        for controller in controllers.split(","):
            if number == "0" or controller:
                groups[controller] = group or "/"
    if not groups:
        raise CouldNotLook(f"{path} names no control group")
    return groups


def _mounts(path: Path) -> Iterator[Mount]:
    for line in _text(path).splitlines():
        before, _, after = line.partition(" - ")
        with suppress(IndexError, ValueError):  # a line that is none of the kernel's
            root, point = before.split()[3:5]
            kind, _, options = after.split(" ", 2)
            if kind in {"cgroup", "cgroup2"}:
                yield Mount(root, Path(point), frozenset(options.strip().split(",")), 2 if kind == "cgroup2" else 1)


def _mount(mounts: list[Mount], controller: str, group: str) -> tuple[Path, Path] | None:
    """The group's folder and the top of its mount; version 2 has the empty controller."""
    for mount in mounts:
        fits = controller in mount.options if controller else mount.version == 2  # noqa: PLR2004
        if fits and (folder := mount.folder(group)) is not None:
            return folder, mount.point
    return None


def _folder(mounts: list[Mount], controller: str, group: str) -> Path:
    found = _mount(mounts, controller, group)
    if found is None:
        raise CouldNotLook(f"the memory limit cannot be seen: no mount shows control group {group}")
    return found[0]


def _upwards(folder: Path, top: Path) -> Iterator[Path]:
    yield folder
    while folder != top:
        folder = folder.parent
        yield folder


def _number(text: str, path: Path) -> int:
    if not re.fullmatch(r"\d+", text):
        raise CouldNotLook(f"{path}: '{text[:40]}' is no number")
    return int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise CouldNotLook(f"{path} cannot be read: {error.strerror}") from None

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""nginx on this host: the configuration that it runs with."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .assertion import CouldNotLook
from .nginx import split_files

MASTER, WORKER, LEAVING = "nginx: master process", "nginx: worker process", "nginx: worker process is shutting down"
INCLUDE = re.compile(r"^\s*include\s+[\"']?([^\s;\"']+)", re.MULTILINE)


@dataclass(frozen=True)
class Loaded:
    """dump: what `nginx -T` printed. workers: when each began (Unix time). changed: the last change of each file and folder."""

    dump: str
    workers: Mapping[int, float]
    changed: Mapping[str, float]


def read_loaded(proc: Path = Path("/proc")) -> Loaded:
    """Look at the nginx that runs: its configuration with its own arguments, its workers, and when each file changed."""
    titles = _titles(proc)
    masters = [pid for pid, title in titles.items() if title.startswith(MASTER)]
    if len(masters) != 1:
        raise CouldNotLook(f"{len(masters)} nginx master processes run here, not 1")
    master = masters[0]
    dump = _dump([str((proc / str(master) / "exe").readlink()).removesuffix(" (deleted)"), *_arguments(titles[master]), "-T"])
    workers = {
        pid: _started(proc, pid)
        for pid, title in titles.items()
        if title.startswith(WORKER) and not title.startswith(LEAVING) and _parent(proc, pid) == master
    }
    files = split_files(dump)
    root = Path(next(iter(files))).parent
    watched = {Path(name) for name in files}
    watched |= {(root / pattern).parent for text in files.values() for pattern in INCLUDE.findall(text)}
    return Loaded(dump, workers, {str(path): _changed(path) for path in watched})


def unverified() -> ssl.SSLContext:
    """For requests to this host itself, whose certificate is for another name than its loopback."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _titles(proc: Path) -> dict[int, str]:
    found = {}
    for entry in proc.iterdir():
        if entry.name.isdecimal():
            try:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:  # it has ended
                continue
    return found


def _arguments(title: str) -> list[str]:
    """The file and the prefix that the master was started with; what -g says is no matter of the http block."""
    words = title.removeprefix(MASTER).split()
    return [word for flag in ("-c", "-p") if flag in words[:-1] for word in (flag, words[words.index(flag) + 1])]


def _dump(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CouldNotLook(f"nginx -T cannot be run: {error}") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "[emerg]" in line] or ["it says nothing"]
        raise CouldNotLook(f"nginx does not accept its own configuration: {lines[0][:300]}")
    return done.stdout


def _started(proc: Path, pid: int) -> float:
    ticks = int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def _parent(proc: Path, pid: int) -> int:
    return int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])


def _changed(path: Path) -> float:
    """The last change of what a path names, and of the link where it is one."""
    try:
        return max(path.stat().st_ctime, path.lstat().st_ctime)
    except FileNotFoundError:
        return 0.0

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lock of an application on a host. It is the ledger as well: what its run is about to change stands in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# A live run touches the lock every BEAT seconds; one that missed several of them is dead.
BEAT = 10
STALE = 60
NAMED = ("id", "kind", "who", "started")
RUN_VARIABLE = "TICKBOX_RUN"  # in the environment of whatever a run starts on a host
GRACE = 5.0  # seconds that a process of a dead run has to end


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time read and write the lock in ``folder``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read(path: Path) -> dict[str, Any] | None:
    """What the lock says, with ``age`` (seconds since its run last gave a sign of life); None where there is no lock."""
    try:
        age = max(0.0, time.time() - path.stat().st_mtime)
        found = json.loads(path.read_text())
        return {**{name: found[name] for name in NAMED}, **found, "age": age}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        # nobody knows whether its run is dead
        return {"id": "unknown", "kind": "unreadable", "who": "unknown", "started": path.stat().st_mtime, "age": 0.0}


def interrupted(holder: Mapping[str, Any]) -> dict[str, Any]:
    """The run that was cut off in the middle of a change: the holder, or one that it had not recovered yet. Empty for none."""
    if holder.get("plan"):
        return {name: holder[name] for name in (*NAMED, "plan")}
    return dict(holder.get("interrupted") or {})


def end_processes(run_id: str) -> list[str]:
    """End what a dead run left running on this host, as its commands go on without it; return their command lines."""
    mark = f"{RUN_VARIABLE}={run_id}".encode()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        deadline = time.monotonic() + GRACE
        while any(running(pid) for pid in found) and time.monotonic() < deadline:
            time.sleep(0.05)
    return list(found.values())


def running(pid: int) -> bool:
    """Whether there is such a process, and more of it than its exit status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

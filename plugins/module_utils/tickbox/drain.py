# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits until the last requests of a process have been answered."""

from __future__ import annotations

import time
from pathlib import Path

PAUSE = 0.05  # seconds between two looks
TABLE = Path("/proc/net/unix")
LISTENS = 0x10000  # __SO_ACCEPTCON


def drained(socket: Path, seconds: float, table: Path = TABLE) -> int:
    """Wait until nobody is connected to ``socket``, for so many seconds at most; how many connections are left then."""
    end = time.monotonic() + seconds
    while (left := connections(socket, table.read_text())) and time.monotonic() < end:
        time.sleep(PAUSE)
    return left


def connections(socket: Path, table: str) -> int:
    """How many the kernel's table of Unix sockets has: those that the process has accepted, and those that wait for it."""
    entries = [line.split() for line in table.splitlines()[1:]]
    return sum(len(one) > 7 and one[7] == str(socket) and not int(one[3], 16) & LISTENS for one in entries)  # noqa: PLR2004

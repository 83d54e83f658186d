# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What systemd says of units."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from .assertion import CouldNotLook

Properties = Mapping[str, str]
Sample = Mapping[str, Properties]

SHORTEST = 0.2  # seconds between two samples, where the window is over already

SERVICE = (
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "MainPID",
    "NRestarts",
    "NeedDaemonReload",
    "ExecMainStartTimestamp",
    "ExecStart",
    "ControlGroup",
    "DropInPaths",
)
TIMER = (
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "NextElapseUSecRealtime",
    "NextElapseUSecMonotonic",
    "NeedDaemonReload",
)


def show(units: Sequence[str], properties: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the properties of each unit, as systemd holds them now."""
    if not units:
        return {}
    command = ["systemctl", "show", "--timestamp=us+utc", f"--property={','.join(properties)}", "--", *units]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        )
    except subprocess.TimeoutExpired:
        raise CouldNotLook("systemd did not answer within 30 s") from None
    if done.returncode != 0:
        raise CouldNotLook(f"systemctl show failed: {done.stderr.strip() or done.returncode}")
    return parse(done.stdout, units)


def parse(text: str, units: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read the output of systemctl show: one block of lines for each unit, in the order asked."""
    blocks = [block for block in text.strip("\n").split("\n\n") if block]
    if len(blocks) != len(units):
        raise CouldNotLook(f"systemd told of {len(blocks)} units where {len(units)} were asked for")
    return {
        unit: dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for unit, block in zip(units, blocks, strict=True)
    }


def watch(units: Sequence[str], window: float, interval: float = 0.5) -> list[dict[str, dict[str, str]]]:
    """Return samples of the services' properties, the first and the last moment included.

    A main process that was started some seconds ago and still runs has been there for these seconds: the watch lasts until
    the youngest has run for ``window`` seconds, and is two samples at least.
    """
    samples = [show(units, SERVICE)]
    youngest = min((_age(properties) for properties in samples[0].values()), default=0.0)
    end = time.monotonic() + max(SHORTEST, window - youngest)
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(interval, left))
        samples.append(show(units, SERVICE))
    return samples


def _age(properties: Properties) -> float:
    """Seconds since the main process was started; none where the unit does not run."""
    started = timestamp(properties.get("ExecMainStartTimestamp", ""))
    if properties.get("ActiveState") != "active" or started is None:
        return 0.0
    return max(0.0, (datetime.now(UTC) - started).total_seconds())


def timestamp(text: str) -> datetime | None:
    """Read a time as ``--timestamp=us+utc`` prints it; None where there is none."""
    try:
        return datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)
    except ValueError:
        return None

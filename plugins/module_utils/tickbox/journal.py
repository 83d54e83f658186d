# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What units have logged."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from .assertion import CouldNotLook

SINCE = 300  # seconds: older entries are of another run
PATIENCE = 2.0  # seconds that an entry may take to appear
PAUSE = 0.2


def logged(unit: str, texts: Sequence[str], patience: float = PATIENCE) -> list[str]:
    """Return those of ``texts`` that the unit's journal holds, once it holds all or ``patience`` (seconds) is over."""
    end = time.monotonic() + patience
    while True:
        log = _read(unit)
        found = [text for text in texts if text in log]
        if len(found) == len(texts) or time.monotonic() > end:
            return found
        time.sleep(PAUSE)


def _read(unit: str) -> str:
    command = ["journalctl", "--quiet", "--no-pager", "--all", "--output=cat", f"--since=-{SINCE}s", f"--unit={unit}"]
    try:
        # What the journal still holds in memory is written first.
        subprocess.run(["journalctl", "--sync"], capture_output=True, timeout=30, check=True)
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        raise CouldNotLook(f"the journal of {unit} cannot be read: {error}") from None
    return done.stdout

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Databases that runs left beside the one that serves, and which of them nobody goes back to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

RUN = r"\d{8}t\d{6}z_[0-9a-f]+"  # the id of a run, which begins with its time
KINDS = "before|aside|half|dumped|restored"


def beside(names: Iterable[str], database: str, kinds: str = KINDS) -> list[tuple[str, str, bool]]:
    """Name, run and whether it is half made, of each database that runs left beside ``database``; the newest run first."""
    pattern = re.compile(rf"{re.escape(database)}_(?:{kinds})_({RUN})(_part)?")
    found = [(name, match[1], bool(match[2])) for name in names if (match := pattern.fullmatch(name))]
    return sorted(found, key=lambda one: (one[1], one[0]), reverse=True)


def superfluous(names: Iterable[str], database: str, named: Collection[str], keep: int) -> list[str]:
    """Which of them to drop, the oldest first: half made ones, and all but the newest ``keep`` of those that are not ``named``."""
    found = [(name, half) for name, _, half in beside(names, database) if name not in named]
    old = [name for name, half in found if not half][keep:]
    return [name for name, half in reversed(found) if half or name in old]

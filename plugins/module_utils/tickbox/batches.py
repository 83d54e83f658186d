# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts a rolling release switches together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


class NoBatches(Exception):
    """The sizes cannot be used; the message says why."""


def batches(hosts: Sequence[str], sizes: Any) -> list[list[str]]:
    """Divide ``hosts``, in their order, into batches.

    sizes: a number of hosts, a part of all of them (``25%``), or a list of these, whose last one goes on until no host is left. A
    batch of all hosts, where there are several, would leave none that serves: NoBatches.
    """
    given = list(sizes) if isinstance(sizes, list) else [sizes]
    if not given:
        raise NoBatches("deploy_batch is an empty list")
    numbers = [_number(size, len(hosts)) for size in given]
    found: list[list[str]] = []
    left = list(hosts)
    while left:
        size = numbers[min(len(found), len(numbers) - 1)]
        found.append(left[:size])
        left = left[size:]
    if len(hosts) > 1 and len(found) == 1:
        raise NoBatches(f"deploy_batch: {sizes} takes all of {', '.join(hosts)} out together, so that nobody serves meanwhile")
    return found


def _number(size: Any, hosts: int) -> int:
    """How many hosts; a part is one at least."""
    text = str(size).strip()
    if part := re.fullmatch(r"([0-9]+)%", text):
        number, most = max(1, hosts * int(part[1]) // 100), int(part[1])
        if 0 < most <= 100:  # noqa: PLR2004
            return number
    elif re.fullmatch(r"[0-9]+", text) and int(text) > 0:
        return int(text)
    raise NoBatches(f"deploy_batch: {size!r} is neither a number of hosts nor a part of them, such as 1 or 25%")

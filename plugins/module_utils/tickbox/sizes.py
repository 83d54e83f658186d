# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sizes and spans of time as people and systemd write them."""

from __future__ import annotations

import re

from .assertion import CouldNotLook

UNITS = {"": 0, "B": 0, "K": 1, "M": 2, "G": 3, "T": 4}
SPANS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def size(name: str, text: str) -> int:
    """Read ``512M`` as systemd does: bytes, with factors of 1024. ``name`` says whose it is where it cannot be read."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)i?B?", text.strip(), re.ASCII)
    if not found:
        raise CouldNotLook(f"{name}: '{text[:40]}' is no size (512M, 2G)")
    return int(float(found[1]) * 1024 ** UNITS[found[2]])


def shown(size_in_bytes: float) -> str:
    """A number of bytes for a person."""
    for unit in ("B", "KB", "MB"):
        if size_in_bytes < 1024 * 10:
            return f"{size_in_bytes:.0f} {unit}"
        size_in_bytes /= 1024
    return f"{size_in_bytes:.0f} GB"


def span(text: str) -> float | None:
    """Read ``1min 500ms`` as seconds; None for ``infinity``, and for what is no span."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([a-z]+)", text)
    if not parts or any(unit not in SPANS for _, unit in parts):
        return None
    return sum(float(number) * SPANS[unit] for number, unit in parts)

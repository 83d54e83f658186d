# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run beside the one before it: what changed, and what took longer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .checklist import UNSEEN, WORDS
from .record import SUMMARY

SAME = ("app", "environment", "kind")
NEEDED = {"run_id", "outcome", "items", "phases", "seconds"}


def run_before(summary: Mapping[str, Any], reports: Path) -> dict[str, Any] | None:
    """The summary of the newest earlier run of the same kind; one that cannot be read is none to compare with."""
    found = []
    for path in reports.glob(f"*/{SUMMARY}"):
        try:
            other = json.loads(path.read_bytes())
            same = set(other) >= NEEDED and all(other[name] == summary[name] for name in SAME)
            if same and other["started"] < summary["started"]:
                found.append((other["started"], other["run_id"], other))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return max(found, key=lambda one: one[:2])[2] if found else None


def compare(
    now: Mapping[str, Any], before: Mapping[str, Any] | None, checklist: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """What is different from the run before: items whose status changed, seconds of the phases, of the window and of the whole."""
    if before is None:
        return None
    was, became = ({item["id"]: item["status"] for item in run["items"]} for run in (before, now))
    changes = [
        {"id": item["id"], "text": item["text"], "before": _word(was.get(item["id"])), "now": _word(became.get(item["id"]))}
        for item in checklist
        if was.get(item["id"]) != became.get(item["id"])
    ]
    earlier, later = _by_name(before["phases"]), _by_name(now["phases"])
    phases = [_pair(name, earlier.get(name), later.get(name)) for name in {**later, **earlier}]
    return {
        "run_id": before["run_id"],
        "outcome": before["outcome"],
        "started": before["started"],
        "to_release": before.get("to_release", ""),
        "changes": changes,
        "times": [
            *phases,
            {**_pair("Maintenance window", before.get("window_seconds"), now.get("window_seconds")), "total": True},
            {**_pair("Whole run", before["seconds"], now["seconds"]), "total": True},
        ],
    }


def _by_name(phases: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds of each phase; one that was come to twice counts as a whole."""
    names = dict.fromkeys(phase["name"] for phase in phases)
    return {name: sum(phase["seconds"] for phase in phases if phase["name"] == name) for name in names}


def _pair(name: str, before: float | None, now: float | None) -> dict[str, Any]:
    both = before is not None and now is not None
    return {"name": name, "before": before, "now": now, "difference": (now or 0) - (before or 0) if both else None}


def _word(status: str | None) -> str:
    return WORDS.get(status, status) if status else UNSEEN

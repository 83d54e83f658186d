# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When things were in a run: its phases, and the time in which visitors met the maintenance page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any


def timeline(summary: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each phase of a run with its seconds and its place on the way from begin to end, in percent; the window likewise."""
    start, end = float(summary["started"]), float(summary["ended"])
    begun = [event["time"] for event in events if event["event"] == "phase"]
    closed = maintenance(summary.get("visitors") or [])
    return {
        "phases": [
            {**phase, **place(began, began + phase["seconds"], start, end)}
            for phase, began in zip(summary["phases"], begun, strict=False)
        ],
        "window": {"from": closed[0], "to": closed[1], **place(*closed, start, end)} if closed else None,
    }


def maintenance(answers: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """From the first 503 to the first 200 after it (Unix time), as visitors met it; without a 200, to the last answer."""
    begin = next((run["first"] for run in answers if run["status"] == HTTPStatus.SERVICE_UNAVAILABLE), None)
    if begin is None:
        return None
    after = (run["first"] for run in answers if run["status"] == HTTPStatus.OK and run["first"] > begin)
    return float(begin), float(next(after, answers[-1]["last"]))


def place(begin: float, end: float, first: float, last: float) -> dict[str, float]:
    """Where a span lies between ``first`` and ``last``, in percent, and how wide it is."""
    whole = max(last - first, 1e-9)
    left = min(max((begin - first) / whole, 0.0), 1.0)
    right = min(max((end - first) / whole, left), 1.0)
    return {"left": round(left * 100, 2), "width": round((right - left) * 100, 2)}

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site as a probe saw it through a run, as a picture: which answers came when, and how long they took."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from .timeline import maintenance, place

HEIGHT = 100.0  # of the picture, whose width is 100 as well; the page stretches both
KINDS = {
    "answered": "answered",
    "maintenance": "maintenance page (503)",
    "refused": "refused (4xx)",
    "error": "server error (5xx)",
    "none": "no answer",
}


def kind(status: int) -> str:
    """What a status means for a visitor."""
    if status == 0:
        return "none"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "maintenance"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "error"
    return "refused" if status >= HTTPStatus.BAD_REQUEST else "answered"


def picture(answers: Sequence[Mapping[str, Any]], samples: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Geometry and words for what a probe saw; None where there was none.

    ``answers``: runs of equal answers; ``samples``: answers by short spans of time, as probe_site returns both.
    """
    if not answers:
        return None
    first, last = float(answers[0]["first"]), float(answers[-1]["last"])
    ends = [*[run["first"] for run in answers[1:]], last]
    runs = [
        {
            **run,
            "kind": kind(run["status"]),
            "word": KINDS[kind(run["status"])],
            "until": end,
            **place(run["first"], end, first, last),
        }
        for run, end in zip(answers, ends, strict=True)
    ]
    counts: Counter[str] = Counter()
    for run in runs:
        counts[run["kind"]] += run["count"]
    closed = maintenance(answers)
    return {
        "from": first,
        "seconds": last - first,
        "runs": runs,
        "counts": [{"kind": name, "word": word, "count": counts[name]} for name, word in KINDS.items() if counts[name]],
        "requests": counts.total(),
        "window": {"from": closed[0], "to": closed[1], **place(*closed, first, last)} if closed else None,
        "latency": _latency([sample for sample in samples if sample["median"] is not None], first, last),
    }


def _latency(samples: Sequence[Mapping[str, Any]], first: float, last: float) -> dict[str, Any] | None:
    """The median as a line and the slowest above it as an area, over powers of ten, as latencies differ by them."""
    if not samples:
        return None
    times = [max(sample[name], 1e-4) for sample in samples for name in ("median", "slowest")]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    high = max(high, low + 1)

    def point(sample: Mapping[str, Any], name: str) -> str:
        left = place(sample["at"], sample["at"], first, last)["left"]
        return f"{left:.2f},{HEIGHT * (high - math.log10(max(sample[name], 1e-4))) / (high - low):.2f}"

    middle = [point(sample, "median") for sample in samples]
    top = [point(sample, "slowest") for sample in samples]
    return {
        "median": " ".join(middle),
        "area": " ".join([*top, *reversed(middle)]),
        "scale": [
            {"label": _span(10.0**power), "top": round(HEIGHT * (high - power) / (high - low), 2)}
            for power in range(high, low - 1, -1)
        ],
        "typical": _span(sorted(sample["median"] for sample in samples)[len(samples) // 2]),
        "slowest": _span(max(sample["slowest"] for sample in samples)),
    }


def _span(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"

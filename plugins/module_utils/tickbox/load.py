# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A steady load: which request is due when, and what the answers came to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .answers import NO_ANSWER, Answer, json_differences

SUCCESS = 200


@dataclass(frozen=True)
class Sample:
    """One request of the load.

    due: seconds after the load's beginning at which it was to be sent. seconds: from then to the end of the answer, so that
    a request which had to wait for others counts with its wait. problem: why it counts as failed, None where it does not.
    late: seconds that it was sent after it was due.
    """

    name: str
    due: float
    seconds: float
    problem: str | None = None
    late: float = 0.0


def schedule(requests: Sequence[Mapping[str, Any]], rate: float, seconds: float) -> list[tuple[float, int]]:
    """When each request is due (seconds), with its place in ``requests``, whatever becomes of those before it.

    rate: requests a second altogether, by the share of each (``share``, 1 where it is not given), evenly spread.
    """
    shares = [float(request.get("share") or 1) for request in requests]
    whole = sum(shares)
    due = []
    for place, share in enumerate(shares):
        own = rate * share / whole
        due += [((number + (place + 1) / (len(shares) + 1)) / own, place) for number in range(math.floor(own * seconds))]
    return sorted(due)


def name_of(request: Mapping[str, Any]) -> str:
    """What a request of the load is called."""
    return str(request.get("name") or f"{str(request.get('method') or 'GET').upper()} {request['path']}")


def problem_of(request: Mapping[str, Any], answer: Answer) -> str | None:
    """Why an answer counts as failed; None where it does not."""
    if answer.status == NO_ANSWER:
        return "no answer"
    wanted = request.get("status") or SUCCESS
    if answer.status != wanted:
        return f"status {answer.status}"
    if request.get("contains") and request["contains"] not in answer.text:
        return "another body"
    if request.get("json") is not None and json_differences(request["json"], answer.json()):
        return "another body"
    return None


def percentile(ordered: Sequence[float], part: float) -> float:
    """The percentile of values in ascending order, by the nearest rank."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def summarise(samples: Sequence[Sample], names: Sequence[str] = ()) -> dict[str, Any]:
    """What the load came to, altogether and by request. A failed request counts among the times as well.

    names: of all requests, so that one which was never sent is seen to be missing. Times are seconds, by the nearest rank; late is
    the 95th percentile of how late the requests were sent.
    """
    routes: dict[str, list[Sample]] = {name: [] for name in names}
    for sample in samples:
        routes.setdefault(sample.name, []).append(sample)
    return {**_figures(samples), "routes": {name: _figures(own) for name, own in routes.items()}}


def _figures(samples: Sequence[Sample]) -> dict[str, Any]:
    times = sorted(sample.seconds for sample in samples)
    reasons: dict[str, int] = {}
    for sample in samples:
        if sample.problem:
            reasons[sample.problem] = reasons.get(sample.problem, 0) + 1
    figures: dict[str, Any] = {"requests": len(samples), "failures": sum(reasons.values()), "reasons": reasons}
    for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        figures[name] = round(percentile(times, part), 4) if times else None
    figures["late"] = round(percentile(sorted(sample.late for sample in samples), 0.95), 4) if samples else None
    return figures

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compares how long two releases take, asked in turns: whether one route has become slower, by a sequential sign test.

A pair is one request to each, one right after the other, in an order that is drawn by lot: what else the machine does meets
both alike. It speaks for "slower" where the new release took more than ``slower`` times the other's time, else against it. The
pairs go on until one side leads by LEAD: Wald's sequential probability ratio test of a sign, for which the times may be
distributed in any way (A. Wald, "Sequential Tests of Statistical Hypotheses", Annals of Mathematical Statistics 16, 1945).
Where a pair speaks for "slower" with the probability p, that side gets there first with the probability 1 / (1 + ((1 - p) / p)
** LEAD) (the gambler's ruin: W. Feller, "An Introduction to Probability Theory and Its Applications", volume 1, chapter XIV.2):
1.3 in a million at p = 0.3, 0.15 % at p = 0.4. tests/unit/test_side_by_side.py has what that comes to for releases as fast as
each other, and for slower ones.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .answers import Answer
from .load import problem_of

LEAD = 16
# Pairs of a route. After MOST the new one is about as slow as the threshold has it, and the majority says.
LEAST, MOST = LEAD, 200
WARM = 5  # pairs before those that count: the first answers of a young process are slow
# What a route may take where nothing else is said: times as long, and seconds more.
SLOWER, NOISE = 1.4, 0.0005
Ask = Callable[[Mapping[str, Any]], Answer]


@dataclass(frozen=True)
class Threshold:
    """What counts as slower: more than ``slower`` times the other time, and more than ``noise`` seconds above it."""

    slower: float
    noise: float

    def over(self, before: float, now: float) -> bool:
        return now > max(before * self.slower, before + self.noise)


@dataclass
class Route:
    """The pairs of one route: seconds of the release before and of the new one. ``wrong``: answers that the route must not give."""

    threshold: Threshold
    pairs: list[tuple[float, float]] = field(default_factory=list)
    wrong: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    asked: int = 0
    lead: int = 0

    def add(self, seconds: tuple[float, float], problems: tuple[str | None, str | None] = (None, None)) -> None:
        self.asked += 1
        for counted, problem in zip(self.wrong, problems, strict=True):
            if problem:
                counted[problem] += 1
        if not any(problems):
            self.pairs.append(seconds)
            self.lead += 1 if self.threshold.over(*seconds) else -1

    def goes_on(self, in_time: bool) -> bool:
        if self.asked < LEAST:
            return True
        return in_time and abs(self.lead) < LEAD and self.asked < MOST and bool(self.pairs)

    @property
    def figures(self) -> dict[str, Any]:
        """What it came to; times are medians in seconds."""
        before, now = (statistics.median(times) for times in zip(*self.pairs, strict=True)) if self.pairs else (None, None)
        return {
            "asked": self.asked,
            "pairs": len(self.pairs),
            "over": (len(self.pairs) + self.lead) // 2,
            "before": before and round(before, 5),
            "now": now and round(now, 5),
            "wrong_before": dict(self.wrong[0]),
            "wrong_now": dict(self.wrong[1]),
        }


def is_slower(figures: Mapping[str, Any]) -> bool:
    return bool(figures["over"] * 2 > figures["pairs"])


def compare(
    before: Ask, now: Ask, requests: Mapping[str, Mapping[str, Any]], threshold: Threshold, seconds: float
) -> dict[str, dict[str, Any]]:
    """Ask both for each of ``requests`` until all is clear, but for no more than ``seconds`` once each was asked LEAST times."""
    routes = {name: Route(threshold) for name in requests}
    for _ in range(WARM):
        for request in requests.values():
            _pair((before, now), request)
    end = time.monotonic() + seconds
    while going := [name for name, route in routes.items() if route.goes_on(time.monotonic() < end)]:
        for name in going:
            routes[name].add(*_pair((before, now), requests[name]))
    return {name: route.figures for name, route in routes.items()}


def _pair(sides: Sequence[Ask], request: Mapping[str, Any]) -> tuple[tuple[float, float], tuple[str | None, str | None]]:
    taken = [0.0, 0.0]
    problems: list[str | None] = [None, None]
    for side in random.sample((0, 1), 2):
        began = time.perf_counter()
        answer = sides[side](request)
        taken[side] = time.perf_counter() - began
        problems[side] = problem_of(request, answer)
    return (taken[0], taken[1]), (problems[0], problems[1])

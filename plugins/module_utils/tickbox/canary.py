# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the hosts that have a new release already answer as well as the others do."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .series import Series, histogram, increases, quantile

LEAST = 30  # requests, below which errors say nothing
LEAST_OF_ROUTE = 10  # likewise for the times of one route
CHANCE = 0.001  # what chance brings about more often than this is no reason to go back
SLOW = 0.05  # the part of answers that takes longer than p95
OF_HOST = {"le", "instance", "job", "__name__"}  # labels that do not tell routes apart

Route = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answers:
    """What some hosts answered: how many requests, how many of them with an error (5xx), and the times of each route.

    times: cumulative buckets of a histogram, upper bound in seconds to count, by the labels that tell routes apart.
    """

    requests: float
    errors: float
    times: Mapping[Route, Mapping[float, float]]

    @property
    def text(self) -> str:
        return f"{self.errors:.0f} errors among {self.requests:.0f} requests"


def answers_of(hosts: Collection[str], counted: Sequence[Series], times: Sequence[Series]) -> Answers:
    """Add up the series of these hosts, by the label ``instance``: a counter with ``status``, and a histogram's buckets."""
    own = increases([series for series in counted if series.labels.get("instance") in hosts])
    routes: dict[Route, list[Series]] = {}
    for series in times:
        if series.labels.get("instance") in hosts:
            route = tuple(sorted((name, value) for name, value in series.labels.items() if name not in OF_HOST))
            routes.setdefault(route, []).append(series)
    return Answers(
        requests=sum(count for _, count in own),
        errors=sum(count for labels, count in own if labels.get("status", "").startswith("5")),
        times={route: histogram(found) for route, found in routes.items()},
    )


def worse(canary: Answers, others: Answers, error_ratio: float, slower: float, noise: float) -> list[str]:
    """Why the rest had better not follow, where chance alone would hardly bring it about.

    error_ratio: part of the answers by which more may fail. A route is slower where more of its answers than the slowest twentieth
    take ``slower`` times the others' p95, and ``noise`` seconds longer at least.
    """
    few = [
        f"{name} answered {one.requests:.0f} requests, {LEAST} at least are needed to compare them"
        for name, one in (("the canary", canary), ("the others", others))
        if one.requests < LEAST
    ]
    if few:
        return few
    common = [
        route
        for route in canary.times.keys() & others.times.keys()
        if min(_total(canary.times[route]), _total(others.times[route])) >= LEAST_OF_ROUTE
    ]
    if not common:
        return [f"of no route {LEAST_OF_ROUTE} answers were timed on both sides"]
    problems = []
    if is_more(canary.errors, canary.requests, others.errors / others.requests + error_ratio):
        problems.append(f"{canary.errors:.0f} of {canary.requests:.0f} answers are errors, of the others {others.text}")
    problems += [
        told for route in sorted(common) if (told := _slower(route, canary.times[route], others.times[route], slower, noise))
    ]
    return problems


def _slower(route: Route, canary: Mapping[float, float], others: Mapping[float, float], slower: float, noise: float) -> str:
    """What is slower about the route, empty where it is not."""
    p95 = quantile(others, 1 - SLOW) or 0.0
    bound = min(bound for bound in canary if bound >= max(p95 * slower, p95 + noise) or math.isinf(bound))
    late, total = _total(canary) - canary[bound], _total(canary)
    if not is_more(late, total, SLOW):
        return ""
    name = " ".join(value for _, value in route)
    return f"{name}: {late:.0f} of {total:.0f} answers took longer than {bound:g} s, while the others' p95 is {1000 * p95:.0f} ms"


def _total(buckets: Mapping[float, float]) -> float:
    return buckets.get(math.inf, 0.0)


def is_more(count: float, total: float, part: float) -> bool:
    """Whether so many or more of ``total`` come about by chance less often than CHANCE, where each does with probability ``part``.

    The upper tail of the binomial distribution.
    """
    least, trials = round(count), round(total)
    if not 0 < part < 1:
        return part <= 0 < least

    def log_chance(hits: int) -> float:
        ways = math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
        return ways + hits * math.log(part) + (trials - hits) * math.log1p(-part)

    return 1 - sum(math.exp(log_chance(hits)) for hits in range(least)) < CHANCE

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges how fast and how well a release answers: by a load from outside, and by what the monitoring saw of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .assertion import UNVERIFIABLE, Verdict, all_of, listed, verdict
from .side_by_side import LEAST, NOISE, SLOWER, is_slower

LATE = 0.25  # seconds: beyond that it was the sender that was slow


@dataclass(frozen=True)
class Budget:
    """What a release may take. Times in seconds, ratios as parts of 1.

    slower, noise: what a route may take in comparison with the release before, as ``Threshold`` has it. min_requests: fewer say
    nothing; of each route a twentieth of it, and at least 5. routes: p95 and p99 of those that may take longer than the others.
    """

    p95: float
    p99: float
    error_ratio: float
    min_requests: int
    slower: float = SLOWER
    noise: float = NOISE
    routes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def min_of_route(self) -> int:
        return max(5, self.min_requests // 20)


@dataclass(frozen=True)
class Seen:
    """What the monitoring saw over the watch.

    requests, errors: what the application counted. p95: of its own times. restarts: of each of the units, None where there is
    no such series. alerts: alerts that fire or are pending, each with name, since when, and its state. rules: how many alert
    rules are loaded. scrapes: how often each of the application's instances was scraped.
    """

    requests: float
    errors: float
    p95: float | None
    restarts: Mapping[str, float | None] = field(default_factory=dict)
    alerts: Sequence[tuple[str, datetime, str]] = ()
    rules: int = 0
    scrapes: Mapping[str, int] = field(default_factory=dict)


def judge_response(load: Mapping[str, Any], budget: Budget) -> Verdict:
    """post.performance.api_response: p95 and p99 of each route and of all, and failures, within the budget."""
    if blind := _too_little(load, budget):
        return Verdict(UNVERIFIABLE, "; ".join(blind), observed=_observed(load))
    return verdict(
        _over_budget(load, budget, with_p99=True),
        f"{load['requests']} requests at {load.get('rate', 0):g}/s: p95 {_ms(load['p95'])}, p99 {_ms(load['p99'])}, "
        f"{load['failures']} failed",
        expected={"p95": budget.p95, "p99": budget.p99, "error_ratio": budget.error_ratio},
        observed=_observed(load),
        evidence=load,
    )


def judge_performance(
    load: Mapping[str, Any], comparison: Mapping[str, Any], seen: Seen, budget: Budget, schema_changed: bool = False
) -> Verdict:
    """deploy.verification.performance: p95 and errors within the budget, from outside and inside, and no route slower than before.

    comparison: this release side by side with the one that served before; empty where none did. schema_changed: that one was made
    for another schema, so that it may be unable to answer.
    """
    blind = [*_too_little(load, budget), *_unseen(load, seen)]
    compared, problems = _compared(comparison, budget, schema_changed)
    if not blind:
        problems = [*_over_budget(load, budget), *_inside_over_budget(seen, budget), *problems]
    if not compared:
        why = comparison.get("unable") or "it answered nothing of the load rightly"
        blind.append(f"the release before could not be asked: {why}")
    looked = Verdict(UNVERIFIABLE, "; ".join(blind), observed=_observed(load)) if blind else None
    judged = verdict(
        problems,
        f"{load.get('requests')} requests: p95 {_ms(load.get('p95'))}, {load.get('failures')} failed; the application's own p95 "
        f"{_ms(seen.p95)} of {seen.requests:.0f} requests; {compared}",
        expected={"p95": budget.p95, "error_ratio": budget.error_ratio, "slower": budget.slower},
        observed=_observed(load),
        evidence={"load": load, "comparison": comparison},
    )
    return all_of(looked, judged) if looked and problems else looked or judged


def judge_watch(load: Mapping[str, Any], seen: Seen, budget: Budget, since: datetime) -> Verdict:
    """deploy.go_live.monitor: over the watch, errors, p95, restarts and alerts within bounds. since: when the run began."""
    blind = [*_too_little(load, budget), *_unseen(load, seen)]
    if not seen.rules:
        blind.append("no alert rule is loaded, so that no alert could have fired")
    lost = [unit for unit, count in seen.restarts.items() if count is None]
    if lost or not seen.restarts:
        blind.append(f"the monitoring knows no restarts of {listed(lost) or 'any unit'}")
    looked = Verdict(UNVERIFIABLE, "; ".join(blind)) if blind else None
    problems = [*_over_budget(load, budget), *_inside_over_budget(seen, budget)] if not blind else []
    problems += [f"{unit} was restarted {count:.0f} times" for unit, count in seen.restarts.items() if count]
    new = [f"{name} ({state})" for name, began, state in seen.alerts if began >= since]
    if new:
        problems.append(f"alerts since this run began: {listed(new)}")
    old = [name for name, began, _state in seen.alerts if began < since]
    older = f"; {listed(old)} was on before" if old else ""
    watched = load["ended"] - load["began"] if load.get("ended") and load.get("began") else 0.0
    judged = verdict(
        problems,
        f"over {watched:.0f} s {seen.requests:.0f} requests, {seen.errors:.0f} errors, p95 {_ms(seen.p95)}; "
        f"no restart of {len(seen.restarts)} units, no new alert of {seen.rules} rules{older}",
        expected={"error_ratio": budget.error_ratio, "p95": budget.p95, "restarts": 0, "alerts": 0},
        observed={**_observed(load), "restarts": dict(seen.restarts), "alerts": [name for name, _, _ in seen.alerts]},
        evidence={"load": load, "scrapes": dict(seen.scrapes)},
    )
    return all_of(looked, judged) if looked and problems else looked or judged


def _too_little(load: Mapping[str, Any], budget: Budget) -> list[str]:
    """Why the load says too little."""
    requests, routes = load.get("requests") or 0, load.get("routes") or {}
    if requests < budget.min_requests:
        return [f"{requests} requests are too few to judge (at least {budget.min_requests})"]
    reasons = []
    few = [f"{name} ({own['requests']})" for name, own in routes.items() if own["requests"] < budget.min_of_route]
    if few:
        reasons.append(f"too few requests of {listed(few)} (at least {budget.min_of_route})")
    if (load.get("late") or 0) > LATE:
        reasons.append(f"the load was sent {_ms(load['late'])} late, so that it measures its sender")
    return reasons


def _unseen(load: Mapping[str, Any], seen: Seen) -> list[str]:
    if not seen.scrapes:
        return ["the monitoring has no figures of the application since the load began"]
    if stale := [instance for instance, count in seen.scrapes.items() if count < 2]:  # noqa: PLR2004
        return [f"the monitoring has read {listed(stale)} less than twice since the load began"]
    if seen.p95 is None:
        return ["the monitoring has no response times of the application since the load began"]
    # The first scrape came some time after the load had begun.
    if seen.requests < (load.get("requests") or 0) / 2:
        return [f"the monitoring saw {seen.requests:.0f} of {load.get('requests') or 0} requests"]
    return []


def _over_budget(load: Mapping[str, Any], budget: Budget, with_p99: bool = False) -> list[str]:
    problems = []
    parts = ("p95", "p99") if with_p99 else ("p95",)
    for name, own in {"all routes": load, **load["routes"]}.items():
        bounds = {part: budget.routes.get(name, {}).get(part, getattr(budget, part)) for part in parts}
        over = [f"{part} {_ms(own[part])} (budget {_ms(bound)})" for part, bound in bounds.items() if own[part] > bound]
        if own["failures"] > budget.error_ratio * own["requests"]:
            reasons = listed(f"{reason}: {count}" for reason, count in own["reasons"].items())
            over.append(f"{own['failures']} of {own['requests']} requests failed ({reasons}; budget {budget.error_ratio:.1%})")
        if over:
            problems.append(f"{name}: {', '.join(over)}")
    return _short(problems)


def _inside_over_budget(seen: Seen, budget: Budget) -> list[str]:
    problems = []
    if seen.errors > budget.error_ratio * seen.requests:
        problems.append(f"the application counted {seen.errors:.0f} errors among {seen.requests:.0f} requests")
    if seen.p95 is not None and seen.p95 > budget.p95:
        problems.append(f"the application's own p95 is {_ms(seen.p95)} (budget {_ms(budget.p95)})")
    return problems


def _compared(comparison: Mapping[str, Any], budget: Budget, schema_changed: bool) -> tuple[str, list[str]]:
    """What the comparison says where it finds nothing, and what it finds. The first is empty where it may not be missing and is."""
    if not comparison:
        return "no release before to compare with", []
    routes: Mapping[str, Mapping[str, Any]] = comparison["routes"]
    problems, ratios, unanswered = [], [], []
    for name, own in routes.items():
        wrong_before, wrong_now = (sum(own[side].values()) for side in ("wrong_before", "wrong_now"))
        if wrong_now > wrong_before + max(1, budget.error_ratio * own["asked"]):  # one may be chance
            reasons = listed(f"{reason}: {count}" for reason, count in own["wrong_now"].items())
            problems.append(f"{name}: {wrong_now} of {own['asked']} wrong ({reasons}), of the release before {wrong_before}")
        elif own["pairs"] < LEAST:
            unanswered.append(name)  # it is new, or the earlier code cannot use the schema
        else:
            ratios.append(own["now"] / own["before"])
            if is_slower(own):
                problems.append(
                    f"{name}: {ratios[-1]:.1f} times as slow as the release before ({_ms(own['now'])}, before "
                    f"{_ms(own['before'])}; over {budget.slower:g} times in {own['over']} of {own['pairs']} pairs)"
                )
    without = f" ({listed(unanswered)} not, as the release before does not answer so)" if unanswered else ""
    if ratios:
        return f"{len(ratios)} routes at most {max(ratios):.2f} times as slow as before{without}", _short(problems)
    reason = comparison.get("unable") or "it answers none of the routes"
    return f"not compared with the release before, which had another schema: {reason}" if schema_changed else "", _short(problems)


def _short(problems: list[str], most: int = 3) -> list[str]:
    """The first few. One slow route shows in the figures of all as well: its own name says more."""
    named = problems[1:] if len(problems) > 1 and problems[0].startswith("all routes") else problems
    return [*named[:most], *([f"and {len(named) - most} routes more"] if len(named) > most else [])]


def _observed(load: Mapping[str, Any]) -> dict[str, Any]:
    return {name: load.get(name) for name in ("requests", "failures", "p50", "p95", "p99", "late")}


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    if math.isinf(seconds):
        return "beyond the last bucket"
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges what a browser saw of an application's pages and of the dashboard."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .assertion import CouldNotLook, Verdict, listed, verdict

# What only a program's own account of its failure looks like: Python, JavaScript, Java, PHP, Go, Ruby.
TRACE = re.compile(
    r"Traceback \(most recent call last\)"
    r"|File \"[^\"\n]+\", line \d+"
    r"|\bat (?:[\w.$<>\[\] ]+ \()?[^\s()]*[./][^\s()]*:\d+:\d+\)?"
    r"|\bat [\w.$]+\(\w+\.java:\d+\)"
    r"|#\d+ \S+\.php\(\d+\)"
    r"|\bgoroutine \d+ \["
    r"|\S+\.rb:\d+:in "
    r"|\b(?:site-packages|dist-packages|node_modules)/"
)
RUN_KINDS = ("output", "error", "exit", "time-out")
CASE_KINDS = ("bad code", "too many requests", "backend stopped")
FIGURES = {"first_byte_ms": "first byte", "largest_paint_ms": "largest paint", "ready_ms": "ready", "bytes": "bytes"}
BUSY = 2  # times the budget: what a machine that does other things as well may add
KEYWORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan", "start", "end", "atan2"})
# Prometheus's own series of alerts: there is none while all is well.
MAY_BE_ABSENT = frozenset({"ALERTS", "ALERTS_FOR_STATE"})


@dataclass(frozen=True)
class Opened:
    """One example that was opened: what stood where, and what went wrong."""

    name: str
    shown: Mapping[str, str]
    problems: Sequence[str]


@dataclass(frozen=True)
class Done:
    """One part of a journey that has a name: what went wrong with it, and how long it took in seconds."""

    name: str
    problems: Sequence[str]
    seconds: float = 0.0
    kind: str = ""


@dataclass(frozen=True)
class EditorFacts:
    """workers: address of each worker and what is wrong with it. tokens: distinct classes of coloured pieces."""

    workers: Mapping[str, str]
    tokens: Sequence[str]
    problems: Sequence[str]


@dataclass(frozen=True)
class Panel:
    """A panel of the dashboard: what it asked, and what came back. newest: age of its newest figure in seconds."""

    title: str
    shown: bool
    query: str = ""
    series: int = 0
    newest: float | None = None
    problem: str = ""
    absent: Sequence[str] = field(default_factory=tuple)


def judge_examples(opened: Sequence[Opened], least: int, start: Sequence[str]) -> Verdict:
    """post.functionality.examples_load: each example shows a content of its own, and nothing complains."""
    problems = [f"the page itself: {problem}" for problem in start]
    problems += [f"{one.name}: {listed(one.problems, 3)}" for one in opened if one.problems]
    if len(opened) < least:
        problems.append(f"{len(opened)} examples are on the page, {least} or more should be")
    for number, one in enumerate(opened):
        for place, text in one.shown.items():
            same = [other.name for other in opened[:number] if text and other.shown.get(place) == text]
            if same:
                problems.append(f"{one.name}: {place} shows the same as {same[0]}")
            elif not text:
                problems.append(f"{one.name}: {place} is empty")
    return verdict(
        problems,
        f"{len(opened)} examples opened, each with its content, no error and no failed request",
        expected={"least": least},
        observed={"opened": [one.name for one in opened]},
        evidence=[{"name": one.name, "shown": dict(one.shown), "problems": list(one.problems)} for one in opened],
    )


def judge_runs(runs: Sequence[Done]) -> Verdict:
    """post.functionality.code_execution: each program ended as it should."""
    counts = {kind: sum(run.kind == kind for run in runs) for kind in RUN_KINDS}
    lacking = [kind for kind, count in counts.items() if not count]
    if lacking:
        raise CouldNotLook(f"app_journeys.code_execution has no run of kind {listed(lacking)}")
    problems = [f"{run.name}: {listed(run.problems, 2)}" for run in runs if run.problems]
    stopped = min(run.seconds for run in runs if run.kind == "time-out")
    return verdict(
        problems,
        f"{len(runs)} programs with figures of this run ended as they should, an endless one after {stopped:.1f} s",
        expected={"kinds": list(RUN_KINDS)},
        observed=counts,
        evidence=[{"name": run.name, "kind": run.kind, "seconds": round(run.seconds, 2)} for run in runs],
    )


def judge_editor(facts: EditorFacts, kinds: int, workers: int) -> Verdict:
    """post.functionality.editor: typed into, coloured, its workers alive."""
    problems = list(facts.problems)
    problems += [f"worker {address}: {problem}" for address, problem in facts.workers.items() if problem]
    if len(facts.workers) < workers:
        problems.append(f"{len(facts.workers)} workers run, {workers} should")
    if not facts.problems and len(facts.tokens) < kinds:
        problems.append(f"{len(facts.tokens)} kinds of tokens are told apart, {kinds} should be")
    return verdict(
        problems,
        f"the editor takes text and tells {len(facts.tokens)} kinds of tokens apart; {len(facts.workers)} workers answer",
        expected={"token_kinds": kinds, "workers": workers},
        observed={"token_kinds": len(facts.tokens), "workers": list(facts.workers)},
        evidence={"tokens": list(facts.tokens)},
    )


def judge_storage(kept: Sequence[Done]) -> Verdict:
    """post.functionality.local_storage: there after a reload and in a new tab, not in a fresh profile."""
    problems = [f"{one.name}: {listed(one.problems, 2)}" for one in kept if one.problems]
    return verdict(
        problems,
        "edited code is there after a reload and in a new tab, and not in a fresh profile",
        observed={one.name: not one.problems for one in kept},
    )


def judge_controls(tried: Sequence[Done], unnamed: Mapping[str, Sequence[str]]) -> Verdict:
    """post.functionality.controls: each named control has its effect, and no other is there."""
    problems = [f"{one.name}: {listed(one.problems, 2)}" for one in tried if one.problems]
    problems += [f"{place}: the journey does not name {listed(names)}" for place, names in unnamed.items() if names]
    if not tried:
        problems.append("no control was there to use")
    return verdict(
        problems,
        f"{len(tried)} controls on {len(unnamed)} pages have the effect that the journey names; there is no other",
        observed={"tried": [one.name for one in tried]},
        evidence={"unnamed": {place: list(names) for place, names in unnamed.items()}},
    )


def judge_errors(cases: Sequence[Done]) -> Verdict:
    """post.functionality.error_handling: each failure shows a message and no trace, and the page recovers."""
    lacking = [kind for kind in CASE_KINDS if not any(case.kind == kind for case in cases)]
    if lacking:
        raise CouldNotLook(f"app_journeys.error_handling has no case of kind {listed(lacking)}")
    problems = [f"{case.name}: {listed(case.problems, 2)}" for case in cases if case.problems]
    return verdict(
        problems,
        f"{len(cases)} failures shown with a message and without a trace; the page recovered from each",
        observed={"cases": [case.name for case in cases]},
    )


def trace_in(text: str, forbidden: Sequence[str] = ()) -> str:
    """What looks like a program's trace in a text, or is named as forbidden; "" where nothing does."""
    found = TRACE.search(text)
    return found.group()[:80] if found else next((word for word in forbidden if word in text), "")


def medians(loads: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each figure over several loads."""
    return {name: median(load[name] for load in loads) for name in FIGURES}


def over_budget(measured: Mapping[str, Mapping[str, float]], budgets: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Name the medians that are above their budget."""
    return [
        f"{kind} load: {FIGURES[name]} {_figure(name, measured[kind][name])}, over the budget of {_figure(name, most)}"
        for kind, budget in budgets.items()
        for name, most in budget.items()
        if measured[kind][name] > most
    ]


def may_be_busy(loads: Mapping[str, Sequence[Mapping[str, float]]], budgets: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether a busy machine may be why a round of loads is over budget: more bytes, or twice the time, come from the site."""
    measured = {kind: medians(taken) for kind, taken in loads.items()}
    most = {
        kind: {name: limit * (1 if name == "bytes" else BUSY) for name, limit in budget.items()} for kind, budget in budgets.items()
    }
    return bool(over_budget(measured, budgets)) and not over_budget(measured, most)


def judge_loads(
    rounds: Sequence[Mapping[str, Sequence[Mapping[str, float]]]], budgets: Mapping[str, Mapping[str, float]]
) -> Verdict:
    """post.performance.page_load: the medians of the last round of cold and warm loads are within their budgets.

    rounds: for "cold" and "warm" the loads with their figures. A round over budget is taken again by the caller, as the machine
    on which the browser runs may have been busy; what slows the site slows each round.
    """
    measured = {kind: medians(loads) for kind, loads in rounds[-1].items()}
    told = ", ".join(f"{kind} {' / '.join(_figure(name, measured[kind][name]) for name in FIGURES)}" for kind in measured)
    counts = ", ".join(f"{len(loads)} {kind}" for kind, loads in rounds[-1].items())
    return verdict(
        over_budget(measured, budgets),
        f"median of {counts} loads: {told} ({', '.join(FIGURES.values())})",
        expected={kind: dict(budget) for kind, budget in budgets.items()},
        observed=measured,
        evidence=[{kind: medians(loads) for kind, loads in taken.items()} for taken in rounds],
    )


def judge_canaries(places: Sequence[Done], became: Mapping[str, Sequence[str]]) -> Verdict:
    """pre.security.output_sanitization: the canaries are shown at each place, none runs and none becomes an element."""
    problems = [f"{canary} {listed(what, 3)}" for canary, what in became.items() if what]
    problems += [f"{place.name}: {listed(place.problems, 2)}" for place in places if place.problems]
    return verdict(
        problems,
        f"{len(became)} canaries were shown as text at {len(places)} places; none ran, none became an element",
        observed={"places": [place.name for place in places]},
        evidence={"canaries": list(became)},
    )


def judge_dashboard(panels: Sequence[Panel], open_to: Sequence[str], complaints: Sequence[str], fresh: float) -> Verdict:
    """post.monitoring.dashboard: closed without the login, and each panel's query has figures of this moment."""
    problems = [f"open without the login: {listed(open_to)}"] if open_to else []
    problems += list(complaints)
    if not panels:
        problems.append("it has no panel")
    for panel in panels:
        if problem := _panel_problem(panel, fresh):
            problems.append(f"panel '{panel.title}': {problem}")
    return verdict(
        problems,
        f"{len(panels)} panels, the query of each returns figures of this moment; without the login nothing is shown",
        expected={"newest_figure_seconds": fresh},
        observed={"panels": len(panels), "series": sum(panel.series for panel in panels)},
        evidence=[{"title": panel.title, "query": panel.query, "series": panel.series} for panel in panels],
    )


def newest_figure(answer: Any) -> tuple[int, float | None]:
    """The number of series in an answer of Prometheus to a range query, and the Unix time of the newest number among them.

    Raises ValueError with what is wrong where the answer is none.
    """
    if not isinstance(answer, Mapping) or answer.get("status") != "success":
        said = answer.get("error") if isinstance(answer, Mapping) else None
        raise ValueError(f"the query failed: {str(said)[:120]}" if said else "its answer is none of Prometheus")
    data = answer.get("data")
    result = data.get("result") if isinstance(data, Mapping) else None
    if not isinstance(result, list):
        raise ValueError("its answer has no result")
    newest = None
    for series in result:
        points = series.get("values") if isinstance(series, Mapping) else None
        for point in points if isinstance(points, list) else []:
            try:
                time, value = float(point[0]), float(point[1])
            except (TypeError, ValueError, IndexError, KeyError):
                raise ValueError("its answer holds a point that is none") from None
            if value - value == 0 and (newest is None or time > newest):  # neither infinite nor no number
                newest = time
    return len(result), newest


def metrics_of(query: str) -> list[str]:
    """The names of the metrics that a PromQL query reads and that must be there for it to say anything."""
    bare = re.sub(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`", "", query)
    bare = re.sub(r"#[^\n]*", "", bare)
    bare = re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]", " ", bare)
    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)", " ", bare, flags=re.IGNORECASE)
    names = re.findall(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])", bare)
    words = KEYWORDS | MAY_BE_ABSENT | {"by", "without", "on", "ignoring", "group_left", "group_right"}
    return list(dict.fromkeys(name for name in names if name not in words and name.lower() not in KEYWORDS))


def _panel_problem(panel: Panel, fresh: float) -> str:
    if panel.problem:
        return panel.problem
    if not panel.query:
        return "no query of it was seen"
    if not panel.series or panel.newest is None:
        return f"no data for {panel.query}"
    if panel.newest > fresh:
        return f"its newest figure is {panel.newest:.0f} s old, {fresh:.0f} s are allowed: {panel.query}"
    if panel.absent:
        return f"there is no {listed(panel.absent)} at this moment"
    return "" if panel.shown else "it shows no figures"


def _figure(name: str, value: float) -> str:
    return f"{value / 1000:,.0f} kB" if name == "bytes" else f"{value:.0f} ms"

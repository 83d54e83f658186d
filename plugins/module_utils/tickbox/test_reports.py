# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reports of test suites (JUnit XML) and of benchmarks (pytest-benchmark's and k6's JSON). JUnit needs junitparser."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import ParseError

try:
    from junitparser import Error, Failure, JUnitXml, JUnitXmlError, Skipped, TestCase

    JUNITPARSER = True
except ImportError:  # reported by the module that needs it
    JUNITPARSER = False

from .assertion import Verdict, listed, verdict

MILLISECONDS = 1000.0
MIN_SAMPLES = 30  # below that a 95th percentile is little more than the worst sample
FLAKY = {"flakyFailure", "flakyError", "rerunFailure", "rerunError", "rerun"}  # a test that passed only when tried again
COUNTED = ("tests", "failures", "errors", "skipped")


class BadReport(Exception):
    """The report is not what it should be; the message says why in one line."""


@dataclass
class Cases:
    """What a JUnit report holds, counted from the single tests; ``problems`` are those of the report itself.

    ``broken``: those of the failed tests that did not come to a verdict, as their set-up or their import failed.
    """

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    flaky: list[str] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.passed) + len(self.failed) + len(self.skipped)


def read_junit(report: bytes) -> Cases:
    """Count the tests of a JUnit report. Raises BadReport for what is no whole report."""
    if b"<!DOCTYPE" in report or b"<!ENTITY" in report:
        raise BadReport("the report defines entities, which no test suite does")
    try:
        cases = _count(list(JUnitXml.fromstring(report)))
    except (ParseError, JUnitXmlError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadReport(f"the report is no JUnit XML, or is cut short: {error}") from None
    return cases


def _nested(suite: Any) -> Iterator[Any]:
    yield suite
    for inner in suite.testsuites():
        yield from _nested(inner)


def _count(suites: Sequence[Any]) -> Cases:
    cases = Cases()
    for outer in suites:
        for suite in _nested(outer):
            cases.properties |= {str(one.name): str(one.value) for one in suite.properties()}
        for case in outer:  # those of nested suites as well
            if isinstance(case, TestCase):
                _sort(case, cases)
    # What the heads of the outermost suites say is held against the tests themselves.
    said = {name: sum(int(getattr(suite, name) or 0) for suite in suites) for name in COUNTED}
    bad = said["failures"] + said["errors"]
    if said["tests"] != cases.total or said["skipped"] != len(cases.skipped) or (bad == 0) != (not cases.failed):
        counts = f"{said['tests']} tests, {bad} bad, {said['skipped']} skipped"
        held = f"{cases.total}, {len(cases.failed)} and {len(cases.skipped)}"
        cases.problems.append(f"its head says {counts}, but it holds {held}")
    return cases


def _sort(case: Any, cases: Cases) -> None:
    name = f"{case.classname or ''}::{case.name or ''}"
    results = list(case.result)
    if any(isinstance(one, (Failure, Error)) for one in results):
        cases.failed.append(name)
        if any(isinstance(one, Error) for one in results):
            cases.broken.append(name)
    elif any(isinstance(one, Skipped) for one in results):
        cases.skipped.append(name)
    else:
        cases.passed.append(name)
    if any(child.tag in FLAKY for child in case._elem):
        cases.flaky.append(name)


def judge_tests(report: bytes, suite: Mapping[str, Any], problems: Sequence[str]) -> Verdict:
    """A suite of tests: enough of them, none failed, few enough skipped, and real services at work where it says so.

    ``suite``: ``minimum`` (tests that must have passed), ``skipped`` (how many may be), ``properties`` (name of a counter that the
    suite recorded: the least that it must be). ``problems``: what was found about the result already.
    """
    minimum, budget = max(1, int(suite.get("minimum") or 1)), int(suite.get("skipped") or 0)
    counters: Mapping[str, Any] = suite.get("properties") or {}
    expected = {"minimum": minimum, "skipped": budget, "properties": dict(counters)}
    found = list(problems)
    try:
        cases = read_junit(report)
    except BadReport as reason:
        return verdict([*found, str(reason)], "", expected=expected)
    found += cases.problems
    if cases.total == 0:
        found.append("no test was collected")
    if cases.failed:
        found.append(f"{len(cases.failed)} of {cases.total} tests failed: {listed(cases.failed, 3)}")
    if cases.flaky:
        found.append(f"{len(cases.flaky)} tests passed only when tried again: {listed(cases.flaky, 3)}")
    if len(cases.skipped) > budget:
        found.append(f"{len(cases.skipped)} of {cases.total} tests were skipped, {budget} may be: {listed(cases.skipped, 3)}")
    if len(cases.passed) < minimum:
        found.append(f"{len(cases.passed)} tests passed, at least {minimum} must")
    found += _counter_problems(counters, cases.properties)
    worked = "".join(f", {name} {cases.properties.get(name)}" for name in counters)
    return verdict(
        found,
        f"{len(cases.passed)} tests passed, {len(cases.skipped)} skipped{worked}",
        expected=expected,
        observed={
            "passed": len(cases.passed),
            "failed": len(cases.failed),
            "skipped": len(cases.skipped),
            "properties": cases.properties,
        },
        evidence={"skipped": sorted(cases.skipped), "failed": sorted(cases.failed)},
    )


def _counter_problems(wanted: Mapping[str, Any], given: Mapping[str, str]) -> list[str]:
    problems = []
    for name, least in wanted.items():
        value = given.get(name)
        if value is None:
            problems.append(f"no {name} was recorded, so nothing shows that the service did the work")
        elif not value.isascii() or not value.isdigit():
            problems.append(f"{name} is {value[:40]!r}, no number")
        elif int(value) < max(1, int(least)):
            problems.append(f"{name} is {value}, at least {max(1, int(least))} would show that the service did the work")
    return problems


@dataclass(frozen=True)
class Figures:
    """One benchmark: milliseconds at the 50th and 95th percentile, and of how many samples."""

    p50: float
    p95: float
    samples: int


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that at least ``share`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def read_benchmarks(report: bytes) -> dict[str, Figures]:
    """Benchmarks by name, from the JSON of pytest-benchmark (with its data) or of k6. Raises BadReport for anything else."""
    try:
        content = json.loads(report)
    except (ValueError, RecursionError) as error:
        raise BadReport(f"the report is no JSON, or is cut short: {error}") from None
    try:
        if isinstance(content, dict) and isinstance(content.get("benchmarks"), list):
            return _pytest_benchmark(content["benchmarks"])
        if isinstance(content, dict) and isinstance(content.get("metrics"), dict):
            return _k6(content["metrics"])
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise BadReport(f"the report lacks what a benchmark has: {type(error).__name__} {error}") from None
    raise BadReport("the report is neither pytest-benchmark's nor k6's")


def _pytest_benchmark(benchmarks: Sequence[Mapping[str, Any]]) -> dict[str, Figures]:
    found: dict[str, Figures] = {}
    for one in benchmarks:
        name, stats = str(one["name"]), one["stats"]
        times = [_time(name, value) for value in stats.get("data") or []]
        if not times:
            raise BadReport(f"{name} has no single times (--benchmark-json writes them)")
        if len(times) != stats["rounds"] or not math.isclose(max(times), stats["max"], rel_tol=1e-6):
            raise BadReport(f"{name}: its figures do not follow from its {len(times)} times")
        if name in found:
            raise BadReport(f"{name} stands there twice")
        found[name] = Figures(percentile(times, 0.5) * MILLISECONDS, percentile(times, 0.95) * MILLISECONDS, len(times))
    return found


def _k6(metrics: Mapping[str, Any]) -> dict[str, Figures]:
    """Trends of a summary: as --summary-export writes it, or handleSummary's with the figures in ``values``."""
    flat = {name: metric.get("values", metric) for name, metric in metrics.items()}
    checks = flat.get("http_req_failed")
    if checks and _number("http_req_failed", checks.get("rate", checks.get("value"))) > 0:
        raise BadReport(f"k6 counted failed requests: a share of {checks.get('rate', checks.get('value'))}")
    requests = flat.get("http_reqs", {}).get("count")
    found = {}
    for name, figures in flat.items():
        if "med" in figures and "p(95)" in figures:
            count = figures.get("count", requests if name == "http_req_duration" else None)
            if count is None:
                continue  # of a trend without a count nobody knows how many samples it has
            found[name] = Figures(_time(name, figures["med"]), _time(name, figures["p(95)"]), int(_number(name, count)))
    return found


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise BadReport(f"{name}: {str(value)[:40]!r} is no figure")
    return float(value)


def _time(name: str, value: Any) -> float:
    if (seconds := _number(name, value)) == 0:
        raise BadReport(f"{name}: a time of 0 was not measured")
    return seconds


def judge_benchmarks(report: bytes, suite: Mapping[str, Any], problems: Sequence[str]) -> Verdict:
    """pre.quality.performance_benchmarks: each benchmark that has a budget was measured often enough, and is within it.

    ``suite``: ``budgets``, by name of the benchmark ``{p50_ms, p95_ms}``, and ``samples``, the least number of each,
    where MIN_SAMPLES are not enough.
    """
    budgets: Mapping[str, Mapping[str, Any]] = suite.get("budgets") or {}
    least = max(MIN_SAMPLES, int(suite.get("samples") or 0))
    expected = {"budgets": dict(budgets), "samples": least}
    found = list(problems)
    if not budgets:
        found.append("no budget is set")
    try:
        figures = read_benchmarks(report)
    except BadReport as reason:
        return verdict([*found, str(reason)], "", expected=expected)
    for name, budget in budgets.items():
        seen = figures.get(name)
        if seen is None:
            found.append(f"{name} was not measured")
            continue
        if seen.samples < least:
            found.append(f"{name} has {seen.samples} samples, at least {least} are needed")
        for label, value in (("p50", seen.p50), ("p95", seen.p95)):
            most = budget.get(f"{label}_ms")
            if most is None:
                found.append(f"{name} has no budget for its {label}")
            elif value > float(most):
                found.append(f"{name}: {label} {value:.1f} ms, budget {float(most):g} ms")
    unjudged = sorted(figures.keys() - budgets.keys())
    nearest = ""
    if not found:
        worst = max(budgets, key=lambda name: figures[name].p95 / float(budgets[name]["p95_ms"]))
        nearest = f", the nearest to it {worst} with p95 {figures[worst].p95:.1f} of {float(budgets[worst]['p95_ms']):g} ms"
    return verdict(
        found,
        f"{len(budgets)} benchmarks within budget{nearest}" + (f"; without a budget: {listed(unjudged)}" if unjudged else ""),
        expected=expected,
        observed={name: _shown(one) for name, one in figures.items()},
    )


def _shown(one: Figures) -> dict[str, Any]:
    return {"p50_ms": round(one.p50, 2), "p95_ms": round(one.p95, 2), "samples": one.samples}

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges what a release uses: within its limits, without a leak, without spikes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .assertion import UNVERIFIABLE, Verdict, listed, verdict
from .usage import UnitSample

# Student's t for a two-sided confidence of 95 %, by degrees of freedom; beyond the list the last.
T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09, 2.09)
BLOCKS = 10  # of samples: means of blocks are nearly independent of each other, samples are not
MOST_NAMED = 4
FEWEST = 4  # points through which a line is worth drawing


@dataclass(frozen=True)
class Use:
    """One resource against one limit, both in the unit of ``what``."""

    what: str
    used: float
    limit: float

    @property
    def part(self) -> float:
        return self.used / self.limit if self.limit > 0 else math.inf

    def shown(self) -> str:
        size = "bytes" if "memory" in self.what else ""
        used, limit = (f"{value / 2**20:.0f} MB" if size else f"{value:.10g}" for value in (self.used, self.limit))
        return f"{self.what} {used} of {limit} ({self.part:.0%})"


@dataclass(frozen=True)
class Load:
    """What was asked of the release meanwhile, and what of it failed."""

    wanted: int
    answered: int
    failed: int

    def problem(self) -> str | None:
        """Why what was seen was not seen under load."""
        if self.wanted == 0:
            return "no load was sent"
        if self.answered + self.failed < 0.5 * self.wanted:
            return f"the load did not get through: {self.answered} of {self.wanted} requests were answered"
        if self.failed > 0.01 * self.wanted:
            return f"the load failed: {self.failed} of {self.wanted} requests"
        return None


@dataclass(frozen=True)
class Moment:
    """The units at one moment. at: seconds since the watch began; done: requests answered until then; loaded: under load."""

    at: float
    units: Mapping[str, UnitSample]
    done: int = 0
    loaded: bool = True


def judge_resources(uses: Sequence[Use], part: float, load: Load | None) -> Verdict:
    """post.performance.resources: each resource uses at most ``part`` of its limit. load: None where another host is asked."""
    if load and (reason := load.problem()):
        return Verdict(UNVERIFIABLE, reason)
    if not uses:
        return Verdict(UNVERIFIABLE, "no limit of anything was found")
    ordered = sorted(uses, key=lambda use: -use.part)
    over = [use.shown() for use in ordered if use.part > part]
    more = f" and {len(over) - MOST_NAMED} more" if len(over) > MOST_NAMED else ""
    return verdict(
        [f"over {part:.0%} of its limit: {'; '.join(over[:MOST_NAMED])}{more}"] if over else [],
        f"{len(uses)} resources within {part:.0%} of their limits, the highest {ordered[0].shown()}",
        expected={"part": part},
        observed={use.what: {"used": use.used, "limit": use.limit} for use in ordered},
    )


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float, float] | None:
    """The slope of a line through the points by least squares, with the ends of its 95 % confidence interval.

    The line goes through the means of blocks of samples that follow each other. None where there are too few.
    """
    size = max(1, len(points) // BLOCKS)
    blocks = [points[start : start + size] for start in range(0, len(points) - size + 1, size)]
    means = [(statistics.fmean(x for x, _ in block), statistics.fmean(y for _, y in block)) for block in blocks]
    if len(means) < FEWEST:
        return None
    middle_x, middle_y = statistics.fmean(x for x, _ in means), statistics.fmean(y for _, y in means)
    spread = sum((x - middle_x) ** 2 for x, _ in means)
    if spread == 0:
        return None
    steep = sum((x - middle_x) * (y - middle_y) for x, y in means) / spread
    rest = sum((y - middle_y - steep * (x - middle_x)) ** 2 for x, y in means)
    freedom = len(means) - 2
    error = T95[min(freedom, len(T95)) - 1] * math.sqrt(rest / freedom / spread)
    return steep, steep - error, steep + error


@dataclass(frozen=True)
class Leak:
    """How the memory of a unit grew. slope, lower, upper: bytes for each step, whose bound is ``bound``."""

    unit: str
    step: str
    slope: float
    lower: float
    upper: float
    bound: float

    def shown(self) -> str:
        interval = f"95 %: {self.lower:+.0f} to {self.upper:+.0f}, bound {self.bound:.0f}"
        return f"{self.unit} {self.slope:+.0f} bytes a {self.step} ({interval})"


def leaks(moments: Sequence[Moment], web_unit: str, routes: int, round_bound: float, second_bound: float) -> list[Leak]:
    """How the memory of each unit's lasting processes grew under load; for the web unit by round, that is one request of each
    of ``routes``, for others by second. Processes that came and went in between are no leak.
    """
    found = []
    loaded = [moment for moment in moments if moment.loaded]
    for unit in loaded[0].units if loaded else ():
        samples = [moment.units[unit].processes for moment in loaded]
        lasting = [pid for pid in samples[0] if all(pid in sample for sample in samples)]
        by_round = unit == web_unit
        points = [
            (moment.done / routes if by_round else moment.at, float(sum(sample[pid].memory for pid in lasting)))
            for moment, sample in zip(loaded, samples, strict=True)
        ]
        line = slope(points)
        if line and lasting:
            found.append(Leak(unit, "round" if by_round else "second", *line, round_bound if by_round else second_bound))
    return found


def undecided(found: Sequence[Leak], units: int) -> bool:
    """Whether more samples are needed to say of each unit on which side of its bound it is."""
    return len(found) < units or any(leak.lower < leak.bound < leak.upper for leak in found)


def judge_leaks(moments: Sequence[Moment], found: Sequence[Leak], load: Load, rounds: float) -> Verdict:
    """post.performance.memory_leaks: the interval of each slope lies below its bound, and no process was replaced meanwhile."""
    if reason := load.problem():
        return Verdict(UNVERIFIABLE, reason)
    replaced = _replaced(moments)
    shown = {leak.unit: {"slope": leak.slope, "lower": leak.lower, "upper": leak.upper, "bound": leak.bound} for leak in found}
    leaking = [f"it grows: {leak.shown()}" for leak in found if leak.lower >= leak.bound or leak.slope > leak.bound]
    problems = [*(f"{unit}: its processes were replaced meanwhile" for unit in replaced), *leaking]
    if problems:
        return verdict(problems, "", observed=shown)
    lost = sorted(set(moments[-1].units) - {leak.unit for leak in found}) if moments else []
    unclear = [leak.shown() for leak in found if leak.upper > leak.bound]
    if lost or unclear or not found:
        reason = f"no slope of {listed(lost)}" if lost else f"too uncertain, watch longer: {'; '.join(unclear)}"
        return Verdict(UNVERIFIABLE, reason, observed=shown)
    return verdict(
        [],
        f"over {rounds:.0f} rounds: {'; '.join(leak.shown() for leak in found)}; no restart",
        expected={leak.unit: leak.bound for leak in found},
        observed=shown,
    )


@dataclass(frozen=True)
class CpuBounds:
    """CPUs that a unit may use over any one second: idle, under load; and part of the time that it may be throttled.

    others: CPUs that any other process may use without a pause of ``others_seconds``.
    """

    idle: float
    load: float
    throttled: float
    others: float
    others_seconds: float


def spikes(moments: Sequence[Moment], unit: str, window: float = 1.0) -> tuple[float, float]:
    """The most CPUs that a unit used over any ``window`` seconds, idle and under load."""
    most = {True: 0.0, False: 0.0}
    begin = 0
    for end, last in enumerate(moments):
        while begin < end and last.at - moments[begin + 1].at >= window:
            begin += 1
        first = moments[begin]
        if last.at - first.at >= window and first.loaded == last.loaded:
            used = (last.units[unit].cpu - first.units[unit].cpu) / (last.at - first.at)
            most[last.loaded] = max(most[last.loaded], used)
    return most[False], most[True]


def judge_spikes(
    moments: Sequence[Moment], web_unit: str, bounds: CpuBounds, others: Mapping[str, tuple[float, float]], load: Load
) -> Verdict:
    """post.performance.cpu_spikes. others: processes of no unit of the release, with the longest time (s) over the bound, and
    the CPUs that they used then."""
    if reason := load.problem():
        return Verdict(UNVERIFIABLE, reason)
    idle = sum(not moment.loaded for moment in moments)
    if idle < FEWEST or len(moments) - idle < FEWEST:
        return Verdict(UNVERIFIABLE, f"too few samples: {idle} idle, {len(moments) - idle} under load")
    problems, observed, shown = [], {}, []
    for unit in moments[0].units:
        still, busy = spikes(moments, unit)
        observed[unit] = {"idle": round(still, 2), "load": round(busy, 2)}
        shown.append(f"{unit} {still:.2f} idle, {busy:.2f} under load")
        bound = bounds.load if unit == web_unit else bounds.idle  # the load asks the web unit alone
        if still > bounds.idle:
            problems.append(f"{unit} used {still:.2f} CPUs over a second without load (bound {bounds.idle:g})")
        if busy > bound:
            problems.append(f"{unit} used {busy:.2f} CPUs over a second under load (bound {bound:g})")
        first, last = moments[0].units[unit].throttled, moments[-1].units[unit].throttled
        if first is not None and last is not None and last - first > bounds.throttled * (moments[-1].at - moments[0].at):
            problems.append(f"{unit} was held back for {last - first:.1f} s by its CPU limit")
    problems += [
        f"{name} used {cpus:.2f} CPUs for {seconds:.1f} s"
        for name, (seconds, cpus) in others.items()
        if seconds >= bounds.others_seconds
    ]
    return verdict(
        problems,
        f"most CPUs over a second: {'; '.join(shown)}",
        expected={"idle": bounds.idle, "load": bounds.load, "throttled": bounds.throttled},
        observed=observed,
    )


def _replaced(moments: Sequence[Moment]) -> list[str]:
    """Units of which the main process, or one that it keeps, was another later on."""
    found = []
    for unit in moments[0].units if moments else ():
        first, last = moments[0].units[unit].processes, moments[-1].units[unit].processes
        roots = {pid for pid, process in first.items() if process.parent not in first}
        # A main process may have short-lived children beside those that it keeps.
        soon = moments[len(moments) // 3].units[unit].processes
        kept = {pid for pid, process in first.items() if process.parent in roots and pid in soon}
        if not last or any(pid not in last or last[pid].started != first[pid].started for pid in roots | kept):
            found.append(unit)
    return found

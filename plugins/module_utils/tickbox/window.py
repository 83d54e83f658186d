# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges the maintenance window: is now within one, is there time enough, and are the alerts that it will raise held back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from .assertion import CouldNotLook, Verdict, listed, verdict
from .monitoring import moment, silenced

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
RUNS = 10  # how many earlier runs say how long one takes
ALWAYS = 8  # days that are looked at: a window that outlasts them is always open

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Measured:
    """How long visitors were kept out in earlier runs, in seconds, the newest first."""

    seconds: Sequence[float]

    @property
    def longest(self) -> float:
        return max(self.seconds, default=0.0)


def judge_window(
    windows: Sequence[Mapping[str, Any]],
    freezes: Sequence[Mapping[str, Any]],
    measured: Measured,
    least: float,
    factor: float,
    now: datetime,
) -> Verdict:
    """deploy.maintenance.window: now lies in a window (UTC) with time enough, and no freeze begins before the end.

    What is needed is ``factor`` times the longest run measured, and at least ``least`` seconds.
    """
    needed = max(least, factor * measured.longest)
    end = now + timedelta(seconds=needed)
    problems = []
    spans = open_spans(windows, now)
    span = next((one for one in spans if one[0] <= now < one[1]), None)
    if span is None:
        later = [start for start, _end in spans if start > now]
        problems.append(
            f"{now:%a %Y-%m-%d %H:%M} UTC is in no maintenance window"
            + (f"; the next opens on {min(later):%a %Y-%m-%d at %H:%M} UTC" if later else "")
        )
    elif span[1] < end:
        left = (span[1] - now).total_seconds()
        problems.append(f"the window closes in {left:.0f} s, at {span[1]:%H:%M} UTC, and {needed:.0f} s are needed")
    for first, last, reason in frozen_days(freezes):
        if first < end and now < last:
            problems.append(f"frozen until {last:%Y-%m-%d} UTC: {reason}")
    known = (
        f"{factor:g} times the {measured.longest:.1f} s that the longest of {len(measured.seconds)} runs took"
        if factor * measured.longest > least
        else f"at least {least:.0f} s; the longest of {len(measured.seconds)} runs took {measured.longest:.1f} s"
        if measured.seconds
        else "no run has been measured yet"
    )
    until = "-"
    if span:
        always = span[1] - now > timedelta(days=ALWAYS - 2)
        until = "always open" if always else f"open until {span[1]:%a %H:%M} UTC"
    return verdict(
        problems,
        f"{until}; {needed:.0f} s are needed ({known})",
        expected={"windows": [dict(one) for one in windows], "freezes": [dict(one) for one in freezes], "seconds": needed},
        observed={"now": now.isoformat(timespec="seconds"), "measured": list(measured.seconds)},
    )


def judge_silence(
    silences: Sequence[Mapping[str, Any]],
    run: str,
    alerts: Sequence[str],
    needed: float,
    now: float,
) -> Verdict:
    """deploy.maintenance.window on the monitoring host: the alerts that maintenance raises are held back, and no others."""
    own = [one for one in silences if run and run in str(one.get("comment")) and _active(one)]
    problems = []
    if not run:
        raise CouldNotLook("run: the run is not named, so its silence cannot be found")
    if not alerts:
        problems.append("no alert is named that maintenance raises")
    if not own:
        problems.append(f"there is no active silence for run {run}")
    else:
        missing = [name for name in alerts if not any(silenced(one, {"alertname": name}) for one in own)]
        if missing:
            problems.append(f"the silence does not hold back {listed(missing)}")
        if any(silenced(one, {"alertname": "any other alert"}) for one in own):
            problems.append("the silence holds back all alerts, not those that maintenance raises")
        left = max(moment(one.get("endsAt")) for one in own) - now
        if left < needed:
            problems.append(f"the silence ends in {left:.0f} s, and {needed:.0f} s are needed")
    until = datetime.fromtimestamp(max((moment(one.get("endsAt")) for one in own), default=0), UTC)
    return verdict(
        problems,
        f"{listed(alerts)} held back until {until:%H:%M} UTC",
        expected={"run": run, "alerts": list(alerts), "seconds": needed},
        observed={"silences": [one.get("id") for one in own]},
        evidence=[{key: one.get(key) for key in ("id", "matchers", "startsAt", "endsAt", "createdBy", "comment")} for one in own],
    )


def open_spans(windows: Sequence[Mapping[str, Any]], now: datetime) -> list[Span]:
    """The spans (UTC) of the windows around ``now``, those that touch made one."""
    if not windows:
        raise CouldNotLook("no maintenance window is defined: set maintenance_windows")
    _keys(windows, "window", {"days", "start", "end"})
    spans = sorted(
        _span(window, (now + timedelta(days=shift)).date())
        for window in windows
        for shift in range(-1, ALWAYS)
        if _on(window, now, shift)
    )
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def frozen_days(freezes: Sequence[Mapping[str, Any]]) -> list[tuple[datetime, datetime, str]]:
    """When nothing may be deployed: from the first moment (UTC) of a day to the last of the same or a later one, and why."""
    _keys(freezes, "freeze", {"from", "to", "reason"})
    found = []
    for freeze in freezes:
        first = _day(freeze.get("from"))
        last = _day(freeze.get("to") or freeze.get("from"))
        if last < first:
            raise CouldNotLook(f"a freeze ends on {last} before it begins on {first}")
        begin, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last))
        found.append((begin, end + timedelta(days=1), str(freeze.get("reason") or "no reason is given")))
    return found


def read_measured(reports: Path, app: str, environment: str) -> Measured:
    """How long the windows of the newest runs of this application and environment were, out of their records."""
    found: list[tuple[float, float]] = []
    for path in reports.glob("*/summary.json"):
        if path.parent.is_symlink():
            continue  # "latest" is one of the others
        try:
            summary = json.loads(path.read_text())
            if (summary["app"], summary["environment"]) == (app, environment) and float(summary.get("window_seconds", 0)) > 0:
                found.append((float(summary["started"]), float(summary["window_seconds"])))
        except (ValueError, KeyError, TypeError):
            raise CouldNotLook(f"{path} is no summary of a run: mend it or move it away") from None
    return Measured([seconds for _started, seconds in sorted(found, reverse=True)[:RUNS]])


def _keys(given: Sequence[Mapping[str, Any]], what: str, known: set[str]) -> None:
    """A word that is not understood may be the one that closes the window."""
    unknown = {str(key) for one in given for key in one} - known
    if unknown:
        raise CouldNotLook(f"a {what} has {listed(unknown)}; known are {', '.join(sorted(known))}")


def _active(silence: Mapping[str, Any]) -> bool:
    status = silence.get("status")
    return isinstance(status, Mapping) and status.get("state") == "active"


def _on(window: Mapping[str, Any], now: datetime, shift: int) -> bool:
    days = window.get("days") or list(DAYS)
    unknown = [str(day) for day in days if day not in DAYS] if isinstance(days, list) else [str(days)]
    if unknown:
        raise CouldNotLook(f"a window names days that are none: {listed(unknown)}; they are {', '.join(DAYS)}")
    return DAYS[(now + timedelta(days=shift)).weekday()] in days


def _span(window: Mapping[str, Any], day: date) -> Span:
    start, end = _time(window.get("start"), day), _time(window.get("end"), day)
    # A window over midnight belongs to the day on which it opens.
    return start, end if end > start else end + timedelta(days=1)


def _time(text: Any, day: date) -> datetime:
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", str(text))
    hours, minutes = (int(part) for part in match.groups()) if match else (99, 0)
    if hours * 60 + minutes > 24 * 60 or minutes > 59:  # noqa: PLR2004
        raise CouldNotLook(f"a window has '{text}' for a time; it is written as 02:30, in UTC")
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hours, minutes=minutes)


def _day(value: Any) -> date:
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise CouldNotLook(f"a freeze has '{value}' for a day; it is written as 2026-12-24") from None

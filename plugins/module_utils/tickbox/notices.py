# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges whether everybody who is to be told of a run was told, of this run and in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .assertion import UNVERIFIABLE, Verdict, all_of, listed, verdict


@dataclass(frozen=True)
class Times:
    """When the run began and when its maintenance did (Unix time); None where the record has no such event."""

    opened: float | None
    maintenance: float | None


def notice_id(run: str, kind: str) -> str:
    """What a notice is known by, at the sender and at the receivers."""
    return f"{run}-{kind}"


def times(events: Iterable[Mapping[str, Any]]) -> Times:
    events = list(events)
    opened = [event["time"] for event in events if event.get("event") == "opened"]
    began = [event["time"] for event in events if event.get("event") == "phase" and event.get("phase") == "maintenance"]
    return Times(min(opened, default=None), min(began, default=None))


def wrong_names(names: Sequence[str]) -> list[str]:
    """What is wrong with the list of receivers itself."""
    if not names:
        return ["nobody is told: name receivers in notify_receivers"]
    twice = [name for name, count in Counter(names).items() if count > 1]
    return [f"notify_receivers names {listed(twice)} more than once"] if twice else []


def judge_notice(
    notice: Mapping[str, Any],
    expected_id: str,
    names: Sequence[str],
    run: Times,
    there: Mapping[str, bool],
    unseen: Sequence[str],
    *,
    before_maintenance: bool,
) -> Verdict:
    """Each of ``names`` accepted the notice ``expected_id``, after the run began and, where asked, before its maintenance did.

    ``notice``: what send_notices returned. ``there``: whether it was seen at those receivers that show what they have got.
    ``unseen``: a sentence for each that could not be looked at.
    """
    problems = wrong_names(names)
    told = {one["name"]: one for one in notice.get("receivers", [])}
    if not notice.get("id"):
        problems.append("no notice was sent")
    elif notice["id"] != expected_id:
        problems.append(f"the notice is {notice['id']}, not {expected_id}")
    else:
        problems += [_problem(name, told.get(name), run, before_maintenance) for name in names]
        problems += [f"{name} accepted it and does not have it" for name, seen in there.items() if not seen]
    judged = verdict(
        [problem for problem in problems if problem],
        f"{expected_id} accepted by " + ", ".join(_told(told[name], there) for name in names if name in told),
        expected={"id": expected_id, "receivers": list(names)},
        observed={"id": notice.get("id"), "receivers": list(told), "maintenance_began": _clock(run.maintenance)},
        evidence=list(told.values()),
    )
    blind = [*unseen, *(["the record does not say when the run began"] if run.opened is None else [])]
    return all_of(judged, Verdict(UNVERIFIABLE, "; ".join(blind))) if blind else judged


def _problem(name: str, one: Mapping[str, Any] | None, run: Times, before_maintenance: bool) -> str:
    if one is None:
        return f"{name} was not told"
    if not one["accepted"]:
        return f"{name} did not accept it: {one['answer']}"
    at = float(one["at"])
    if run.opened is not None and at < run.opened:
        return f"{name} accepted it at {_clock(at)}, before the run began at {_clock(run.opened)}"
    if before_maintenance and run.maintenance is not None and at >= run.maintenance:
        return f"{name} accepted it at {_clock(at)}, when maintenance had begun at {_clock(run.maintenance)}"
    return ""


def _told(one: Mapping[str, Any], there: Mapping[str, bool]) -> str:
    return f"{one['name']} ({one['answer']}{', seen there' if there.get(one['name']) else ''}, {one['seconds']} s)"


def _clock(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S UTC")

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges maintenance mode: everything closed but to the operator, or everything open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from .answers import NO_ANSWER, Answer
from .assertion import Verdict, listed, verdict

CLOSED = 503


@dataclass(frozen=True)
class Asked:
    """One request and its answer. ``by``: who asked, by the bypass header sent; ``status``: what it answers normally."""

    address: str
    method: str
    path: str
    by: str
    status: int | None
    answer: Answer

    @property
    def name(self) -> str:
        """The request for a person."""
        return f"{self.method} {self.path} at {self.address}" + (f" with {self.by}" if self.by else "")


def judge_closed(visitors: Sequence[Asked], operators: Sequence[Asked], page: str, bypass: Sequence[int]) -> Verdict:
    """Every request of a visitor meets the maintenance page; an operator's gets through."""
    problems = _by_problem([(asked, closed_problem(asked, page)) for asked in visitors])
    problems += _by_problem([(asked, bypass_problem(asked.answer, page, bypass)) for asked in operators])
    if not visitors or not operators:
        problems.append("nothing was asked")
    return verdict(
        problems,
        f"{len(visitors)} requests met the page with 503; {len(operators)} with the bypass got through",
        expected={"status": CLOSED, "retry-after": "a time", "page": page, "bypass": list(bypass)},
        observed=_statuses([*visitors, *operators]),
        evidence=_first_bodies([*visitors, *operators]),
    )


def judge_open(visitors: Sequence[Asked], page: str) -> Verdict:
    """Every request of a visitor gets its normal answer."""
    problems = _by_problem([(asked, open_problem(asked, page)) for asked in visitors])
    if not visitors:
        problems.append("nothing was asked")
    return verdict(
        problems,
        f"{len(visitors)} requests got their normal answers",
        expected={asked.name: asked.status or "below 500" for asked in visitors},
        observed=_statuses(visitors),
        evidence=_first_bodies(visitors),
    )


def closed_problem(asked: Asked, page: str) -> str:
    """Say what lets a visitor's request through, or leaves the visitor without the page; empty where nothing does."""
    answer = asked.answer
    if answer.status != CLOSED:
        return f"{answer.outcome}, not {CLOSED}"
    if not _is_time(answer.headers.get("retry-after", "")):
        return "no usable Retry-After"
    if "no-store" not in answer.headers.get("cache-control", "").lower():
        return "may be stored by a cache (no Cache-Control: no-store)"
    if asked.method != "HEAD" and page not in answer.text:
        return "not the maintenance page"
    return ""


def bypass_problem(answer: Answer, page: str, bypass: Sequence[int]) -> str:
    """Say what keeps an operator out; empty where nothing does."""
    if answer.status not in bypass:
        return f"{answer.outcome}, not {listed(str(status) for status in bypass)}"
    return "the maintenance page" if page in answer.text else ""


def open_problem(asked: Asked, page: str) -> str:
    """Say what is not normal about an answer; empty where it is."""
    answer = asked.answer
    if page in answer.text:
        return f"the maintenance page ({answer.outcome})"
    normal = answer.status == asked.status if asked.status else NO_ANSWER < answer.status < 500  # noqa: PLR2004
    return "" if normal else f"{answer.outcome}, not {asked.status or 'below 500'}"


def _is_time(text: str) -> bool:
    if text.isdigit():
        return int(text) > 0
    try:
        parsedate_to_datetime(text)
    except ValueError:
        return False
    return True


def _by_problem(looked: Sequence[tuple[Asked, str]]) -> list[str]:
    """One problem for each way to be wrong, with the requests that are: a closed site has many requests."""
    grouped: dict[str, list[str]] = {}
    for asked, problem in looked:
        if problem:
            grouped.setdefault(problem, []).append(asked.name)
    return [f"{listed(names, 3)}: {problem}" for problem, names in grouped.items()]


def _statuses(asked: Sequence[Asked]) -> dict[str, int]:
    return {entry.name: entry.answer.status for entry in asked}


def _first_bodies(asked: Sequence[Asked]) -> dict[str, str]:
    """The beginning of one body for each status: the others would say the same."""
    bodies: dict[str, str] = {}
    for entry in asked:
        bodies.setdefault(f"{entry.answer.status}", f"{entry.name}: {entry.answer.text[:500]}")
    return bodies

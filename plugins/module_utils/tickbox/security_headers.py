# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges the security headers of a site's answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .answers import NO_ANSWER, Answer
from .assertion import CouldNotLook, Verdict, listed, verdict
from .routes import SERVER_ERROR, lacking
from .visitor import Seen

HSTS = "strict-transport-security"


def compiled(required: Mapping[str, str]) -> dict[str, re.Pattern[str]]:
    """The pattern that each required header's whole value must fit, whatever its case."""
    patterns = {}
    for name, pattern in required.items():
        try:
            patterns[name.lower()] = re.compile(str(pattern), re.IGNORECASE)
        except re.error as error:
            raise CouldNotLook(f"required: '{pattern}' for {name} is no pattern: {error}") from None
    if not patterns:
        raise CouldNotLook("required: no header is asked for")
    return patterns


def header_problems(answer: Answer, required: Mapping[str, re.Pattern[str]], plain: bool) -> list[str]:
    """Name each required header that an answer lacks or has with another value. HSTS means nothing without TLS."""
    problems = []
    for name, pattern in required.items():
        if plain and name == HSTS:
            continue
        value = answer.headers.get(name)
        if value is None:
            problems.append(f"no {name}")
        elif not pattern.fullmatch(value.strip()):
            problems.append(f"{name} is '{value[:80]}'")
    return problems


def judge_headers(seen: Sequence[Seen], required: Mapping[str, re.Pattern[str]], statuses: Sequence[int]) -> Verdict:
    """post.security.headers: every answer has each header, and each of ``statuses`` was among the answers."""
    silent = [one for one in seen if one.answer.status == NO_ANSWER]
    if silent:
        raise CouldNotLook(f"{silent[0].request.name}: {silent[0].answer.outcome}")
    grouped: dict[str, list[str]] = {}
    for one in seen:
        for problem in header_problems(one.answer, required, one.request.plain):
            grouped.setdefault(problem, []).append(one.name)
    problems = [f"{problem}: {listed(dict.fromkeys(names), 3)}" for problem, names in grouped.items()]
    came = {one.answer.status for one in seen}
    missing = lacking(seen, statuses)
    if missing and not problems:
        raise CouldNotLook(f"no answer with status {listed(map(str, missing))} could be caused, so its headers were not seen")
    return verdict(
        problems,
        f"{len(required)} headers on {len(seen)} answers of status {', '.join(map(str, sorted(came)))}",
        expected={name: pattern.pattern for name, pattern in required.items()},
        observed={"answers": len(seen), "statuses": sorted(came)},
        evidence=sorted({one.name for one in seen}),
    )


def refuse_no_error(caused: Sequence[Seen]) -> None:
    """CouldNotLook where the request that should cause an error of the server did not."""
    for one in caused:
        if one.answer.status < SERVER_ERROR:
            raise CouldNotLook(f"{one.request.name} answered with status {one.answer.status}, no error of the server")

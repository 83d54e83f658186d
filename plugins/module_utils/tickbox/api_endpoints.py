# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges the operations of an API: each answers, and what it answers fits its description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .answers import NO_ANSWER, Answer, json_differences
from .assertion import CouldNotLook, Verdict, listed, verdict
from .exchange import wanted_status
from .openapi import Api

MOST = 6
SUCCESS = range(200, 300)


def judge_endpoints(api: Api, served: Any, asked: Sequence[tuple[Mapping[str, Any], Answer | None]], slowest: float) -> Verdict:
    """deploy.verification.api_endpoints.

    served: the OpenAPI document that the site serves; None where it is not to be compared. asked: each request with its answer,
    None where it could not be sent. slowest: in seconds.
    """
    problems, doubts, right = [], [], set()
    if served is not None and served != api.document:
        differences = json_differences(api.document, served, "document") or ["it has more"]
        problems.append(f"the site serves another OpenAPI document than the release has: {differences[0][:120]}")
    for request, answer in asked:
        name, wanted = request["operation"], wanted_status(request)
        if answer is None:
            doubts.append(name)
            continue
        found = [] if answer.status == wanted else [f"{answer.outcome[:120]}, not {wanted}"]
        if answer.status != NO_ANSWER:
            found += api.answer_problems(name, answer)
        problems += [f"{name}: {problem}" for problem in found]
        if not found and wanted in SUCCESS:
            right.add(name)
    sent = {request["operation"] for request, _ in asked}
    problems += [f"{name}: app_api_requests has no request for it" for name in api.operations if name not in sent]
    tried = {request["operation"] for request, answer in asked if answer is not None and wanted_status(request) in SUCCESS}
    problems += [f"{name}: it is asked for errors only" for name in api.operations if name in sent - tried - set(doubts)]
    if not api.operations:
        problems.append("the OpenAPI document has no operation")
    if doubts and not problems:
        raise CouldNotLook(f"not asked, as an answer before did not say what they need: {listed(doubts)}")
    return verdict(
        problems[:MOST] + ([f"and {len(problems) - MOST} more"] if len(problems) > MOST else []),
        f"{len(right)} operations answered, each as the OpenAPI document describes it, the slowest in {slowest:.2f} s",
        expected={"operations": sorted(api.operations)},
        observed={"right": len(right), "not sent": doubts},
        evidence=problems,
    )

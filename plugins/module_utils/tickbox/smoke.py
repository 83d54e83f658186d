# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges smoke tests: each answer right, fresh, and its request found again in the application's log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .answers import BODILESS, NO_ANSWER, Answer, json_differences
from .assertion import Verdict, listed, verdict

CACHES = ("x-cache", "x-cache-status", "x-proxy-cache", "cf-cache-status")
FROM_CACHE = ("hit", "stale", "updating", "revalidated")
SUCCESS = range(200, 300)


def answer_problems(request: Mapping[str, Any], answer: Answer, request_id: str, id_header: str) -> list[str]:
    """Name what is wrong with the answer to one request of the application's definition."""
    if answer.status == NO_ANSWER:
        return [answer.outcome]
    wanted = request.get("status") or 200
    problems = [] if answer.status == wanted else [f"{answer.outcome}, not {wanted}"]
    contains, json = request.get("contains"), request.get("json")
    if contains and contains not in answer.text:
        problems.append(f"the body does not hold '{contains}'")
    if json is not None:
        problems += json_differences(json, answer.json())
    if not contains and json is None and wanted in SUCCESS and wanted not in BODILESS:
        problems.append("it asks nothing of the body, so an error page would do: give it contains or json")
    return problems + cache_problems(answer, request_id, id_header)


def judge_smoke(answers: Sequence[Mapping[str, Any]], logged: Collection[str]) -> Verdict:
    """deploy.verification.smoke_tests: no problem with any answer, and each request id in the application's log."""
    problems = [f"{answer['name']}: {listed(answer['problems'])}" for answer in answers if answer["problems"]]
    lost = [str(answer["name"]) for answer in answers if answer["request_id"] not in logged]
    if lost:
        problems.append(f"{len(lost)} of {len(answers)} requests are not in the application's log: {listed(lost)}")
    if not answers:
        problems.append("no smoke request was sent")
    slowest = max((float(answer["seconds"]) for answer in answers), default=0.0)
    return verdict(
        problems,
        f"{len(answers)} requests answered as defined, the slowest in {slowest:.2f} s, and found in the log",
        expected={"requests": len(answers)},
        observed={"right": sum(not answer["problems"] for answer in answers), "logged": len(answers) - len(lost)},
        evidence=list(answers),
    )


def cache_problems(answer: Answer, request_id: str, id_header: str) -> list[str]:
    problems = []
    if answer.headers.get("age", "0").strip() != "0":
        problems.append(f"an answer from a cache (Age: {answer.headers['age']})")
    for name in CACHES:
        if answer.headers.get(name, "").lower().startswith(FROM_CACHE):
            problems.append(f"an answer from a cache ({name}: {answer.headers[name]})")
    returned = answer.headers.get(id_header.lower())
    # The application and the web server may both return it: then it stands there twice.
    if {value.strip() for value in (returned or "").split(",")} != {request_id}:
        problems.append(f"{id_header} came back as '{returned}'" if returned else f"the answer has no {id_header}")
    return problems

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges what an application answered to requests that it must refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .answers import NO_ANSWER, Answer
from .assertion import CouldNotLook, Verdict, verdict
from .exchange import wanted_status

# What is wrong with a request. A canary fits its schema, and what nobody asked for may be ignored: neither may do harm.
# What the inventory says must be refused has a kind of its own.
BODY, PATH, QUERY, CANARY, JUNK, METHOD, REFUSED = "body", "path", "query", "canary", "junk", "method", "refused"
SLEEP = 5  # seconds for which a canary sleeps where a database runs it
NOT_LOOKED_AT = {401, 403, 429}
# What says "your request is not valid", by what was not valid in it. 401, 403 and 429 say that nobody looked at it.
REFUSALS = {
    BODY: {400, 411, 413, 414, 415, 422, 431},
    PATH: {400, 404, 405, 414, 422, 431},
    QUERY: {400, 404, 414, 422, 431},
    METHOD: {400, 401, 403, 404, 405, 501},
    REFUSED: set(range(400, 500)) - NOT_LOOKED_AT,
}
ERRORS = 500
SUCCESS = range(200, 400)
MOST = 5
NOT_IMPLEMENTED = 501


def judge_inputs(
    cases: Sequence[Mapping[str, Any]],
    outcomes: Sequence[Sequence[float]],
    operations: Sequence[str],
    unbounded: Mapping[str, Sequence[str]],
    logins: Sequence[str],
) -> Verdict:
    """pre.security.input_validation.

    outcomes: status and seconds for each case, in its order; fewer where time ran out. unbounded: by operation, what its
    description lets in without a limit. logins: operations that open a session, which no text may open but the right one.
    """
    problems = [f"{name}: {what}" for name, found in unbounded.items() for what in found]
    doubts: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    for case, (status, seconds) in zip(cases, outcomes, strict=False):
        name, what, kind = case["operation"], case["what"], case["kind"]
        answer = Answer(int(status), {}, b"the connection was closed")
        statuses[f"{int(status) // 100}xx"] += 1
        wrong = _wrong(int(status), kind, name in logins)
        if wrong == "nobody looked":
            doubts[f"{name}: {answer.outcome} before its input was looked at"] += 1
        elif wrong:
            problems.append(f"{name}: {what}: {answer.outcome}{wrong}")
        if seconds >= SLEEP and "pg_sleep" in what:
            problems.append(f"{name}: {what}: took {seconds:.1f} s, as if a database ran it")
    unsent = len(cases) - len(outcomes)
    if unsent:
        doubts[f"{unsent} of {len(cases)} requests were not sent in time"] += 1
    sent = {case["operation"] for case, _ in zip(cases, outcomes, strict=False)}
    problems += [f"{name}: nothing was sent" for name in operations if name not in sent and not unsent]
    if not operations:
        problems.append("the OpenAPI document has no operation")
    if doubts and not problems:
        raise CouldNotLook("; ".join(doubts))
    first = problems[:MOST] + ([f"and {len(problems) - MOST} more"] if len(problems) > MOST else [])
    return verdict(
        first,
        f"{len(outcomes)} faulty requests to {len(operations)} operations: none taken, no error of the server",
        expected={"operations": list(operations), "refused": len(cases)},
        observed=dict(statuses),
        evidence={"problems": problems, "not looked at": dict(doubts)},
    )


def _wrong(status: int, kind: str, login: bool) -> str:
    """What is wrong with a status; nothing where it is right."""
    if status == NO_ANSWER:
        return ", the process broke off"
    if status >= ERRORS and not (kind == METHOD and status == NOT_IMPLEMENTED):
        return ", an error of the server"
    if kind in {CANARY, JUNK}:
        return ", a session for nothing" if kind == CANARY and login and status in SUCCESS else ""
    if status in REFUSALS[kind]:
        return ""
    return "nobody looked" if status in NOT_LOOKED_AT else ", not refused"


def sessions_opened(requests: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> None:
    """Raise CouldNotLook unless the release answered, and opened the sessions without which it looks at no input."""
    if not requests or len(answers) != len(requests):
        raise CouldNotLook(f"{len(answers)} of {len(requests)} example requests were sent")
    for request, answer in zip(requests, answers, strict=True):
        if request.get("session") and answer["status"] != wanted_status(request):
            outcome = Answer(int(answer["status"]), {}, str(answer.get("body", "")).encode()).outcome
            raise CouldNotLook(f"{request['operation']} opens no session: {outcome}")

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges a journey: requests one after the other, each with what those before it returned, up to a value that is read back."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from .answers import NO_ANSWER, Answer, json_differences
from .assertion import CouldNotLook, Verdict, verdict
from .smoke import cache_problems

PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
WRITES = {"POST", "PUT", "PATCH"}
UNGUESSABLE = ("nonce", "product", "sum")  # names of values that nobody can have prepared


@dataclass(frozen=True)
class Step:
    """What one step got: its name, what is wrong, and whether it was taken at all."""

    name: str
    status: int
    seconds: float
    problems: Sequence[str] = field(default_factory=tuple)


def chances() -> dict[str, Any]:
    """Values that are new each time: a text, and two numbers with their product and sum."""
    a, b = secrets.randbelow(90_000) + 10_000, secrets.randbelow(90_000) + 10_000
    return {"nonce": secrets.token_hex(12), "a": a, "b": b, "product": a * b, "sum": a + b}


def filled(given: Any, values: Mapping[str, Any], step: str) -> Any:
    """Put ``values`` in for each ``${name}``. A text that is one placeholder alone becomes the value with its type."""
    if isinstance(given, str):
        whole = PLACEHOLDER.fullmatch(given)
        if whole:
            return _value(whole[1], values, step)
        return PLACEHOLDER.sub(lambda found: str(_value(found[1], values, step)), given)
    if isinstance(given, Mapping):
        return {filled(key, values, step): filled(value, values, step) for key, value in given.items()}
    if isinstance(given, (list, tuple)):
        return [filled(entry, values, step) for entry in given]
    return given


def kept(wanted: Mapping[str, str], answer: Answer) -> tuple[dict[str, Any], list[str]]:
    """Take values out of an answer's JSON: ``{name: place}``, the place as ``key.key.0``. What is not there is a problem."""
    found: dict[str, Any] = {}
    problems = []
    for name, place in wanted.items():
        value = answer.json()
        for part in place.split("."):
            if isinstance(value, Mapping) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                problems.append(f"the answer has no {place}")
                break
        else:
            found[name] = value
    return found, problems


def step_problems(step: Mapping[str, Any], answer: Answer, request_id: str, id_header: str) -> list[str]:
    """Name what is wrong with the answer to a step whose placeholders are filled in."""
    if answer.status == NO_ANSWER:
        return [answer.outcome]
    wanted = step.get("status") or HTTPStatus.OK
    if answer.status != wanted:
        return [f"{answer.outcome}, not {int(wanted)}"]
    problems = []
    for name in ("contains", "lacks"):
        if step.get(name) and (step[name] in answer.text) != (name == "contains"):
            problems.append(f"the body {'does not hold' if name == 'contains' else 'still holds'} '{step[name]}'")
    if step.get("json") is not None:
        problems += json_differences(step["json"], answer.json())
    return problems + cache_problems(answer, request_id, id_header)


def proves_nothing(steps: Sequence[Mapping[str, Any]]) -> str | None:
    """Why a journey as it is defined would pass without anything having been stored; None where it would not."""
    written = False
    for step in steps:
        method = str(step.get("method") or "GET").upper()
        if method in WRITES and _holds_chance(step.get("body")):
            written = True
        elif method == "GET" and written and _holds_chance([step.get("json"), step.get("contains")]):
            return None
    if not written:
        return "no step of the journey sends ${nonce}, ${product} or ${sum} to be stored"
    return "no GET of the journey asks for what was stored before (${nonce}, ${product} or ${sum} in json or contains)"


def travel(
    steps: Sequence[Mapping[str, Any]],
    values: Mapping[str, Any],
    take: Callable[[Mapping[str, Any]], tuple[Answer, float, str, str]],
) -> list[Step]:
    """Take the steps in order. After one with a problem only those are taken that clean up (``always``).

    take: sends one filled step and returns its answer, the seconds, and the request's id with its header.
    """
    known = dict(values)
    taken: list[Step] = []
    for given in steps:
        name = str(given.get("name") or f"{str(given.get('method') or 'GET').upper()} {given['path']}")
        if any(step.problems for step in taken) and not given.get("always"):
            continue
        try:
            step = {key: filled(value, known, name) for key, value in given.items() if key not in {"name", "keep"}}
        except CouldNotLook:
            if any(before.problems for before in taken):
                continue  # nothing was made that could be cleaned up
            raise
        for _ in range(int(given.get("repeat") or 1)):
            answer, seconds, request_id, id_header = take(step)
            problems = step_problems(step, answer, request_id, id_header)
            if not problems:
                found, problems = kept(given.get("keep") or {}, answer)
                known.update(found)
            taken.append(Step(name, answer.status, seconds, problems))
            if problems:
                break
    return taken


def judge_journey(journeys: Mapping[str, Sequence[Step]]) -> Verdict:
    """deploy.verification.critical_functionality: each step at each address went as defined."""
    problems = [
        f"{step.name}{f' at {address}' if len(journeys) > 1 else ''}: {'; '.join(step.problems)}"
        for address, steps in journeys.items()
        for step in steps
        if step.problems
    ]
    if not journeys or not all(journeys.values()):
        problems.append("no step was taken")
    taken = [step for steps in journeys.values() for step in steps]
    return verdict(
        problems,
        f"{len(taken)} steps went as defined in {sum(step.seconds for step in taken):.2f} s, and what was stored was read back",
        expected={"steps": len(taken)},
        observed={"right": sum(not step.problems for step in taken)},
        evidence=[
            {"step": step.name, "status": step.status, "seconds": round(step.seconds, 3), "problems": list(step.problems)}
            for step in taken
        ],
    )


def _value(name: str, values: Mapping[str, Any], step: str) -> Any:
    if name not in values:
        raise CouldNotLook(f"{step}: no step before keeps ${{{name}}}, and it is no secret of the journey")
    return values[name]


def _holds_chance(given: Any) -> bool:
    text = json.dumps(given, default=str)
    return any(f"${{{name}}}" in text for name in UNGUESSABLE)

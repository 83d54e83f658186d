# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every check_* module returns: assertions, one for each item of the checklist that it looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

PASSED = "passed"
FAILED = "failed"
UNVERIFIABLE = "unverifiable"
ATTESTED = "attested"  # a person looked and signed
# What no look at a system says: the run does, by its gate, its waivers and its signatures.
NOT_APPLICABLE = "not_applicable"
WAIVED = "waived"
PENDING = "pending"

TICKED = (PASSED, ATTESTED)
HOLDS_NOTHING = (*TICKED, WAIVED, NOT_APPLICABLE)

EVIDENCE_LIMIT = 2000  # characters of any one string kept as evidence: a screenful or two


class CouldNotLook(Exception):
    """The check could not see what it had to judge; its message says why and becomes the assertion's summary."""


@dataclass(frozen=True)
class Verdict:
    """What an evaluator concluded.

    summary: one line for a person, with the figures. expected, observed: named values.
    evidence: what was read; long strings are cut, and the caller leaves secrets out.
    """

    status: str
    summary: str
    expected: Mapping[str, Any] = field(default_factory=dict)
    observed: Mapping[str, Any] = field(default_factory=dict)
    evidence: Any = None


def verdict(problems: list[str], good: str, **seen: Any) -> Verdict:
    """Passed with the summary ``good`` where there is no problem, else failed with the problems as the summary."""
    if problems:
        return Verdict(FAILED, "; ".join(problems), **seen)
    return Verdict(PASSED, good, **seen)


def all_of(*verdicts: Verdict) -> Verdict:
    """One verdict for an item that asks several things: passed where each is. Nothing at all is nothing that was seen."""
    if not verdicts:
        raise CouldNotLook("nothing was looked at")
    bad = [seen for seen in verdicts if seen.status != PASSED]
    return Verdict(
        FAILED if any(seen.status == FAILED for seen in bad) else UNVERIFIABLE if bad else PASSED,
        "; ".join(seen.summary for seen in bad or verdicts),
        expected={key: value for seen in verdicts for key, value in seen.expected.items()},
        observed={key: value for seen in verdicts for key, value in seen.observed.items()},
        evidence=[seen.evidence for seen in verdicts],
    )


def listed(names: Iterable[str], most: int = 5) -> str:
    """Name the first few, and how many more there are, so that a summary stays one line."""
    ordered = sorted(names)
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more


def examine(item: str, look: Callable[[], Verdict]) -> dict[str, Any]:
    """Call ``look`` and return its verdict as the assertion for ``item``, with the times (UTC, ISO 8601) of the look.

    What cannot be read at all (OSError) is something the check could not see, never a passed item.
    """
    started = _now()
    try:
        seen = look()
    except CouldNotLook as reason:
        seen = Verdict(UNVERIFIABLE, str(reason))
    except OSError as error:
        seen = Verdict(UNVERIFIABLE, f"could not look: {error}")
    return {
        "item": item,
        "status": seen.status,
        "summary": " ".join(seen.summary.split()),
        "expected": dict(seen.expected),
        "observed": dict(seen.observed),
        "evidence": _cut(seen.evidence),
        "started": started,
        "ended": _now(),
    }


def exit_with(module: Any, assertions: list[dict[str, Any]], **result: Any) -> None:
    """End the module with its assertions: as a failure unless each is ticked or ``report_only`` is set."""
    message = failure(assertions)
    if message and not module.params["report_only"]:
        module.fail_json(msg=message, assertions=assertions, changed=False, **result)
    module.exit_json(assertions=assertions, changed=False, **result)


def failure(assertions: Iterable[Mapping[str, Any]]) -> str:
    """What a task says that fails for its assertions; nothing where none holds anything."""
    return "; ".join(f"{a['item']} {a['status']}: {a['summary']}" for a in assertions if a["status"] not in HOLDS_NOTHING)


def moment(name: str, text: str) -> datetime:
    """Read the time that the argument ``name`` gives: ISO 8601 with its zone, or Unix time."""
    try:
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise CouldNotLook(f"{name}: '{text}' is not a time (ISO 8601, or seconds since 1970)") from None
    if time.tzinfo is None:
        raise CouldNotLook(f"{name}: '{text}' has no time zone")
    return time


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > EVIDENCE_LIMIT:
        return value[:EVIDENCE_LIMIT] + f" [... {len(value) - EVIDENCE_LIMIT} more characters]"
    if isinstance(value, Mapping):
        return {key: _cut(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cut(entry) for entry in value]
    return value

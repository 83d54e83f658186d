# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waivers: statements without which somebody has agreed to deploy, for a reason and until a day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from .assertion import FAILED, UNVERIFIABLE, WAIVED, failure

FIELDS = ("item", "reason", "approver", "expires")
COVERED = (FAILED, UNVERIFIABLE)  # what somebody looked at, and did not find so


class BadWaiver(Exception):
    """The waivers are not what waivers have to be; the message names each that is wrong, in one line."""


@dataclass(frozen=True)
class Waiver:
    """``expires``: the last day, in UTC, on which it holds."""

    item: str
    reason: str
    approver: str
    expires: date


def read(given: Any) -> dict[str, Waiver]:
    """The waivers by their items. Raises BadWaiver where one is incomplete, has no date, or stands twice."""
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        raise BadWaiver("run_waivers is no list of waivers, each with item, reason, approver and expires")
    problems, waivers = [], {}
    for number, one in enumerate(given, start=1):
        values = {name: str(one.get(name) or "").strip() for name in FIELDS}
        item = values["item"]
        called = f"the waiver of {item}" if item else f"waiver {number}"
        expires = day(values["expires"])
        if lacking := [name for name in FIELDS if not values[name]]:
            problems.append(f"{called} has no {', no '.join(lacking)}")
        elif expires is None:
            problems.append(f"{called} expires '{values['expires']}', which is no day (YYYY-MM-DD)")
        elif item in waivers:
            problems.append(f"{item} is waived twice")
        else:
            waivers[item] = Waiver(item, values["reason"], values["approver"], expires)
    if problems:
        raise BadWaiver(f"run_waivers: {'; '.join(problems)}")
    return waivers


def day(text: str) -> date | None:
    """The day that ``text`` names, or nothing. Of ISO 8601 the one form is read that everybody reads alike."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else None
    except ValueError:
        return None


def hold_against(given: Any, checklist: list[dict[str, Any]]) -> None:
    """Raise BadWaiver for waivers that are none, or are of something that nobody looks at."""
    phases = {item["id"]: item["phase"] for item in checklist}
    problems = []
    for item in read(given):
        if item not in phases:
            problems.append(f"{item} is no item of the checklist")
        elif phases[item] == "signoff":
            problems.append(f"{item} is a signature, which is given or pending, and cannot be waived")
    if problems:
        raise BadWaiver(f"run_waivers: {'; '.join(problems)}")


def waive(assertion: Mapping[str, Any], waiver: Waiver | None, today: date) -> dict[str, Any]:
    """The assertion as the run has it: waived where it did not pass and the waiver holds, else as the module saw it."""
    if waiver is None or assertion["status"] not in COVERED:
        return dict(assertion)
    if today > waiver.expires:
        told = f"{assertion['summary']} (the waiver of {waiver.approver} expired on {waiver.expires})"
        return {**assertion, "summary": told}
    told = f"waived by {waiver.approver} until {waiver.expires}: {waiver.reason}; {assertion['status']}: {assertion['summary']}"
    terms = {"reason": waiver.reason, "approver": waiver.approver, "expires": str(waiver.expires), "seen": assertion["status"]}
    return {**assertion, "status": WAIVED, "summary": " ".join(told.split()), "waiver": terms}


def waived(result: Mapping[str, Any], given: Any, today: date) -> dict[str, Any]:
    """The result of a task with its assertions waived, and no failure any more where they alone had made it one."""
    seen = result.get("assertions", [])
    if not given or not any(assertion["status"] in COVERED for assertion in seen):
        return dict(result)
    try:
        waivers = read(given)
    except BadWaiver as reason:
        return {**result, "failed": True, "msg": str(reason)}
    now = {**result, "assertions": [waive(assertion, waivers.get(assertion["item"]), today) for assertion in seen]}
    if result.get("failed") and result.get("msg") == failure(seen):
        for name in ("failed", "msg", "exception"):
            now.pop(name, None)
        if message := failure(now["assertions"]):
            now.update(failed=True, msg=message)
    return now

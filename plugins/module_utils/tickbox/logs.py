# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges the journal of a release's units: whether errors would be seen there, and whether there are any."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .assertion import UNVERIFIABLE, CouldNotLook, Verdict, verdict

ERROR = 3  # syslog's err; lower numbers are worse
PRIORITY_NAMES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
LEVELS = {"error", "err", "critical", "crit", "fatal", "alert", "emergency", "emerg", "panic"}
LEVEL_KEYS = ("level", "levelname", "severity", "log.level", "lvl")
# An error in the text alone: a trace of Python, or the level where loggers write it.
TEXT_ERROR = re.compile(
    r"Traceback \(most recent call last\)"
    r"|^(?:<\d>)?[\[(]?(?:ERROR|CRITICAL|FATAL|PANIC)\b"
    r"|^\W*\d{4}-\d\d-\d\d\S*[ T]?[\d:.,+Z]*\s.{0,40}?[\[( ](?:ERROR|CRITICAL|FATAL|PANIC)\b"
)
# systemd's own messages about a unit: failed, ended by a signal or the kernel's out-of-memory killer, dumped core.
FAILURES = {
    "d9b373ed55a64feb8242e02dbe79a49c": "unit failed",
    "fe6faa94e7774663a0da52717891d8ef": "out of memory",
    "fc2e22bc6ee647b6b90729ab34a250b1": "core dump",
    "be02cf6855d2428ba40df7e9d022f03d": "unit failed to start",
}
STARTED = "39f53479d3a045ac8e11786248231fbf"
SUPPRESSED = "a596d6fe7bfa4994828e72309e95d61e"  # journald dropped entries of a unit that wrote too many
SHOWN = 200  # characters of one message in a summary


@dataclass(frozen=True)
class Entry:
    """One entry of the journal. ``unit``: whose it is. ``system``: whether systemd wrote it about the unit."""

    unit: str
    priority: int
    message: str
    message_id: str = ""
    system: bool = False

    @property
    def level(self) -> str | None:
        """The level that the message itself names, where it is JSON or plainly an error."""
        text = re.sub(r"^<\d>", "", self.message)
        if text.startswith("{"):
            try:
                content = json.loads(text)
            except (ValueError, RecursionError):
                content = None
            if isinstance(content, Mapping):
                return next((str(content[key]).lower() for key in LEVEL_KEYS if key in content), None)
        return "error" if TEXT_ERROR.search(self.message) else None

    @property
    def is_error(self) -> bool:
        if self.system:
            return self.message_id in FAILURES
        return self.priority <= ERROR or self.level in LEVELS

    def shown(self) -> str:
        """The message for a person, with the level at which it was logged."""
        text = " ".join(self.message.split())
        if self.message.startswith("{"):
            try:
                content = json.loads(self.message)
                text = " ".join(str(content.get(key, "")) for key in ("logger", "message", "path")).strip() or text
            except (ValueError, AttributeError, RecursionError):
                pass  # shown as it is
        return f"{self.unit}: {text[:SHOWN]}"


def parse(text: str) -> list[Entry]:
    """Read ``journalctl -o json``: one object a line. CouldNotLook where a line is none."""
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise CouldNotLook(f"line {number} of the journal is no JSON") from None
        if not isinstance(found, Mapping):
            raise CouldNotLook(f"line {number} of the journal is no entry")
        about = _text(found.get("UNIT")) or _text(found.get("OBJECT_SYSTEMD_UNIT"))
        priority = _text(found.get("PRIORITY"))
        entries.append(
            Entry(
                unit=about or _text(found.get("COREDUMP_UNIT")) or _text(found.get("_SYSTEMD_UNIT")) or "unknown",
                priority=int(priority) if priority in {str(number) for number in range(8)} else len(PRIORITY_NAMES) - 2,
                message=_text(found.get("MESSAGE")),
                message_id=_text(found.get("MESSAGE_ID")),
                system=bool(about) and (_text(found.get("_PID")) == "1" or _text(found.get("MESSAGE_ID")) == SUPPRESSED),
            )
        )
    return entries


def judge_logs(entries: Sequence[Entry], nonce: str, fresh: Sequence[str], talking: Sequence[str]) -> Verdict:
    """deploy.verification.error_logs: no error but the one that was planted, which holds ``nonce``.

    fresh: units that were started since, whose start the journal must still hold. talking: units that log each request, of
    which there must be an entry of their own.
    """
    planted = [entry for entry in entries if nonce in entry.message and not entry.system]
    seen = {
        "expected": {"planted": "one error at priority err", "errors": 0},
        "observed": {"entries": len(entries), "planted": [PRIORITY_NAMES[entry.priority] for entry in planted]},
    }
    blind = _blindness(entries, planted, fresh, talking)
    if blind:
        return Verdict(UNVERIFIABLE, "; ".join(blind), **seen)
    problems = []
    quiet = [entry for entry in planted if entry.priority > ERROR]
    if quiet:
        problems.append(
            f"an error that was planted reached the journal at priority {PRIORITY_NAMES[quiet[0].priority]}, "
            "where nobody looks for errors"
        )
    errors = [entry for entry in entries if entry.is_error and entry not in planted]
    counted: dict[str, int] = {}
    for entry in errors:
        counted[entry.shown()] = counted.get(entry.shown(), 0) + 1
    named = [f"{text} ({count} times)" if count > 1 else text for text, count in counted.items()]
    if errors:
        more = f" and {len(named) - 3} more" if len(named) > 3 else ""  # noqa: PLR2004
        problems.append(f"{len(errors)} errors in the log: {'; '.join(named[:3])}{more}")
    hidden = sum(entry.priority > ERROR and not entry.system for entry in errors)
    if hidden:
        problems.append(f"{hidden} of them at a priority that is none of an error")
    return verdict(
        problems,
        f"no error among {len(entries)} entries; one that was planted is there at priority err",
        **seen,
        evidence=named[:20],
    )


def _blindness(entries: Sequence[Entry], planted: Sequence[Entry], fresh: Sequence[str], talking: Sequence[str]) -> list[str]:
    """Why errors could have been missed."""
    reasons = []
    if not planted:
        reasons.append("an error that was planted is not in the journal, so others would not be either")
    lost = [unit for unit in fresh if not any(entry.unit == unit and entry.message_id == STARTED for entry in entries)]
    if lost:
        reasons.append(f"the journal does not hold the start of {', '.join(lost)}: entries are missing")
    silent = [unit for unit in talking if not any(entry.unit == unit and not entry.system for entry in entries)]
    if silent:
        reasons.append(f"{', '.join(silent)} has written nothing to the journal")
    dropped = [entry for entry in entries if entry.message_id == SUPPRESSED]
    if dropped:
        reasons.append(f"journald dropped entries: {dropped[0].message[:SHOWN]}")
    return reasons


def _text(value: Any) -> str:
    """A field as text: journald gives bytes that are no text as a list of numbers, and repeated fields as a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(entry, int) and 0 <= entry < 256 for entry in value):  # noqa: PLR2004
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, list):
        return " ".join(_text(entry) for entry in value)
    return ""

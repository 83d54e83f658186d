# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The run record: one JSON line an event, each carrying the digest of the line before, and what is derived from it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

RESULTS = "results.jsonl"
SUMMARY = "summary.json"
FIRST = "0" * 64  # stands where the first line has no line before it
CLOSED = "closed"  # the event that ends the run: what follows it was added later

# How bad each status is: an item seen on several hosts, or several times, has the worst of its last results.
SEVERITY = ["passed", "attested", "not_applicable", "waived", "pending", "unverifiable", "failed"]


class BrokenRecord(Exception):
    """The record is not what was written: a line is missing, edited or cut short."""


@dataclass(frozen=True)
class Ended:
    """A run that has ended: its events up to the one that closed it, what that one says, and the digest of its line.

    As each line carries the digest of the one before, this digest stands for all of the run, and for nothing that was added later.
    """

    events: list[dict[str, Any]]
    facts: dict[str, Any]
    digest: str

    @property
    def opened(self) -> dict[str, Any]:
        """What the run was about. Raises BrokenRecord where the record does not say."""
        found = next((event for event in self.events if event.get("event") == "opened"), None)
        if found is None:
            raise BrokenRecord("the record does not begin with the opening of a run")
        return found


def digest(line: str) -> str:
    """SHA-256 of one line without its end, as the next line carries it."""
    return hashlib.sha256(line.encode()).hexdigest()


class Writer:
    """Appends events to a record so that a killed run leaves all it had seen: each line is flushed to the disk.

    Two may write to it in turns, as the callback and the module that closes the run do.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / RESULTS
        self._size, self._previous = 0, FIRST

    def append(self, event: Mapping[str, Any]) -> str:
        """Append the event; return the digest of its line."""
        if self._path.exists() and self._path.stat().st_size != self._size:
            written = self._path.read_text().rstrip("\n")
            self._previous = digest(written.rpartition("\n")[2]) if written else FIRST
        line = json.dumps({**event, "previous": self._previous}, sort_keys=True, default=str)
        with self._path.open("a") as record:
            record.write(line + "\n")
            record.flush()
            os.fsync(record.fileno())
            self._size = record.tell()
        self._previous = digest(line)
        return self._previous


def lines_of(directory: Path) -> list[str]:
    """The lines of a record, to the byte. Raises BrokenRecord where the last one is not at its end."""
    lines = (directory / RESULTS).read_bytes().decode("utf-8", "replace").split("\n")
    if lines.pop():
        raise BrokenRecord(f"the last line of {directory / RESULTS} is cut short")
    return lines


def read(directory: Path) -> list[dict[str, Any]]:
    """The events of a record, in order. Raises BrokenRecord where the chain of digests does not hold."""
    events = []
    previous = FIRST
    for number, line in enumerate(lines_of(directory), start=1):
        try:
            event = json.loads(line)
        except ValueError as error:
            raise BrokenRecord(f"line {number} of {directory / RESULTS} is not JSON: {error}") from error
        if not isinstance(event, dict) or event.get("previous") != previous:
            raise BrokenRecord(f"line {number} of {directory / RESULTS} does not follow from the line before it")
        previous = digest(line)
        events.append(event)
    return events


def ended(directory: Path) -> Ended:
    """The run up to its end. Raises BrokenRecord where it has none or its chain does not hold, OSError where there is no record."""
    events = read(directory)
    at = next((number for number, event in enumerate(events) if event.get("event") == CLOSED), None)
    if at is None:
        raise BrokenRecord(f"{directory} has no end: the run goes on, or was cut off")
    return Ended(events[: at + 1], dict(events[at].get("facts") or {}), digest(lines_of(directory)[at]))


def seconds(assertion: Mapping[str, Any]) -> float:
    """How long the look at one item took, by its own times. What several items need is counted with the first that asks for it."""
    began, ended = (datetime.fromisoformat(assertion[name]) for name in ("started", "ended"))
    return round((ended - began).total_seconds(), 2)


def item_results(events: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each item looked at: its status, a summary, its hosts, the seconds of the longest look, and its waiver.

    A later look at the same item on the same host replaces the earlier one; over hosts, the worst status stands. What is
    looked at again on the way back is evidence for the rollback: it ticks no item of the deployment.
    """
    last: dict[str, dict[str, Mapping[str, Any]]] = {}
    for event in events:
        of_rollback = event.get("phase") == "rollback" and not str(event.get("item")).startswith("rollback.")
        if event.get("event") == "assertion" and not of_rollback:
            last.setdefault(event["item"], {})[event["host"]] = event
    results = {}
    for item, by_host in last.items():
        worst = max(by_host.values(), key=lambda event: SEVERITY.index(event["status"]))
        results[item] = {
            "id": item,
            "status": worst["status"],
            "summary": worst["summary"],
            "hosts": sorted(by_host),
            "seconds": max(event.get("seconds", 0.0) for event in by_host.values()),
            **({"waiver": worst["waiver"]} if "waiver" in worst else {}),
        }
    return results


def counted(events: list[dict[str, Any]], end: Ended) -> list[dict[str, Any]]:
    """The events whose assertions count: those of the run, and of those added after its end what it had left open.

    Later looks answer what was pending, or say that something holds no more; they tick nothing that the run had not, as nobody who
    signed the run has seen that. Signatures themselves come later.
    """
    seen = item_results(end.events)

    def counts(event: Mapping[str, Any]) -> bool:
        before = seen.get(str(event.get("item")), {}).get("status")
        if before is None:
            return str(event.get("item")).startswith("signoff.")
        return before == "pending" or SEVERITY.index(event["status"]) >= SEVERITY.index(before)

    later = events[len(end.events) :]
    return [*end.events, *(event for event in later if event.get("event") != "assertion" or counts(event))]


def phase_seconds(events: list[dict[str, Any]], ended: float) -> list[dict[str, Any]]:
    """Name and length of each phase that began, in order; the last one lasts until ``ended`` (Unix time, seconds)."""
    begun = [event for event in events if event.get("event") == "phase"]
    ends = [*[event["time"] for event in begun[1:]], ended][: len(begun)]
    return [{"name": event["name"], "seconds": round(end - event["time"], 1)} for event, end in zip(begun, ends, strict=True)]

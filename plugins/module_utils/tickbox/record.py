# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The run record: one JSON line an event, each carrying the digest of the line before, and what is derived from it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
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


def digest(line: bytes) -> str:
    """SHA-256 of one line without its end, as the next line carries it."""
    return hashlib.sha256(line).hexdigest()


class Writer:
    """Appends events to a record so that a killed run leaves all it had seen: each line is flushed to the disk.

    Several may write to one record, one after another: the callback, and the module that closes it.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / RESULTS
        self._previous = FIRST
        self._size = 0  # bytes of the record after the line that is known

    def append(self, event: Mapping[str, Any]) -> None:
        """Add one line."""
        self._catch_up()
        line = json.dumps({**event, "previous": self._previous}, sort_keys=True, default=str).encode()
        with self._path.open("ab") as record:
            record.write(line + b"\n")
            record.flush()
            os.fsync(record.fileno())
            self._size = record.tell()
        self._previous = digest(line)

    def _catch_up(self) -> None:
        """Take notice of what another has written meanwhile."""
        if self._path.exists() and self._path.stat().st_size != self._size:
            lines = _lines(self._path)
            self._previous = digest(lines[-1]) if lines else FIRST


def read(directory: Path, closed: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The events of a record, in order. Raises BrokenRecord, naming the line, where the chain of digests does not hold.

    ``closed``: a summary of the record, which says how many lines it was made from and carries the digest of the last of them, so
    that an end that is changed or missing is noticed as well.
    """
    path = directory / RESULTS
    lines = _lines(path)
    digests = [digest(line) for line in lines]
    told = {number - 1: _event(line).get("previous") for number, line in enumerate(lines[1:], start=2)}
    if closed:
        told.setdefault(closed["record_lines"], closed["record_digest"])
    events = []
    for number, line in enumerate(lines, start=1):
        event = _event(line)
        if not event:
            raise BrokenRecord(f"line {number} of {path} was changed: it is no JSON object")
        if event.get("previous") != (digests[number - 2] if number > 1 else FIRST):
            # Either of two lines may be the one; what follows vouches for the later.
            changed = number - 1 if number > 1 and told.get(number, digests[number - 1]) == digests[number - 1] else number
            raise BrokenRecord(f"line {changed} of {path} was changed: line {number} does not follow from the one before it")
        events.append(event)
    if closed and len(lines) < closed["record_lines"]:
        cut = f"line {len(lines) + 1} of {path} is missing or has no end"
        raise BrokenRecord(f"{cut}: {SUMMARY} was made from {closed['record_lines']} lines")
    if closed and digests[closed["record_lines"] - 1] != closed["record_digest"]:
        raise BrokenRecord(f"line {closed['record_lines']} of {path} was changed: {SUMMARY} carries another digest of it")
    return events


def end_of(directory: Path) -> dict[str, Any]:
    """How many lines a record has, and the digest of the last: what its summary carries of it."""
    lines = _lines(directory / RESULTS)
    return {"record_lines": len(lines), "record_digest": digest(lines[-1])}


def ended(directory: Path) -> Ended:
    """The run up to its end. Raises BrokenRecord where it has none or its chain does not hold, OSError where there is no record."""
    events = read(directory)
    at = next((number for number, event in enumerate(events) if event.get("event") == CLOSED), None)
    if at is None:
        raise BrokenRecord(f"{directory} has no end: the run goes on, or was cut off")
    return Ended(events[: at + 1], dict(events[at].get("facts") or {}), digest(_lines(directory / RESULTS)[at]))


def _lines(path: Path) -> list[bytes]:
    """The lines as they are, but for one whose end was never written. Only a line feed ends one; JSON escapes it in texts."""
    return path.read_bytes().split(b"\n")[:-1]


def _event(line: bytes) -> dict[str, Any]:
    """What a line holds; nothing where it is no JSON object."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def seconds(assertion: Mapping[str, Any]) -> float:
    """How long the look at one item took, by its own times. What several items need is counted with the first that asks for it."""
    began, ended = (datetime.fromisoformat(assertion[name]) for name in ("started", "ended"))
    return round((ended - began).total_seconds(), 2)


def last_looks(events: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """For each item the last look from each host.

    What is looked at again on the way back is evidence for the rollback: it ticks no item of the deployment.
    """
    last: dict[str, dict[str, Mapping[str, Any]]] = {}
    for event in events:
        if event.get("event") == "assertion" and not _of_the_way_back(event):
            last.setdefault(event["item"], {})[event["host"]] = event
    return last


def _of_the_way_back(event: Mapping[str, Any]) -> bool:
    return event.get("phase") == "rollback" and not str(event.get("item")).startswith("rollback.")


def unreached(events: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """For each item the hosts that were gone when it was looked at host by host: what the others showed says nothing of them.

    A host that was gone by then may have had nothing to do with the item. Nobody can say, and the run has failed anyway.
    """
    gone: list[str] = []
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for event in events:
        hosts, items = gone, []
        if event.get("event") == "unreachable":
            gone.append(event["host"])
            hosts, items = [event["host"]], event.get("items", [])
        elif event.get("event") == "assertion" and event.get("once") is False and not _of_the_way_back(event):
            items = [event["item"]]
        for item in items:
            for host in hosts:
                summary = f"{host} could not be reached, so that nobody looked there"
                found.setdefault(item, {})[host] = {"status": "unverifiable", "summary": summary}
    return found


def item_results(events: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each item looked at: its status, a summary, its hosts, the seconds of the longest look, and its waiver.

    A later look at the same item on the same host replaces the earlier one; over hosts, the worst status stands.
    """
    events = list(events)
    results, without = {}, unreached(events)
    for item, looks in last_looks(events).items():
        by_host = {**without.get(item, {}), **looks}
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


def counted(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The events whose assertions count: those of the run, and of those added after its end what it had left open.

    Later looks answer what was pending, or say that something holds no more; they tick nothing that the run had not, as nobody who
    signed the run has seen that. Signatures themselves come later.
    """
    end = next((number + 1 for number, event in enumerate(events) if event.get("event") == CLOSED), len(events))
    seen = item_results(events[:end])

    def counts(event: Mapping[str, Any]) -> bool:
        before = seen.get(str(event.get("item")), {}).get("status")
        if before is None:
            return str(event.get("item")).startswith("signoff.")
        return before == "pending" or SEVERITY.index(event["status"]) >= SEVERITY.index(before)

    return [*events[:end], *(event for event in events[end:] if event.get("event") != "assertion" or counts(event))]


def phase_seconds(events: list[dict[str, Any]], ended: float) -> list[dict[str, Any]]:
    """Name and length of each phase that began, in order; the last one lasts until ``ended`` (Unix time, seconds)."""
    begun = [event for event in events if event.get("event") == "phase"]
    ends = [*[event["time"] for event in begun[1:]], ended][: len(begun)]
    return [{"name": event["name"], "seconds": round(end - event["time"], 1)} for event, end in zip(begun, ends, strict=True)]


def module_seconds(events: Sequence[Mapping[str, Any]], checklist: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How long each module looked, the slowest first: by the times of its own looks, each moment counted once."""
    module_of = {item["id"]: item["module"] for item in checklist if "module" in item}
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    for event in events:
        if event.get("event") == "assertion" and event["item"] in module_of and "started" in event:
            began, ended = (datetime.fromisoformat(event[name]) for name in ("started", "ended"))
            spans.setdefault(module_of[event["item"]], []).append((began, ended))
    found = [{"name": name, "seconds": round(_covered(looks), 1)} for name, looks in spans.items()]
    return sorted(found, key=lambda one: (-float(str(one["seconds"])), str(one["name"])))


def _covered(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """Seconds that lie in any of the spans."""
    seconds, until = 0.0, datetime.min.replace(tzinfo=UTC)
    for began, ended in sorted(spans):
        seconds += max(0.0, (ended - max(began, until)).total_seconds())
        until = max(until, ended)
    return seconds

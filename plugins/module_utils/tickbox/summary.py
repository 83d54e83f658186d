# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The summary of a run: what summary.json holds. It follows from the run's record, and from nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .assertion import PENDING
from .record import CLOSED, SUMMARY, BrokenRecord, counted, item_results, module_seconds, phase_seconds, read

INTERRUPTED = "interrupted"  # how a run ended that did not come to its close
UNSIGNED = {"status": PENDING, "summary": "nobody has signed it yet", "hosts": [], "seconds": 0.0}
SAMPLES = "samples"  # of the site: the record keeps them, a summary would be hidden by them


def summarise(events: Sequence[dict[str, Any]], checklist: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the events of a record say. One that was never closed ends as ``interrupted``, with its last event.

    A run that was gone on with later stays what it was when it ended, except for its items.
    """
    opened = next((event for event in events if event["event"] == "opened"), None)
    if opened is None:
        raise BrokenRecord("the record does not say which run was opened")
    closings = [number for number, event in enumerate(events) if event["event"] == CLOSED]
    run = list(events[: closings[0] if closings else len(events)])
    ended = events[closings[0] if closings else -1]["time"]
    facts = events[closings[0]]["facts"] if closings else {}
    signatures = [item["id"] for item in checklist if item["phase"] == "signoff"]
    results = {item: {"id": item, **UNSIGNED} for item in signatures} | item_results(counted(events))
    items = [results[item["id"]] for item in checklist if item["id"] in results]
    return {
        "run_id": opened["id"],
        **{name: opened[name] for name in ("kind", "app", "title", "environment", "who", "started") if name in opened},
        "ended": ended,
        "seconds": round(ended - opened["started"], 1),
        "outcome": INTERRUPTED,
        **{name: value for name, value in facts.items() if name != SAMPLES},
        "phases": phase_seconds(run, ended),
        "modules": module_seconds(run, checklist),
        "failures": failures(run),
        "counts": dict(Counter(item["status"] for item in items)),
        "items": items,
        **({"amended": events[closings[-1]]["time"]} if len(closings) > 1 else {}),
    }


def failures(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The tasks that failed and the hosts that could not be reached."""
    keys = ("event", "host", "task", "message")
    return [{key: event[key] for key in keys} for event in events if event["event"] in ("failure", "unreachable")]


def title(summary: Mapping[str, Any]) -> str:
    """How a run ended, in a few words."""
    added = ", amended" if "amended" in summary else ""
    return f"{summary.get('kind', 'run')} of {summary.get('app', 'an application')}: {summary['outcome']}{added}"


def sentences(summary: Mapping[str, Any]) -> list[str]:
    """What is said of a run that has ended, beside its title."""
    counts = Counter(summary["counts"])
    told = [
        f"{counts['passed'] + counts['attested']} ticked ({counts['attested']} of them attested), {counts['waived']} waived, "
        f"{counts['not_applicable']} not applicable, {counts['failed'] + counts['unverifiable']} not ticked, "
        f"{counts['pending']} signatures pending",
        f"{summary['seconds']} s in all, {summary.get('window_seconds', 0)} s of it in the maintenance window",
    ]
    return told + ([f"Kept: {', '.join(summary['kept'])}"] if summary.get("kept") else [])


def verified(directory: Path, checklist: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The summary and the events of a record, once it is known that nobody changed either. Raises BrokenRecord.

    A run that was cut off has no summary; it is made from what there is.
    """
    path = directory / SUMMARY
    if not path.exists():
        events = read(directory)
        return summarise(events, checklist), events
    try:
        kept = json.loads(path.read_bytes())
        lines = int(kept["record_lines"])
        if lines < 1 or not kept["record_digest"]:
            raise ValueError("it was made from no line")
    except (ValueError, TypeError, KeyError) as error:
        raise BrokenRecord(f"{path} is no summary of a record: {error!r}") from None
    events = read(directory, kept)
    followed = json.loads(json.dumps(summarise(events[:lines], checklist)))
    differing = [name for name in {**followed, **kept} if followed.get(name) != kept.get(name) and not name.startswith("record_")]
    if differing:
        raise BrokenRecord(f"{path} does not follow from the record: {', '.join(differing)} is not what the record says")
    return kept, events

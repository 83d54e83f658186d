# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs have done to a host, a line each, kept on the host itself: whoever deploys next may have another controller."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from .files import replace

HISTORY = "history.jsonl"
MOST = 100  # runs that are kept
NAMED = ("id", "kind", "who", "started", "ended", "outcome")


def append(path: Path, entry: Mapping[str, Any]) -> None:
    """Add a run to the history at ``path``; the oldest go. The file is the old one or the new one, whole."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    replace(path, "\n".join([*lines[1 - MOST :], json.dumps(entry, sort_keys=True)]) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """The runs of a history, the oldest first. A line that is none is left out; so is all of a file that cannot be read."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    runs = []
    for line in lines:
        try:
            entry = json.loads(line)
            runs.append({**entry, "started": float(entry["started"]), "ended": float(entry["ended"])})
        except (ValueError, KeyError, TypeError):
            continue
    return [entry for entry in runs if all(name in entry for name in NAMED)]


def merged(histories: Iterable[Iterable[Mapping[str, Any]]], summaries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The runs that hosts remember, and those of the controller's own records, each once, the newest first."""
    runs: dict[str, dict[str, Any]] = {}
    for summary in summaries:
        run = {**summary, "id": summary["run_id"]}
        if all(name in run for name in NAMED):
            kept = (*NAMED, "from_release", "to_release", "commit", "window_seconds")
            runs[run["id"]] = {name: run[name] for name in kept if name in run}
    for entry in (entry for history in histories for entry in history):
        known = runs.get(entry["id"], {})
        measured = max(float(one.get("rollback_seconds") or 0) for one in (known, entry))
        runs[entry["id"]] = {**known, **entry, "rollback_seconds": measured}
    return sorted(runs.values(), key=lambda run: float(run["started"]), reverse=True)


def brought(runs: Iterable[Mapping[str, Any]], release: str) -> Mapping[str, Any] | None:
    """The run since which the release serves, from ``runs``, the newest first. A deployment that was taken back brought none."""
    for run in runs:
        ends_with = run["outcome"] == "deployed" or (run["kind"] == "rollback" and run["outcome"] == "rolled_back")
        if ends_with and run.get("to_release") == release:
            return run
    return None


def rollback_time(runs: Iterable[Mapping[str, Any]], live: str) -> tuple[float | None, str]:
    """Seconds that a rollback takes, and how that is known; ``live``: id of the run that deployed what serves."""
    known = list(runs)
    took = [run["ended"] - run["started"] for run in known if run["kind"] == "rollback" and run["outcome"] == "rolled_back"]
    if took:
        return round(median(took), 1), f"median of {len(took)} rollbacks"
    estimated = next((run.get("rollback_seconds") for run in known if run["id"] == live), None)
    return (round(estimated, 1), "estimated when it went live") if estimated else (None, "not measured yet")

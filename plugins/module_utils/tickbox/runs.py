# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The records of runs in a folder of the controller."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .record import SUMMARY

RUN_ID = re.compile(r"[0-9A-Za-z_]+")


class NoRun(Exception):
    """There is no such run here; the message says what to name instead."""


def summaries(reports: Path) -> list[dict[str, Any]]:
    """The summaries of the runs that have ended, the newest first. One that cannot be read is left out."""
    found = []
    for file in reports.glob(f"*/{SUMMARY}"):
        if file.parent.is_symlink():
            continue
        try:
            summary = json.loads(file.read_text())
            found.append({**summary, "run_id": file.parent.name, "started": float(summary["started"])})
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda summary: summary["started"], reverse=True)


def find(reports: Path, run: str = "", release: str = "") -> Path:
    """The folder of the run of that id, of the newest one that dealt with a release, or of the newest that deployed something.

    Raises NoRun where there is none.
    """
    if run:
        directory = reports / run
        if not RUN_ID.fullmatch(run) or not directory.is_dir():
            raise NoRun(f"signoff_run: {reports} holds no run {run!r}; the ids are the names of its folders")
        return directory
    for summary in summaries(reports):
        wanted = summary.get("to_release") == release if release else summary.get("outcome") == "deployed"
        if summary.get("kind") == "deploy" and wanted:
            return reports / str(summary["run_id"])
    if release:
        raise NoRun(f"signoff_release: no deployment in {reports} dealt with {release!r}; sign where it was staged")
    raise NoRun(f"{reports} holds no deployment that went live: name a run with -e signoff_run=<run id>")

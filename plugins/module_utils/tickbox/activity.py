# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges the tracking of what people do: each action is one event, which holds what is declared and nothing else of the person."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .assertion import Verdict, listed, verdict

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Action:
    """Something that was done: the request's id, which event it should have made, and what kept it from being done."""

    name: str
    request_id: str
    kind: str
    problems: Sequence[str] = ()


@dataclass(frozen=True)
class Layout:
    """How events are kept: the columns that hold the request's id and the kind, and all columns that are declared."""

    id_column: str
    kind_column: str
    columns: Sequence[str]


def judge_activity(
    actions: Sequence[Action],
    events: Mapping[str, Sequence[Row]],
    strays: Sequence[Row],
    layout: Layout,
    personal: Mapping[str, str],
) -> Verdict:
    """post.monitoring.user_activity.

    events: the rows with each action's id. strays: rows that are no event of an action and yet hold some of ``personal``,
    or its id somewhere else. personal: texts of the person that no event may hold, by what they are.
    """
    problems = [] if actions else ["nothing was done"]
    for action in actions:
        if action.problems:
            problems.append(f"{action.name} did not work: {listed(action.problems)}")
            continue
        rows = events.get(action.request_id, ())
        if len(rows) != 1:
            problems.append(f"{action.name} made {len(rows) or 'no'} events instead of one")
        for row in rows:
            if row.get(layout.kind_column) != action.kind:
                problems.append(f"{action.name} is an event of kind '{row.get(layout.kind_column)}', not '{action.kind}'")
    rows = [row for found in events.values() for row in found]
    undeclared = {name for row in rows for name, value in row.items() if name not in layout.columns and value is not None}
    if undeclared:
        problems.append(f"events hold {listed(undeclared)}, which is not declared")
    told = {what for row in [*rows, *strays] for what, text in personal.items() if text and _holds(row, text)}
    told |= {what for row in rows for value in row.values() for what in _addresses(value)}
    if told:
        problems.append(f"events hold {listed(told)} of the person")
    if strays and not told:
        problems.append(f"{len(strays)} more events tell of what was done")
    return verdict(
        list(dict.fromkeys(problems)),
        f"{len(actions)} actions made one event each, with {len(layout.columns)} declared columns and nothing else of the person",
        expected={"events": {action.name: action.kind for action in actions}, "columns": list(layout.columns)},
        observed={"events": {action.name: len(events.get(action.request_id, ())) for action in actions}, "strays": len(strays)},
        # Values may be of a person: their names and places are enough.
        evidence=[{name: type(value).__name__ for name, value in row.items()} for row in rows],
    )


def _holds(row: Row, text: str) -> bool:
    return any(text.lower() in json.dumps(value, ensure_ascii=False, default=str).lower() for value in row.values())


def _addresses(value: Any) -> set[str]:
    """Whether a value is somebody's address on the network, or holds one by mail."""
    found = set()
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str):
            try:
                ipaddress.ip_interface(text)
                found.add("an address on the network")
            except ValueError:
                if re.search(r"[^@\s]@[^@\s]+\.[a-z]", text, re.IGNORECASE):
                    found.add("an address by mail")
    return found

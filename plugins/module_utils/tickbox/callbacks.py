# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What both callbacks, the record's and the terminal's, read from the tasks and results that Ansible tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def outermost_role(task: Any) -> Any:
    """The play's own include of a role through which the task came: the phase. None for a task of the play itself."""
    found = None
    while (task := getattr(task, "_parent", None)) is not None:
        if hasattr(task, "_role_name"):  # an IncludeRole
            found = task
    return found


def rescue_of(task: Any) -> str:
    """The name of the task that begins the rescue of the innermost block that has one; empty where nothing rescues the task."""
    parent = getattr(task, "_parent", None)
    while parent is not None:
        # A task in the block's own rescue or always has the same parent, and is not rescued by it.
        if getattr(parent, "rescue", None) and any(one._uuid == task._uuid for one in parent.block):
            return named_first(parent.rescue)
        task, parent = parent, getattr(parent, "_parent", None)
    return ""


def named_first(tasks: list[Any]) -> str:
    """The name of the first task, which may be in a block."""
    first = tasks[0]
    return named_first(first.block) if getattr(first, "block", None) else str(first.get_name())


def assertions_of(result: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each assertion that a task returned, of a loop those of each item, with the host that was looked at."""
    for seen in [result.result, *result.result.get("results", [])]:
        if isinstance(seen, dict):
            for assertion in seen.get("assertions", []):
                yield looked_from(result, seen), assertion


def looked_from(result: Any, seen: dict[str, Any]) -> str:
    """The host that was looked at, or the controller where the look was from outside. ``seen``: the result, or that of an item."""
    delegated = result.result.get("_ansible_delegated_vars", {})
    if delegated.get("ansible_connection") == "local":
        return "controller"
    return str(seen.get("looked_from") or result.host.name)

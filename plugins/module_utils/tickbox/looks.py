# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run asks of each look: which of its statements, whether what does not hold ends the run, and what is waived."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .assertion import UNVERIFIABLE, Verdict, examine, failure
from .waivers import waived


def of_tags(item: str, tags: Collection[str]) -> bool:
    """Whether ``--tags`` names the item, or a phase that it belongs to."""
    return any(item == tag or item.startswith(f"{tag}.") for tag in tags)


def ticked_by(module: str, checklist: Sequence[Mapping[str, Any]]) -> list[str]:
    """The statements that the module ticks."""
    return [str(item["id"]) for item in checklist if item.get("module") == module]


def asked_of(arguments: Mapping[str, Any], own: Sequence[str]) -> list[str]:
    """Those of its statements that a look is asked for by its arguments."""
    return [str(arguments["item"])] if "item" in arguments else [str(item) for item in arguments.get("items", own)]


def narrowed(
    module: str,
    arguments: Mapping[str, Any],
    checklist: Sequence[Mapping[str, Any]],
    tags: Collection[str],
    needed_for: Sequence[str] = (),
) -> dict[str, Any] | None:
    """The arguments of a look for the statements that ``--tags`` names; None where it has none of them.

    Tags that name no statement leave a look as it is: they choose tasks, as Ansible's tags do. ``needed_for``: statements for
    which another look needs what this one returns; it then looks without judging.
    """
    own = ticked_by(module, checklist)
    if not own or not any(of_tags(str(item["id"]), tags) for item in checklist):
        return dict(arguments)
    wanted = [item for item in asked_of(arguments, own) if of_tags(item, tags)]
    if not wanted and not any(of_tags(item, tags) for item in needed_for):
        return None
    several = "items" in arguments or (len(own) > 1 and "item" not in arguments)
    return {**arguments, "items": wanted} if several else dict(arguments)


def arguments_for(task: Any, templar: Any, variables: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments with which an action runs its look; None where nothing of it is asked for."""
    tags = set(variables.get("ansible_run_tags", ())) - {"all"}
    checklist = templar.template(variables.get("tickbox_checklist", [])) if tags else []
    return narrowed(task.action, task.args, checklist, tags, templar.template(variables.get("look_needed_for", [])))


def result_for(result: Mapping[str, Any], task: Any, templar: Any, variables: Mapping[str, Any]) -> dict[str, Any]:
    """What an action returns of its look: waived what ``run_waivers`` waives, no failure where ``run_report_only`` is set."""
    given = templar.template({name: variables.get(name) for name in ("run_waivers", "run_report_only")})
    if result.get("failed") and "assertions" not in result:
        result = without_result(
            result, asked_of(task.args, ticked_by(task.action, templar.template(variables.get("tickbox_checklist", []))))
        )
    # Ansible tells callbacks the address alone of the host that a task was delegated to.
    delegated = {"looked_from": str(task.delegate_to)} if task.delegate_to else {}
    return as_asked({**result, **delegated}, given["run_waivers"], bool(given["run_report_only"]))


def without_result(result: Mapping[str, Any], items: Sequence[str]) -> dict[str, Any]:
    """The result of a look that broke off: its statements could not be seen on this host, whatever is seen on others."""
    broken = Verdict(UNVERIFIABLE, f"the look ended without a result: {_reason(result)[:200]}")
    return {**result, "assertions": [examine(item, lambda: broken) for item in items]}


def _reason(result: Mapping[str, Any]) -> str:
    """Why a module ended: what it said, or of which exception it died. Ansible keeps that as an object, or as text with a trace."""
    if said := str(result.get("msg") or "").strip():
        return said.splitlines()[0]
    died = result.get("exception")
    lines = str(getattr(getattr(died, "event", None), "msg", died) or "").strip().splitlines()
    return f"it crashed: {lines[-1]}" if lines else "nobody knows why: it left neither a message nor an exception"


def as_asked(result: Mapping[str, Any], waivers: Any, report_only: bool) -> dict[str, Any]:
    """The result of a look with what is waived; no failure where the run only reports."""
    seen = waived(result, waivers, datetime.now(UTC).date())
    if report_only and seen.get("failed") and seen.get("msg") == failure(seen.get("assertions", [])):
        for name in ("failed", "msg", "exception"):
            seen.pop(name, None)
    return seen

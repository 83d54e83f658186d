# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What makes the hosts whole again after a run was cut off, from its plan and from what the hosts have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .releases import VERIFIED

# What is to be done: nothing, go back to the release that served, or go on, as visitors are in and may have written.
NONE, BACK, ON = "none", "back", "on"


@dataclass(frozen=True)
class Recovery:
    """action: one of the above. target: the release that the way back leads to, empty where none served. taken_back: the other one.

    restore_point: the database that takes its place on that way, empty where it stays; aside: the name of the newer one then.
    """

    action: str
    target: str
    taken_back: str
    restore_point: str
    aside: str
    summary: str


def recovery(
    interrupted: Mapping[str, Any],
    releases: Mapping[str, Mapping[str, Any]],
    closed: Mapping[str, bool],
    databases: Collection[str],
    database: str,
) -> Recovery:
    """Decide from the hosts what a run that was cut off left to be done.

    interrupted: the run, with its ``plan``: ``from_release``, ``to_release``, ``restore_point``, ``aside``, on a way back the
    ``policy`` for the database, and ``visited`` where visitors had met the new release before that run began.
    releases: for each host of the application its ``current`` release and the manifests of all (``releases``). closed: for each web
    host whether the run's maintenance page is up. databases: those that the server has; database: the application's.
    """
    plan = interrupted["plan"]
    old, new, run = plan["from_release"], plan["to_release"], f"{interrupted['kind']} {interrupted['id']}"
    serving = {host["current"] for host in releases.values()}
    shut = any(closed.values())

    def decided(action: str, target: str, taken_back: str, then: str, point: str = "") -> Recovery:
        return Recovery(action, target, taken_back, point, plan["aside"], f"{run} was cut off: {then}")

    if policy := plan.get("policy"):
        point = plan["restore_point"] if policy == "restore" else ""
        if serving == {new} and not shut and point not in databases:
            return decided(NONE, new, "", f"{new} serves again")
        way = f"the way back from {old} to {new}" if old != new else "the restoring of the database"
        return decided(BACK, new, old, f"{way} is not at its end", point)
    point = plan["restore_point"] if {plan["restore_point"], plan["aside"]} & set(databases) else ""
    found = [host["releases"].get(new, {}) for host in releases.values()]
    verified = all(manifest.get("state") == VERIFIED and manifest.get("run_id") == interrupted["id"] for manifest in found)
    if serving == {new} and (not shut or verified or plan.get("visited")):
        if not shut and verified:
            return decided(NONE, new, "", f"{new} serves, and was verified")
        return decided(ON, old, new, f"{new} serves visitors, and was not verified", point)
    if serving == {old} and not shut and plan["restore_point"] not in databases and database in databases:
        return decided(NONE, old, "", f"{old or 'no release'} serves")
    return decided(BACK, old, new, f"between {old or 'no release'} and {new}", point)

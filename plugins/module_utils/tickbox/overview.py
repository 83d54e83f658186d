# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is live, since when and by whom, what is staged, where a rollback would lead, and what is still open about it.

The keys of ``overview`` are those that docs/status.md describes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from .assertion import ATTESTED, Verdict
from .history import brought, rollback_time
from .releases import NoWayBack, way_back
from .signoff import way
from .status import Host, dead, run_lines, typed
from .waivers import Waiver

SOON = 14  # days before its end from which a waiver is told of
SHOWN = 5  # runs that are told of in words
LISTED = 20  # runs in the overview
STAGED = "staged"
RUN_KEYS = ("id", "kind", "outcome", "who", "started", "ended", "from_release", "to_release")


def overview(
    hosts: Mapping[str, Host],
    recovery: Mapping[str, Any],
    runs: Sequence[Mapping[str, Any]],
    incidents: Sequence[Mapping[str, Any]],
    waivers: Mapping[str, Waiver],
    signatures: Mapping[str, Verdict] | None,
    now: datetime,
    option: str = "",
) -> dict[str, Any]:
    """All that status.yml says. runs: what hosts and controller remember, the newest first. incidents: the open ones.

    signatures: by role, of the run that deployed what serves; None where its record is not on this controller. option: as
    ``typed`` takes it.
    """
    served = {name: host["releases"] for name, host in hosts.items() if host.get("releases")}
    return {
        "at": _time(now.timestamp()),
        "hosts": {name: _host(host, runs) for name, host in hosts.items()},
        "staged": sorted({release for found in served.values() for release in _staged(found)}),
        "rollback": _rollback(next(iter(served.values()), {}), runs),
        "lock": _lock(hosts),
        "run": run_lines(hosts, recovery, now.timestamp(), option),
        "last_runs": [_run(run) for run in runs[:LISTED]],
        "incidents": [_incident(one) for one in incidents],
        "signatures": _signatures(live_run(hosts), signatures),
        "waivers": [_waiver(one, now.date()) for one in waivers.values() if (one.expires - now.date()).days <= SOON],
    }


def live_run(hosts: Mapping[str, Host]) -> str:
    """Id of the run that deployed the release that serves; empty where none serves."""
    for host in hosts.values():
        if found := host.get("releases"):
            return str(found["releases"].get(found["current"], {}).get("run_id", ""))
    return ""


def overview_lines(seen: Mapping[str, Any], option: str = "") -> list[str]:
    """The overview in words, a line each. option: as ``typed`` takes it."""
    lines = []
    for name, host in seen["hosts"].items():
        if "serves" in host:
            since = f", since {host['since']} by {host['by']}" if host["since"] else ""
            states = ", ".join(f"{release} {state}" for release, state in host["releases"].items())
            lines.append(f"{name} serves {host['serves'] or 'no release'}{since}; releases: {states or 'none'}")
        lines += [f"{name}: maintenance mode, set by {who}" for who in host["maintenance"]]
    if seen["staged"]:
        lines.append(f"staged: {', '.join(seen['staged'])}")
    back = seen["rollback"]
    time = f"about {back['seconds']:.0f} s, {back['measured']}" if back["seconds"] else back["measured"]
    lines.append(f"rollback: to {back['target']}, {time}" if back["target"] else f"rollback: {back['why']}")
    lines += seen["run"]
    lines += [
        f"run {run['id']}: {run['kind']} {run['outcome']}, {way(run)}, ended {run['ended']}, by {run['who']}"
        for run in seen["last_runs"][:SHOWN]
    ]
    lines += [
        f"open incident of {one['opened']}, {one['severity']}: no {' and no '.join(one['lacks'])} yet: "
        + typed("playbooks/incident.yml", option, f" -e incident_run={one['run']}")
        for one in seen["incidents"]
    ]
    signed = seen["signatures"]
    if signed["unsigned"] is None:
        lines.append("signatures: the record of the run that deployed it is not on this controller")
    elif signed["unsigned"]:
        sign = typed("playbooks/signoff.yml", option, f" -e signoff_run={signed['run']}")
        lines.append(f"not signed by {', '.join(signed['unsigned'])}: {sign}")
    return lines + [_waiver_line(one) for one in seen["waivers"]]


def _host(host: Host, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {"maintenance": list(host.get("maintenance", []))}
    if found := host.get("releases"):
        current = found["current"]
        manifest = found["releases"].get(current, {})
        run = brought(runs, current) if current else None
        told |= {
            "serves": current,
            "version": manifest.get("version"),
            "commit": manifest.get("commit"),
            "since": _time(run["ended"]) if run else None,
            "by": run["who"] if run else None,
            "run": run["id"] if run else manifest.get("run_id"),
            "releases": {release: one.get("state") for release, one in found["releases"].items()},
        }
    return told


def _staged(found: Mapping[str, Any]) -> list[str]:
    return [name for name, one in found["releases"].items() if one.get("state") == STAGED and name != found["current"]]


def _rollback(found: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    current = str(found.get("current") or "")
    releases = found.get("releases") or {}
    seconds, measured = rollback_time(runs, str(releases.get(current, {}).get("run_id", "")))
    try:
        target, why = way_back(current, releases)["target"], None
    except NoWayBack as reason:
        target, why = None, str(reason)
    return {"target": target, "why": why, "seconds": seconds, "measured": measured}


def _lock(hosts: Mapping[str, Host]) -> dict[str, Any] | None:
    held = {name: host["lock"] for name, host in hosts.items() if host["lock"].get("holder")}
    if not held:
        return None
    lock = next((lock for lock in held.values() if not dead(lock)), next(iter(held.values())))
    holder = lock["holder"]
    return {
        "run": holder["id"],
        "kind": holder["kind"],
        "who": holder["who"],
        "since": _time(holder["started"]),
        "last_sign_seconds": round(holder["age"]),
        "dead": dead(lock),
        "hosts": sorted(held),
    }


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: run.get(name) for name in RUN_KEYS}
    return {**told, "started": _time(run["started"]), "ended": _time(run["ended"])}


def _incident(found: Mapping[str, Any]) -> dict[str, Any]:
    lacks = [name for name in ("cause", "fix") if found.get(name) is None]
    return {"run": found["run"], "opened": found["opened"], "severity": found["severity"]["level"], "lacks": lacks}


def _signatures(run: str, signatures: Mapping[str, Verdict] | None) -> dict[str, Any]:
    if not run:
        return {"run": None, "roles": {}, "unsigned": []}
    if signatures is None:
        return {"run": run, "roles": {}, "unsigned": None}
    roles = {role: {"status": one.status, "summary": one.summary} for role, one in signatures.items()}
    return {"run": run, "roles": roles, "unsigned": [role for role, one in signatures.items() if one.status != ATTESTED]}


def _waiver(one: Waiver, today: date) -> dict[str, Any]:
    return {"item": one.item, "approver": one.approver, "expires": str(one.expires), "days_left": (one.expires - today).days}


def _waiver_line(one: Mapping[str, Any]) -> str:
    left = one["days_left"]
    when = f"ends in {left} days" if left > 0 else "ends today" if left == 0 else "has expired"
    return f"waiver of {one['item']} ({one['approver']}) {when}, {one['expires']}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).isoformat(timespec="seconds")

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Says in words what is going on with an application, and what to type where a run was cut off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .assertion import listed
from .lock import STALE
from .recovery import NONE, ON

Host = Mapping[str, Any]


def dead(lock: Mapping[str, Any]) -> bool:
    """Whether the run that holds the lock is no more: its controller says so, or it has given no sign of life for long."""
    return bool(lock.get("dead")) or lock["holder"]["age"] > STALE


def typed(playbook: str, option: str, more: str = "") -> str:
    """The command that carries out a playbook. ``option``: names the inventory, where it has to be named."""
    return f"ansible-playbook {playbook}{option}{more}"


def run_lines(hosts: Mapping[str, Host], recovery: Mapping[str, Any], now: float, option: str = "") -> list[str]:
    """Who is at work, or was cut off, and what to type then.

    hosts: with ``lock``, what deploy_lock found. recovery: what plan_recovery decided, empty where no run was cut off in the
    middle. now: Unix time, seconds. option: as ``typed`` takes it.
    """
    held = {name: host["lock"] for name, host in hosts.items() if host["lock"].get("holder")}
    if not held:
        return ["no run under way"]
    alive = {name: lock for name, lock in held.items() if not dead(lock)}
    lock = next(iter((alive or held).values()))
    holder = lock["holder"]
    who = f"{holder['kind']} {holder['id']} by {holder['who']}, begun {(now - float(holder['started'])) / 60:.0f} min ago"
    if alive:
        return [f"under way on {listed(alive)}: {who}, last sign of life {holder['age']:.0f} s ago. Wait for it."]
    if not recovery:
        next_run = typed("deploy.yml", option)
        return [f"cut off before it changed anything: {who}. Its lock is taken over by the next run: {next_run}"]
    return [
        f"cut off: {who}. {recovery['summary']}.",
        *advice(hosts, recovery, str(lock["interrupted"]["plan"].get("policy") or ""), option),
    ]


def advice(hosts: Mapping[str, Host], recovery: Mapping[str, Any], policy: str, option: str) -> list[str]:
    """The commands that make the hosts whole, and what each does."""
    target, newer = recovery["target"] or "no release", recovery["taken_back"]
    deploy = typed("deploy.yml", option)
    if recovery["action"] == NONE:
        return [f"type: {deploy} (the hosts are whole; it goes on from there)"]
    back = f"type: {typed('rollback.yml', option)} (ends with {target})"
    if policy:
        return [back, f"type: {deploy} -e app_version=<version> (finishes the way back to {target} first)"]
    manifests = [host["releases"]["releases"].get(newer, {}) for host in hosts.values() if host.get("releases")]
    version = next((manifest["version"] for manifest in manifests if "version" in manifest), "<version>")
    first = f"goes on with {newer}" if recovery["action"] == ON else f"goes back to {target}, and then deploys {version}"
    return [f"type: {deploy} -e app_version={version} ({first})", *([back] if recovery["target"] else [])]

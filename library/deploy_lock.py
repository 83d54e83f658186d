#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the lock that lets one run at a time change an application."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_lock
short_description: Take or give back the lock of an application on a host
description:
  - O(state=present) makes the lock file, atomically; it fails when another run holds it and says who, since when, and how
    to go on. Taking a lock that this run already holds is no error.
  - While the run lives, the controller touches the lock every 10 seconds. A lock that was not touched for O(stale) seconds, or
    whose run is known to the controller to be dead, is taken over; what the dead run left running on the host is ended.
  - The lock is the ledger as well. O(plan) is written into it before the first change. Whoever takes over the lock of a run that
    was cut off finds its plan as RV(interrupted), and keeps it with the lock until it writes a plan of its own, or an empty one.
  - O(state=absent) removes the lock when this run holds it, and leaves any other lock alone, as one with an interrupted run in it.
    With O(ended) a run that holds it leaves a line in C(history.jsonl) beside it, which keeps the last 100 runs.
  - O(state=found) only says who holds it, and what the history has.
  - The lock is never reported as a change.
options:
  path:
    description: The lock file. Its folder must exist to take the lock.
    type: path
    required: true
  state:
    description: What to do.
    type: str
    choices: [present, absent, found]
    default: present
  run:
    description: C(id), C(kind), C(who) and C(started) of the run. Needed unless O(state=found).
    type: dict
  plan:
    description: What the run is about to change, for M(plan_recovery). Empty once the hosts are whole.
    type: dict
  ended:
    description: How the run ended, as C(outcome), C(from_release), C(to_release) and what else the history is to keep.
    type: dict
  keep:
    description: Leave the lock, as the hosts are not whole; with O(state=absent) and O(ended).
    type: bool
    default: false
  takeover:
    description: Take the lock even when another run holds it, once that run is known to be dead.
    type: bool
    default: false
  dead:
    description: Id of a run that is dead for certain. The controller names it, where that run was its own.
    type: str
    default: ""
  stale:
    description: Seconds without a sign of life after which a run is dead.
    type: int
    default: 60
attributes:
  check_mode:
    support: full
    description: A lock that is held is reported as in earnest; none is made or removed.
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Take the lock
  deploy_lock:
    path: /var/lib/tickbox/shop/lock.json
    run: {id: 20260102t030405z_9f1c, kind: deploy, who: ops@control, started: 1767323045.1}
"""

RETURN = r"""
holder:
  description: The run that held the lock before, with C(age), the seconds since its last sign of life.
  returned: when one did
  type: dict
interrupted:
  description: The run that was cut off while it changed the host, with its C(plan). Empty where none was.
  returned: O(state=present) and O(state=found)
  type: dict
history:
  description: The last runs on the host, the oldest first, each with C(id), C(kind), C(who), C(started), C(ended) and what
    O(ended) said.
  returned: O(state=found)
  type: list
  elements: dict
ended:
  description: Commands of the dead run that were still running, and were ended.
  returned: O(state=present)
  type: list
  elements: str
"""

import json
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import history
from ansible.module_utils.tickbox.files import replace
from ansible.module_utils.tickbox.lock import NAMED, STALE, alone, end_processes, interrupted, read


class Held(Exception):
    """Another run holds the lock; the message says which."""


def require_dead(path: Path, holder: dict[str, Any], given: dict[str, Any]) -> None:
    """Raise Held unless the holder is known to be dead, or is to be taken for dead."""
    if given["takeover"] or given["dead"] == holder["id"] or holder["age"] > given["stale"]:
        return
    minutes = int((time.time() - float(holder["started"])) / 60)
    raise Held(
        f"Another run holds the lock {path}: {holder['kind']} {holder['id']} by {holder['who']}, begun {minutes} min ago, "
        f"last sign of life {holder['age']:.0f} s ago. "
        "Wait for it, or, once it is known to be dead, add -e deploy_lock_takeover=true."
    )


def take(path: Path, holder: dict[str, Any] | None, given: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Hold the lock, with the plan where one is given, and return what the run before it left."""
    run, plan = given["run"], given["plan"]
    left = interrupted(holder) if holder else {}
    mine = holder is not None and holder["id"] == run["id"]
    ended: list[str] = []
    if mine:
        left = dict((holder or {}).get("interrupted") or {})
        if plan is None:
            return {"interrupted": left, "ended": ended}
    elif holder:
        require_dead(path, holder, given)
        if not check_mode:
            ended = end_processes(holder["id"])
    if not check_mode:
        kept = {"interrupted": left} if left and plan is None else {}
        replace(path, json.dumps({**run, **({"plan": plan} if plan else {}), **kept}) + "\n")
    return {"interrupted": left, "ended": ended}


def give_back(module: AnsibleModule, path: Path, holder: dict[str, Any]) -> None:
    """Remove the lock of this run unless it is to stay, and remember the run. That it is remembered keeps nobody from deploying."""
    given = module.params
    if not given["keep"] and not holder.get("interrupted"):
        path.unlink()
    if given["ended"]:
        entry = {**given["ended"], **{name: holder[name] for name in NAMED}, "ended": time.time()}
        try:
            history.append(path.with_name(history.HISTORY), entry)
        except OSError as error:
            module.warn(f"The run is not in the history of this host: {error}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "found"], "default": "present"},
            "run": {"type": "dict"},
            "plan": {"type": "dict"},
            "ended": {"type": "dict"},
            "keep": {"type": "bool", "default": False},
            "takeover": {"type": "bool", "default": False},
            "dead": {"type": "str", "default": ""},
            "stale": {"type": "int", "default": STALE},
        },
        required_if=[("state", "present", ["run"]), ("state", "absent", ["run"])],
        supports_check_mode=True,
    )
    given = module.params
    path = Path(given["path"])
    result: dict[str, Any] = {"changed": False}
    if given["state"] == "present" and not path.parent.is_dir():
        module.fail_json(msg=f"{path.parent} does not exist: provision the host first (playbooks/provision.yml)")
    if not path.parent.is_dir():
        module.exit_json(**result)
    try:
        with alone(path.parent):
            holder = read(path)
            if holder:
                result["holder"] = holder
            if given["state"] == "present":
                result.update(take(path, holder, given, module.check_mode))
            elif given["state"] == "found":
                result["interrupted"] = interrupted(holder or {})
                result["history"] = history.read(path.with_name(history.HISTORY))
            elif holder and holder["id"] == given["run"]["id"] and not module.check_mode:
                give_back(module, path, holder)
    except Held as reason:
        module.fail_json(msg=str(reason), **result)
    except OSError as error:
        module.fail_json(msg=f"The lock {path} cannot be kept: {error}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

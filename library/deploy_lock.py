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
  - O(state=absent) removes the lock when this run holds it, and leaves any other lock alone.
  - The lock is never reported as a change.
options:
  path:
    description: The lock file. Its folder must exist to take the lock.
    type: path
    required: true
  state:
    description: What to do.
    type: str
    choices: [present, absent]
    default: present
  run:
    description: C(id), C(kind), C(who) and C(started) of the run.
    type: dict
    required: true
  takeover:
    description: Take the lock even when another run holds it, once that run is known to be dead.
    type: bool
    default: false
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
  description: The run that held the lock before.
  returned: when one did
  type: dict
"""

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule


def read(path: Path) -> dict[str, Any] | None:
    """What the lock says of its holder, None where there is no lock."""
    try:
        holder = json.loads(path.read_text())
        return {key: holder[key] for key in ("id", "kind", "who", "started")}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return {"id": "unknown", "kind": "unreadable", "who": "unknown", "started": path.stat().st_mtime}


def make(path: Path, run: dict[str, Any]) -> bool:
    """Make the lock whole and at once; False where there is one."""
    draft = path.with_name(f".{path.name}.{run['id']}")
    draft.write_text(json.dumps(run) + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def refusal(path: Path, holder: dict[str, Any]) -> str:
    minutes = int((time.time() - float(holder["started"])) / 60)
    return (
        f"Another run holds the lock {path}: {holder['kind']} {holder['id']} by {holder['who']}, begun {minutes} min ago. "
        "Wait for it, or, once it is known to be dead, add -e deploy_lock_takeover=true."
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "run": {"type": "dict", "required": True},
            "takeover": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["path"])
    run = module.params["run"]
    result: dict[str, Any] = {"changed": False}
    try:
        if module.params["state"] == "present" and not path.parent.is_dir():
            module.fail_json(msg=f"{path.parent} does not exist: provision the host first (playbooks/provision.yml)")
        holder = read(path)
        if holder:
            result["holder"] = holder
        mine = holder is not None and holder["id"] == run["id"]
        if module.params["state"] == "absent":
            if mine and not module.check_mode:
                path.unlink()
        elif not mine:
            if holder and not module.params["takeover"]:
                module.fail_json(msg=refusal(path, holder), **result)
            if not module.check_mode:
                if holder:
                    with contextlib.suppress(FileNotFoundError):
                        path.unlink()
                if not make(path, run):
                    module.fail_json(msg=refusal(path, read(path) or run), **result)
    except OSError as error:
        module.fail_json(msg=f"The lock {path} cannot be kept: {error}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the releases of an application on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: Which releases a host has, which one serves, and how much room there is
description:
  - Reads the manifests below the application's folder of releases and where C(current) points. Changes nothing.
options:
  home:
    description: The application's folder, which holds C(releases) and C(current).
    type: path
    required: true
  way_back:
    description: Find the release to go back to as well, and fail where there is none.
    type: bool
    default: false
  target:
    description: Release id or version to go back to, instead of the one that served before. With O(way_back=true).
    type: str
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Look at the releases
  release_info:
    home: /srv/shop
  register: found
"""

RETURN = r"""
current:
  description: Release id that C(current) points at, empty where there is none.
  returned: always
  type: str
current_state:
  description: What the manifest of that release says of it, C(staged), C(verified) or C(rolled_back); empty where there is none.
  returned: always
  type: str
releases:
  description: The manifest of each whole release, by release id.
  returned: always
  type: dict
half_made:
  description: Folders without a manifest, left by a run that did not finish staging.
  returned: always
  type: list
  elements: str
free_bytes:
  description: Room on the file system of the releases, in bytes.
  returned: always
  type: int
free_inodes:
  description: Free inodes there.
  returned: always
  type: int
way_back:
  description: The release to go back to, the restore point that holds the schema and rows it had (empty where there is none), the
    migrations that ran since, as the releases that are taken back end with them, and the run that began with them.
  returned: O(way_back=true)
  type: dict
  sample:
    target: v1.0.0-1a2b3c4d
    restore_point: shop_before_20260102t030405z_9f1c
    migrations: [3f1c]
    run: 20260102t030405z_9f1c
"""

import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.releases import NoWayBack, way_back


def look(home: Path) -> dict[str, Any]:
    releases: dict[str, Any] = {}
    half_made = []
    for folder in sorted(path for path in (home / "releases").iterdir() if path.is_dir()):
        try:
            releases[folder.name] = json.loads((folder / "manifest.json").read_text())
        except (FileNotFoundError, ValueError):
            half_made.append(folder.name)
    link = home / "current"
    current = link.readlink().name if link.is_symlink() else ""
    room = os.statvfs(home)
    return {
        "current": current,
        "current_state": releases.get(current, {}).get("state", ""),
        "releases": releases,
        "half_made": half_made,
        "free_bytes": room.f_bavail * room.f_frsize,
        "free_inodes": room.f_favail,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "home": {"type": "path", "required": True},
            "way_back": {"type": "bool", "default": False},
            "target": {"type": "str"},
        },
        supports_check_mode=True,
    )
    home = Path(module.params["home"])
    try:
        seen = look(home)
        if module.params["way_back"]:
            seen["way_back"] = way_back(seen["current"], seen["releases"], module.params["target"])
        module.exit_json(changed=False, **seen)
    except NoWayBack as reason:
        module.fail_json(msg=f"rollback_to: {reason}")
    except FileNotFoundError:
        module.fail_json(msg=f"{home}/releases does not exist: provision the host first (playbooks/provision.yml)")
    except OSError as error:
        module.fail_json(msg=f"The releases in {home} cannot be read: {error}")


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: remove the releases that nobody goes back to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_prune
short_description: Remove old releases, and never the one that serves or the one to go back to
description:
  - Keeps the release that serves, the one that served before it, and the newest O(keep) others.
  - Of each other release the units are stopped and removed, then its folder, the manifest first, so that a removal cut short
    leaves no release that looks whole.
options:
  home:
    description: The application's folder, which holds C(releases) and C(current).
    type: path
    required: true
  keep:
    description: How many other releases stay.
    type: int
    required: true
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Prune old releases
  release_prune:
    home: /srv/shop
    keep: 5
"""

RETURN = r"""
removed:
  description: Ids of the releases that were removed.
  returned: always
  type: list
  elements: str
restore_points:
  description: Restore points that only the removed releases named; their databases are still there.
  returned: always
  type: list
  elements: str
"""

import json
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

UNITS = Path("/etc/systemd/system")


def superfluous(home: Path, keep: int) -> dict[str, dict[str, Any]]:
    """The manifests of the releases to remove, oldest first; a folder without a manifest has an empty one."""
    manifests: dict[str, dict[str, Any]] = {}
    ages: dict[str, float] = {}
    for folder in (path for path in (home / "releases").iterdir() if path.is_dir()):
        manifest = folder / "manifest.json"
        manifests[folder.name] = json.loads(manifest.read_text()) if manifest.exists() else {}
        ages[folder.name] = (manifest if manifest.exists() else folder).stat().st_mtime
    current = (home / "current").readlink().name
    kept = {current, manifests[current].get("from_release")}
    others = sorted((name for name in manifests if name not in kept), key=lambda name: (bool(manifests[name]), ages[name]))
    return {name: manifests[name] for name in others[: max(0, len(others) - keep)]}


def remove(module: AnsibleModule, home: Path, name: str) -> None:
    files = sorted(UNITS.glob(f"*@{name}.service")) + sorted(UNITS.glob(f"*@{name}.timer"))
    if files:
        module.run_command(["systemctl", "disable", "--now", *[file.name for file in files]], check_rc=True)
    for file in files:
        file.unlink()
    (home / "releases" / name / "manifest.json").unlink(missing_ok=True)
    shutil.rmtree(home / "releases" / name)


def main() -> None:
    module = AnsibleModule(
        argument_spec={"home": {"type": "path", "required": True}, "keep": {"type": "int", "required": True}},
        supports_check_mode=True,
    )
    home = Path(module.params["home"])
    try:
        victims = superfluous(home, module.params["keep"])
        if not module.check_mode:
            for name in victims:
                remove(module, home, name)
            if victims:
                module.run_command(["systemctl", "daemon-reload"], check_rc=True)
    except (OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"The releases in {home} were not pruned: {error}")
    points = [manifest["restore_point"] for manifest in victims.values() if manifest.get("restore_point")]
    module.exit_json(changed=bool(victims), removed=list(victims), restore_points=points)


if __name__ == "__main__":
    main()

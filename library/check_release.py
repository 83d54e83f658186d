#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the release that a host has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_release
short_description: Whether a host has exactly the release that was built, and it answers
description:
  - Looks at the release's files, its virtual environment, its configuration and the process that answers. Changes nothing.
  - C(deploy.release.code) is ticked when the digest of C(code) below O(release_path) is O(digest), O(current_path) leads to
    O(release_path), and each of several answers through O(current_socket) is of this version, commit and release.
  - C(deploy.release.dependencies) is ticked when C(venv) below O(release_path) holds exactly the packages of O(lock), by version,
    each of their files agrees with the hash recorded at its installation, and there is no other file. Compiled files
    (C(__pycache__)) are not looked at.
  - C(deploy.release.configuration) is ticked when O(files) are as expected and secrets closed to others, and the main process of
    each of O(units) has the settings of O(environment_file).
  - C(rollback.initiate.code) is C(deploy.release.code) for the earlier release, and its O(units) are stable and run from it.
  - Runs on the host of the application, as root.
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: [deploy.release.code, deploy.release.dependencies, deploy.release.configuration, rollback.initiate.code]
    default: [deploy.release.code, deploy.release.dependencies, deploy.release.configuration]
  release_path:
    description: The folder of the release; its name is the release id.
    type: path
    required: true
  digest:
    description: Digest of the artefact's tree. Needed for the items of the code.
    type: str
  version:
    description: Version that the process must answer. Needed for the items of the code.
    type: str
  commit:
    description: Commit that the process must answer. Needed for the items of the code.
    type: str
  current_path:
    description: The link to the release that serves. Needed for the items of the code.
    type: path
  current_socket:
    description: The link that the web server follows. Needed for the items of the code.
    type: path
  version_path:
    description: Where the application answers JSON with C(version), C(commit) and C(release).
    type: str
    default: /version
  lock:
    description: Path below C(code) of the lock file with hashes. Needed for C(deploy.release.dependencies).
    type: str
  files:
    description: The configuration files that were rendered. Needed for C(deploy.release.configuration).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where the file lies.
        type: path
        required: true
      sha256:
        description: Digest of the content as it was rendered.
        type: str
        required: true
      owner:
        description: Name of its owner.
        type: str
        default: root
      group:
        description: Name of its group.
        type: str
        default: root
      mode:
        description: Its mode, as four octal digits.
        type: str
        default: "0644"
      secret:
        description: Whether it holds secrets, so that nobody else may open it, nor a copy beside it.
        type: bool
        default: false
  environment_file:
    description: The file with the settings that the units' processes must have. Needed for C(deploy.release.configuration).
    type: path
  units:
    description: Names of the release's units. Of timers only the files that change them are looked at.
    type: list
    elements: str
    default: []
  started_after:
    description:
      - With C(rollback.initiate.code), the time by this host's clock after which each main process must have started (ISO 8601
        with its zone, or Unix time). Left out where the earlier release's processes kept running.
    type: str
  window:
    description: With C(rollback.initiate.code), seconds over which the units must be stable.
    type: float
    default: 3
  report_only:
    description: Return the assertions without failing.
    type: bool
    default: false
requirements: [python3-packaging on the host, for deploy.release.dependencies]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Code, dependencies and configuration are the release's
  check_release:
    release_path: /srv/shop/releases/v2.1.0-1a2b3c4d
    digest: 0d4f...
    version: v2.1.0
    commit: 9fceb02d0ae598e95dc970b74767f19372d61af8
    current_path: /srv/shop/current
    current_socket: /run/shop/current.sock
    lock: requirements.lock
    files:
      - {path: /srv/shop/releases/v2.1.0-1a2b3c4d/config/app.env, sha256: 5f2d..., group: shop, mode: "0640", secret: true}
    environment_file: /srv/shop/releases/v2.1.0-1a2b3c4d/config/app.env
    units: [shop-web@v2.1.0-1a2b3c4d.service]
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import code, configuration, packages, processes, systemd
from ansible.module_utils.tickbox.answers import ask_unix
from ansible.module_utils.tickbox.assertion import Verdict, all_of, examine, exit_with, moment
from ansible.module_utils.tickbox.units import judge_restart

ASKED = 5  # times that the version is asked: a web process has several workers
CODE = ("digest", "version", "commit", "current_path", "current_socket")
NEEDED = {
    "deploy.release.code": CODE,
    "deploy.release.dependencies": ("lock",),
    "deploy.release.configuration": ("files", "environment_file", "units"),
    "rollback.initiate.code": (*CODE, "units"),
}


class Look:
    """What each item needs to see."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.release = Path(os.path.realpath(params["release_path"]))
        self.services = [unit for unit in params["units"] if not unit.endswith(".timer")]

    def code(self) -> Verdict:
        current = Path(self.params["current_path"])
        socket = Path(self.params["current_socket"])
        return code.judge_code(
            code.look(self.release / "code", current),
            [ask_unix(socket, self.params["version_path"]) for _ in range(ASKED)],
            digest=self.params["digest"],
            release=self.release,
            version=self.params["version"],
            commit=self.params["commit"],
            current=current,
        )

    def dependencies(self) -> Verdict:
        found = packages.look(self.release / "venv")
        lock = (self.release / "code" / self.params["lock"]).read_text()
        return packages.judge_dependencies(packages.read_lock(lock, packages.markers(self.release / "venv")), found)

    def configuration(self) -> Verdict:
        settings = Path(self.params["environment_file"]).read_text(errors="surrogateescape")
        shown = systemd.show(self.params["units"], systemd.SERVICE)
        return configuration.judge_configuration(
            self.params["files"],
            {entry["path"]: configuration.look(Path(entry["path"])) for entry in self.params["files"]},
            configuration.read_environment_file(settings),
            {unit: processes.environment(pid) if (pid := main_pid(shown[unit])) else None for unit in self.services},
            {unit: shown[unit].get("DropInPaths", "") for unit in shown},
        )

    def earlier_code(self) -> Verdict:
        started_after = self.params["started_after"]
        samples = systemd.watch(self.services, self.params["window"])
        looked = {unit: processes.look(pid) for unit in self.services if (pid := main_pid(samples[-1][unit]))}
        since = moment("started_after", started_after) if started_after else None
        return all_of(self.code(), judge_restart(samples, looked, self.release, since, datetime.now(UTC)))


def main_pid(properties: dict[str, str]) -> int:
    return int(properties.get("MainPID") or 0)


def main() -> None:
    file_spec = {
        "path": {"type": "path", "required": True},
        "sha256": {"type": "str", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "mode": {"type": "str", "default": "0644"},
        "secret": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": list(NEEDED), "default": list(NEEDED)[:3]},
            "release_path": {"type": "path", "required": True},
            **{name: {"type": "str"} for name in ("digest", "version", "commit", "lock", "started_after")},
            **{name: {"type": "path"} for name in ("current_path", "current_socket", "environment_file")},
            "version_path": {"type": "str", "default": "/version"},
            "files": {"type": "list", "elements": "dict", "default": [], "options": file_spec},
            "units": {"type": "list", "elements": "str", "default": []},
            "window": {"type": "float", "default": 3},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    items = list(dict.fromkeys(module.params["items"]))
    for item in items:
        if missing := [name for name in NEEDED[item] if not module.params[name]]:
            module.fail_json(msg=f"{item} needs {', '.join(missing)}")
    look = Look(module.params)
    judges = {
        "deploy.release.code": look.code,
        "deploy.release.dependencies": look.dependencies,
        "deploy.release.configuration": look.configuration,
        "rollback.initiate.code": look.earlier_code,
    }
    exit_with(module, [examine(item, judges[item]) for item in items])


if __name__ == "__main__":
    main()

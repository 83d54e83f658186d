#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the release that a host has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_release
short_description: Whether a host has exactly the release that was built, and it runs and answers
description:
  - Looks at the release's files, its virtual environment, its configuration, its units and the process that answers. Changes
    nothing.
  - C(deploy.release.code) is ticked when the digest of C(code) below O(release_path) is O(digest), O(current_path) leads to
    O(release_path), and each of several answers through O(current_socket) is of this version, commit and release.
  - C(deploy.release.dependencies) is ticked when C(venv) below O(release_path) holds exactly the packages of O(lock), by version,
    each of their files agrees with the hash recorded at its installation, and there is no other file. Compiled files
    (C(__pycache__)) are not looked at. Where O(lock) is a C(package-lock.json), C(node_modules) beside it holds exactly its
    packages without those of the development, by version and by the hash of what npm unpacked, and the code has O(digest).
  - C(deploy.release.configuration) is ticked when O(files) are as expected and secrets closed to others, and the main process of
    each of O(units) has the settings of O(environment_file).
  - C(deploy.release.restart) is ticked when the main process of each of O(units) started after O(started_after), runs from
    O(release_path), no C(daemon-reload) is pending, and over O(window) no unit restarted or was down.
  - C(deploy.verification.running) is ticked when the units are enabled and active over O(window), the timers will elapse,
    O(current_socket) leads to O(socket), only processes of O(web_unit) listen there, and the health answer through it is
    as O(health_json) says.
  - C(rollback.initiate.code) is C(deploy.release.code) and C(deploy.release.restart) for the earlier release, whose processes need
    not have been started anew.
  - Runs on the host of the application, as root.
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    required: true
    choices:
      - deploy.release.code
      - deploy.release.dependencies
      - deploy.release.configuration
      - deploy.release.restart
      - deploy.verification.running
      - rollback.initiate.code
  release_path:
    description: The folder of the release; its name is the release id.
    type: path
    required: true
  digest:
    description: Digest of the artefact's tree. Needed for the items of the code, and for C(deploy.release.dependencies)
      of npm's packages.
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
    description: The link that the web server follows. Needed for the items of the code, and for C(deploy.verification.running).
    type: path
  version_path:
    description: Where the application answers JSON with C(version), C(commit) and C(release).
    type: str
    default: /version
  lock:
    description: Path below C(code) of the lock file, of Python with hashes or npm's. Needed for C(deploy.release.dependencies).
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
    description: Names of the release's units. A service must keep a main process; a C(.timer) must be set to elapse. Needed for
      all items but C(deploy.release.code) and C(deploy.release.dependencies).
    type: list
    elements: str
    default: []
  started_after:
    description:
      - The time by this host's clock (ISO 8601 with its zone, or Unix time) after which each main process must have started.
      - Needed for C(deploy.release.restart).
    type: str
  window:
    description: Seconds over which the units must be stable. The time that their processes have run already counts.
    type: float
    default: 3
  web_unit:
    description: The service whose process listens on the socket. Needed for C(deploy.verification.running).
    type: str
  socket:
    description: The release's own socket. Needed for C(deploy.verification.running).
    type: path
  health_path:
    description: Where the application answers for its health.
    type: str
    default: /healthz
  health_json:
    description: What the health answer must say; it may say more.
    type: dict
    default: {status: ok}
  texts:
    description: Texts that O(web_unit) may have logged, such as the ids of requests that were sent to it. Which of them its journal
      holds is returned, for M(check_smoke).
    type: list
    elements: str
    default: []
requirements: [python3-packaging on the host, for a lock file of Python]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Code, dependencies and configuration are the release's
  check_release:
    items: [deploy.release.code, deploy.release.dependencies, deploy.release.configuration]
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

- name: Application restarted, and running
  check_release:
    items: [deploy.release.restart, deploy.verification.running]
    release_path: /srv/shop/releases/v2.1.0-1a2b3c4d
    units: [shop-web@v2.1.0-1a2b3c4d.service, shop-cleanup@v2.1.0-1a2b3c4d.timer]
    started_after: "2026-01-02T03:05:00+00:00"
    web_unit: shop-web@v2.1.0-1a2b3c4d.service
    socket: /run/shop/v2.1.0-1a2b3c4d.sock
    current_socket: /run/shop/current.sock
"""

RETURN = r"""
logged:
  description: Those of O(texts) that the journal of O(web_unit) holds.
  returned: always
  type: list
  elements: str
assertions:
  description: One for each of O(items), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import CouldNotLook, examine, exit_with
from ansible.module_utils.tickbox.journal import logged
from ansible.module_utils.tickbox.release_on_host import Look

CODE = ("digest", "version", "commit", "current_path", "current_socket")
NEEDED = {
    "deploy.release.code": CODE,
    "deploy.release.dependencies": ("lock",),
    "deploy.release.configuration": ("files", "environment_file", "units"),
    "deploy.release.restart": ("units", "started_after"),
    "deploy.verification.running": ("units", "web_unit", "socket", "current_socket"),
    "rollback.initiate.code": (*CODE, "units"),
}


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
            "items": {"type": "list", "elements": "str", "choices": list(NEEDED), "required": True},
            "release_path": {"type": "path", "required": True},
            **{name: {"type": "str"} for name in ("digest", "version", "commit", "lock", "started_after", "web_unit")},
            **{name: {"type": "path"} for name in ("current_path", "current_socket", "environment_file", "socket")},
            "version_path": {"type": "str", "default": "/version"},
            "health_path": {"type": "str", "default": "/healthz"},
            "health_json": {"type": "dict", "default": {"status": "ok"}},
            "files": {"type": "list", "elements": "dict", "default": [], "options": file_spec},
            "units": {"type": "list", "elements": "str", "default": []},
            "window": {"type": "float", "default": 3},
            "texts": {"type": "list", "elements": "str", "default": []},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if module.params["texts"] and not module.params["web_unit"]:
        module.fail_json(msg="texts needs web_unit: the whole journal would be read")
    items = list(dict.fromkeys(module.params["items"]))
    for item in items:
        if missing := [name for name in NEEDED[item] if not module.params[name]]:
            module.fail_json(msg=f"{item} needs {', '.join(missing)}")
    look = Look(module.params)
    judges = {
        "deploy.release.code": look.code,
        "deploy.release.dependencies": look.dependencies,
        "deploy.release.configuration": look.configuration,
        "deploy.release.restart": look.restart,
        "deploy.verification.running": look.running,
        "rollback.initiate.code": look.earlier_code,
    }
    assertions = [examine(item, judges[item]) for item in items]
    # After the looks, which take a while: the journal has the texts by then.
    try:
        found = logged(module.params["web_unit"], module.params["texts"]) if module.params["texts"] else []
    except CouldNotLook as reason:
        module.fail_json(msg=str(reason), assertions=assertions)
    exit_with(module, assertions, logged=found)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the artefact of one version of the application."""

from __future__ import annotations

DOCUMENTATION = r"""
module: build_artifact
short_description: Find a version in the application's repository and build it once
description:
  - Keeps a bare copy of the repository under O(cache) and finds the commit that O(version) names.
  - With O(state=built) exports that commit, runs the build commands in it, adds C(release.json) with version and commit, and packs
    the tree as C(artefact.tar.gz). A build of the same commit with the same commands is not made again.
  - Runs on the controller. Programs beside Ansible's own Python (C(node), C(npm)) come first in the build's C(PATH).
  - The cache is never reported as a change, and is kept in check mode too.
options:
  state:
    description: V(found) resolves the version only.
    type: str
    choices: [found, built]
    default: built
  repository:
    description: Address or path of the git repository.
    type: str
    required: true
  version:
    description: Tag, branch or commit.
    type: str
    required: true
  cache:
    description: Folder for the copy of the repository and the builds.
    type: path
    required: true
  commands:
    description: Commands of the build, run in the root of the source one after the other, without a shell.
    type: list
    elements: str
    default: []
  exclude:
    description: Paths below the root that are not shipped.
    type: list
    elements: str
    default: []
  lock:
    description: Path below the root of the lock file of the dependencies, whose digest is returned.
    type: str
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Build the release once, on the controller
  build_artifact:
    repository: https://git.example.com/shop.git
    version: v2.1.0
    cache: .tickbox/build/shop
    commands: [npm ci, npm run build]
    exclude: [node_modules]
  delegate_to: localhost
  register: built
"""

RETURN = r"""
commit:
  description: Full hash of the commit.
  returned: always
  type: str
archive:
  description: The packed tree.
  returned: O(state=built)
  type: path
repository:
  description: Bare copy of the repository.
  returned: O(state=built)
  type: path
sha256:
  description: Digest of the packed tree.
  returned: O(state=built)
  type: str
tree_digest:
  description: Digest over names, content and executable bits of the tree, to compare with a host's copy.
  returned: O(state=built)
  type: str
lock_digest:
  description: SHA-256 of O(lock) at that commit.
  returned: O(state=built) and O(lock) is given
  type: str
built:
  description: Whether the build was made now.
  returned: O(state=built)
  type: bool
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.source import SourceError, alone, build, build_key, commit_of, fetch, run


def make(given: dict[str, Any], cache: Path, mirror: Path) -> dict[str, Any]:
    """Find the version's commit, and build it where that is asked for and was not done yet."""
    try:
        fetch(given["repository"], mirror)
    except SourceError as error:
        raise SourceError(f"app_repo: {given['repository']} cannot be fetched: {error}") from error
    commit = commit_of(mirror, given["version"])
    if given["state"] == "found":
        return {"commit": commit}
    target = cache / build_key(commit, given["version"], given["commands"], given["exclude"])
    missing = not (target / "artefact.json").exists()
    if missing:
        build(mirror, commit, given["version"], given["commands"], given["exclude"], target)
    described = json.loads((target / "artefact.json").read_text())
    if given["lock"]:
        lock = run(["git", f"--git-dir={mirror}", "show", f"{commit}:{given['lock']}"])
        described["lock_digest"] = hashlib.sha256(lock.encode()).hexdigest()
    return {**described, "commit": commit, "archive": str(target / "artefact.tar.gz"), "repository": str(mirror), "built": missing}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["found", "built"], "default": "built"},
            "repository": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "cache": {"type": "path", "required": True},
            "commands": {"type": "list", "elements": "str", "default": []},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "lock": {"type": "str"},
        },
        supports_check_mode=True,
    )
    given = module.params
    cache = Path(given["cache"]).absolute()
    mirror = cache / "repository.git"
    try:
        with alone(cache):
            result = make(given, cache, mirror)
    except (SourceError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()

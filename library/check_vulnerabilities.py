#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: known vulnerabilities of the packages of a build."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_vulnerabilities
short_description: Whether a package of the build has a known vulnerability
description:
  - Reads O(locks) at O(commit), files in pip's form and C(package-lock.json), and looks each of their packages up in OSV, by its
    API at O(url) or in its exports in O(export).
  - C(pre.security.vulnerability_scan) is ticked when no package has an advisory at O(level) or above, or one without a severity.
  - The item is C(unverifiable) when a package cannot be looked up, as it is from elsewhere than the registry, when the commit
    has a lock file of Python or npm that O(locks) does not name, when the advisories are older than O(database_days) or of unknown
    age, and when the source does not know the vulnerabilities of packages that are known to have some.
  - Runs on the controller. That a host has the packages of its lock is C(deploy.release.dependencies).
extends_documentation_fragment: [look]
options:
  repository:
    description: The bare copy of the repository, as M(build_artifact) keeps it.
    type: path
    required: true
  commit:
    description: Full hash of the commit.
    type: str
    required: true
  locks:
    description: Paths of the lock files below the root of the source.
    type: list
    elements: str
    required: true
  url:
    description: OSV's API, or a mirror of it, which can find vulnerabilities, but not tick, as its age is unknown.
    type: str
    default: https://api.osv.dev
  export:
    description: A folder with C(PyPI/all.zip) and C(npm/all.zip) as OSV exports them, read instead of asking O(url).
    type: path
  ca_path:
    description: Certificates to trust instead of the machine's own.
    type: path
  level:
    description: Severity from which a vulnerability counts.
    type: str
    choices: [low, moderate, high, critical]
    default: moderate
  database_days:
    description: How old the youngest advisory of an export may be.
    type: float
    default: 3
requirements: [httpx and packaging on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Vulnerability scanning has been performed
  check_vulnerabilities:
    repository: .tickbox/build/shop/repository.git
    commit: "{{ release_commit }}"
    locks: [requirements.lock, frontend/package-lock.json]
  delegate_to: localhost
"""

RETURN = r"""
assertions:
  description: The one for C(pre.security.vulnerability_scan), with item, status (passed, failed or unverifiable), summary,
    expected, observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.advisories import HTTPX, Export, Osv, judge_packages, look_up, read_lock, unnamed_locks
from ansible.module_utils.tickbox.assertion import Verdict, examine, exit_with
from ansible.module_utils.tickbox.repository import History

SCAN = "pre.security.vulnerability_scan"


def look(params: dict[str, Any]) -> Verdict:
    history = History(Path(params["repository"]))
    packages, not_looked_up = set(), unnamed_locks(history.files(params["commit"]), params["locks"])
    for name in params["locks"]:
        pinned, other = read_lock(name, history.text(params["commit"], name))
        packages |= pinned
        not_looked_up += other
    source = Export(Path(params["export"])) if params["export"] else Osv(params["url"], params["ca_path"])
    seen = look_up(source, packages)
    oldest = timedelta(days=params["database_days"])
    return judge_packages(seen, not_looked_up, params["locks"], params["level"], oldest, datetime.now(UTC))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "repository": {"type": "path", "required": True},
            "commit": {"type": "str", "required": True},
            "locks": {"type": "list", "elements": "str", "required": True},
            "url": {"type": "str", "default": "https://api.osv.dev"},
            "export": {"type": "path"},
            "ca_path": {"type": "path"},
            "level": {"type": "str", "choices": ["low", "moderate", "high", "critical"], "default": "moderate"},
            "database_days": {"type": "float", "default": 3},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    exit_with(module, [examine(SCAN, lambda: look(module.params))])


if __name__ == "__main__":
    main()

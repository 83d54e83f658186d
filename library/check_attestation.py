#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what a person with a role has signed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_attestation
short_description: Whether a person with the role has attested an item for this commit and environment
description:
  - The record of an item lies at C(<path>/<commit>/<item>.json), its signature beside it as C(.sig). It is C(attested) when
    C(ssh-keygen -Y verify) accepts the signature over C(tickbox/<item>) of somebody in O(signers) by O(allowed_signers), when that
    is nobody who wrote the commit, and when the record is for this item, application, environment and commit, says something, has
    not expired, was issued at most O(days) ago, and has no finding that is critical and open.
  - Without a record the item is C(unverifiable), and the summary says how to sign one.
  - Runs on the controller.
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: [pre.security.audit]
    default: [pre.security.audit]
  repository:
    description: The bare copy of the repository, as M(build_artifact) keeps it.
    type: path
    required: true
  commit:
    description: Full hash of the commit.
    type: str
    required: true
  application:
    description: Name of the application.
    type: str
    required: true
  environment:
    description: Name of the environment.
    type: str
    required: true
  path:
    description: Folder of the records.
    type: path
    required: true
  allowed_signers:
    description: Keys that may sign, as ssh-keygen(1) describes such a file. No commit of the deployed repository may hold it.
    type: path
    required: true
  role:
    description: What the signers are, for people.
    type: str
    default: security officer
  signers:
    description: Principals of O(allowed_signers) that hold the role.
    type: list
    elements: str
    required: true
  days:
    description: How long ago a record may have been issued, whatever it says of its own end.
    type: float
    default: 90
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Security audit has been completed
  check_attestation:
    items: [pre.security.audit]
    repository: .tickbox/build/shop/repository.git
    commit: "{{ release_commit }}"
    application: shop
    environment: production
    path: /srv/attestations/shop
    allowed_signers: /etc/tickbox/attestors
    signers: [carla@example.com]
  delegate_to: localhost
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (attested, failed or unverifiable), summary, expected,
    observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import Verdict, examine, exit_with
from ansible.module_utils.tickbox.attestation import Wanted, judge_attestation, place
from ansible.module_utils.tickbox.repository import History

ITEMS = ["pre.security.audit"]


def attested(item: str, params: dict[str, Any]) -> Verdict:
    history = History(Path(params["repository"]))
    commit = params["commit"]
    wanted = Wanted(
        item=item,
        application=params["application"],
        environment=params["environment"],
        commit=commit,
        role=params["role"],
        signers=params["signers"],
        authors=set().union(*(entry.people for entry in history.commits(commit, ""))),
    )
    file = place(Path(params["path"]), commit, item)
    longest = timedelta(days=params["days"])
    return judge_attestation(file, wanted, Path(params["allowed_signers"]), datetime.now(UTC), longest, params["repository"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "choices": ITEMS, "default": ITEMS},
            "repository": {"type": "path", "required": True},
            "commit": {"type": "str", "required": True},
            "application": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "allowed_signers": {"type": "path", "required": True},
            "role": {"type": "str", "default": "security officer"},
            "signers": {"type": "list", "elements": "str", "required": True},
            "days": {"type": "float", "default": 90},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    wanted = dict.fromkeys(module.params["items"])
    exit_with(module, [examine(item, lambda item=item: attested(item, module.params)) for item in wanted])


if __name__ == "__main__":
    main()

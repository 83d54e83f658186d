#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: an attestation, written and signed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: attest
short_description: Write down what a person attests of a release, and sign it
description:
  - Writes the record that M(check_attestation) and M(check_review) read, with a fresh nonce, and signs it with
    C(ssh-keygen -Y sign) over C(tickbox/<item>). An earlier record of the same item and commit is replaced.
  - Runs where the key is, on the controller.
options:
  item:
    description: The item of the checklist.
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
  commit:
    description: Full hash of the commit.
    type: str
    required: true
  statement:
    description: What was looked at, and with what result.
    type: str
    required: true
  findings:
    description: What was found.
    type: list
    elements: dict
    default: []
    suboptions:
      title:
        description: What it is.
        type: str
        required: true
      severity:
        description: How bad it is.
        type: str
        choices: [low, medium, high, critical]
        required: true
      state:
        description: What became of it.
        type: str
        choices: [open, fixed, accepted]
        required: true
  query:
    description: The question to the tracker, for an export of one.
    type: str
  days:
    description: How long the record holds.
    type: float
    default: 30
  key:
    description: Private key to sign with, or the public half of one that the agent holds.
    type: path
    required: true
  path:
    description: Folder of the records.
    type: path
    required: true
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Attest the audit
  attest:
    item: pre.security.audit
    application: shop
    environment: production
    commit: "{{ release_commit }}"
    statement: Audit of March by the security team, report 2026-17
    findings:
      - {title: Session outlives a change of password, severity: medium, state: accepted}
    key: ~/.ssh/id_ed25519
    path: /srv/attestations/shop
"""

RETURN = r"""
record:
  description: The record's file.
  returned: always
  type: path
"""

import secrets
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.attestation import BadAttestation, place, times, write_record


def main() -> None:
    finding = {
        "title": {"type": "str", "required": True},
        "severity": {"type": "str", "choices": ["low", "medium", "high", "critical"], "required": True},
        "state": {"type": "str", "choices": ["open", "fixed", "accepted"], "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "item": {"type": "str", "required": True},
            "application": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "commit": {"type": "str", "required": True},
            "statement": {"type": "str", "required": True},
            "findings": {"type": "list", "elements": "dict", "default": [], "options": finding},
            "query": {"type": "str"},
            "days": {"type": "float", "default": 30},
            "key": {"type": "path", "required": True, "no_log": False},
            "path": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    said = ("item", "application", "environment", "commit", "statement", "findings")
    record = {name: given[name] for name in said} | times(given["days"]) | {"nonce": secrets.token_hex(16)}
    if given["query"]:
        record["query"] = given["query"]
    file = place(Path(given["path"]), given["commit"], given["item"])
    try:
        if not module.check_mode:
            write_record(file, record, Path(given["key"]))
    except (BadAttestation, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True, record=str(file))


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: who has signed off a run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_signoff
short_description: Whether people have signed off a run, each for a role
description:
  - The sign-off of a role lies in the folder of the run, C(signatures/<role>.json) with its signature beside it as C(.sig). It is
    C(attested) when C(ssh-keygen -Y verify) accepts the signature over C(tickbox/signoff.<role>) of somebody who holds the role and
    has not written the commit, over the digest that ended the record of this run, and no other role's key made it.
  - It is C(pending) where nobody has signed, and C(failed) where a sign-off does not hold; so is each where the record is broken.
  - Runs on the controller.
extends_documentation_fragment: [look, signoff]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    choices: [signoff.project_manager, signoff.lead_developer, signoff.qa_lead, signoff.devops_engineer, signoff.security_officer]
    default: [signoff.project_manager, signoff.lead_developer, signoff.qa_lead, signoff.devops_engineer, signoff.security_officer]
  directory:
    description: Folder of the run.
    type: path
    required: true
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Sign-off
  check_signoff:
    directory: reports/20260102t030405z_9f1c
    application: shop
    environment: production
    allowed_signers: /etc/tickbox/attestors
    signatories: {qa_lead: [quentin@example.com]}
    repository: .tickbox/build/shop/repository.git
    report_only: true
  delegate_to: localhost
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (attested, pending, failed or unverifiable), summary, expected, observed,
    evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import Verdict, examine, exit_with
from ansible.module_utils.tickbox.signoff import ITEMS, SIGNOFF_SPEC, judge_signoffs, run_files, run_in, terms_of


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SIGNOFF_SPEC,
            "items": {"type": "list", "elements": "str", "choices": ITEMS, "default": ITEMS},
            "directory": {"type": "path", "required": True},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    directory = Path(module.params["directory"])

    @cache
    def seen() -> dict[str, Verdict]:
        ask = f"-e signoff_run={directory.name}"
        found: dict[str, Verdict] = judge_signoffs(
            run_files(directory), run_in(directory), terms_of(module.params), datetime.now(UTC), ask
        )
        return found

    wanted = dict.fromkeys(module.params["items"])
    exit_with(module, [examine(item, lambda item=item: seen()[item.removeprefix("signoff.")]) for item in wanted])


if __name__ == "__main__":
    main()

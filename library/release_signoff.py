#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: who has signed a staged release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_signoff
short_description: Who has signed a staged release, and whose sign-off it lacks
description:
  - The sign-off of a role lies at C(<path>/<release>/signoff.<role>.json), its signature beside it as C(.sig), as M(sign_off)
    leaves them. It counts for this application, environment, commit and release, on the terms of M(check_signoff).
  - Ticks nothing; a release is held by whoever asks. Runs on the controller.
extends_documentation_fragment: [signoff]
options:
  release:
    description: Id of the release.
    type: str
    required: true
  commit:
    description: Full hash of its commit.
    type: str
    required: true
  roles:
    description: The roles that have to have signed.
    type: list
    elements: str
    choices: [project_manager, lead_developer, qa_lead, devops_engineer, security_officer]
    required: true
  path:
    description: Folder of the sign-offs.
    type: path
    required: true
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: See who has signed the staged release
  release_signoff:
    release: v2.1.0-1a2b3c4d
    commit: "{{ release_commit }}"
    roles: [qa_lead]
    path: /srv/attestations/shop
    application: shop
    environment: production
    allowed_signers: /etc/tickbox/attestors
    signatories: {qa_lead: [quentin@example.com]}
    repository: .tickbox/build/shop/repository.git
  delegate_to: localhost
"""

RETURN = r"""
signed:
  description: By role, who has signed.
  returned: always
  type: dict
missing:
  description: By role, why its sign-off does not count.
  returned: always
  type: dict
  sample: {qa_lead: "nobody has signed it yet: playbooks/signoff.yml -e signoff_role=qa_lead -e signoff_release=v2.1.0-1a2b3c4d"}
"""

from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.signoff import ROLES, SIGNOFF_SPEC, Subject, judge_signoffs, missing, release_files, terms_of


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SIGNOFF_SPEC,
            "release": {"type": "str", "required": True},
            "commit": {"type": "str", "required": True},
            "roles": {"type": "list", "elements": "str", "choices": list(ROLES), "required": True},
            "path": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    subject = Subject(given["commit"], {"release": given["release"]})
    ask = f"-e signoff_release={given['release']}"
    files = release_files(Path(given["path"]), given["release"])
    seen = judge_signoffs(files, lambda: subject, terms_of(given), datetime.now(UTC), ask)
    lacking = missing(seen, given["roles"])
    signed = {role: seen[role].summary for role in given["roles"] if role not in lacking}
    module.exit_json(changed=False, signed=signed, missing=lacking)


if __name__ == "__main__":
    main()

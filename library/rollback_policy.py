#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what becomes of the database on the way back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_policy
short_description: Decide whether the database is kept, downgraded or restored on the way back
description:
  - O(asked=auto) takes the first of keep, downgrade and restore that nothing speaks against. Another policy is taken or refused.
  - Runs on the controller and changes nothing.
options:
  asked:
    description: The policy that is asked for.
    type: str
    choices: [auto, keep, downgrade, restore]
    default: auto
  against:
    description: What speaks against each policy that was looked at, empty where it is possible. One that is not named is not
      possible.
    type: dict
    required: true
  seen:
    description: What was seen of each policy that is possible.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Decide what becomes of the database
  rollback_policy:
    against:
      keep: app_migrations_compatible does not name 3f1c
      downgrade: ""
    seen:
      downgrade: tried on a copy of the database
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
policy:
  description: keep, downgrade or restore.
  returned: success
  type: str
text:
  description: The policy, and why those before it in the order were not chosen.
  returned: success
  type: str
  sample: "downgrade: tried on a copy of the database; not keep: app_migrations_compatible does not name 3f1c"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.policy import AUTO, ORDER, NoPolicy, decide


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "asked": {"type": "str", "choices": [AUTO, *ORDER], "default": AUTO},
            "against": {"type": "dict", "required": True},
            "seen": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    against, seen = ({policy: " ".join(str(text).split()) for policy, text in given[name].items()} for name in ("against", "seen"))
    try:
        decision = decide(given["asked"], against, seen)
    except NoPolicy as reason:
        module.fail_json(msg=str(reason))
    module.exit_json(changed=False, policy=decision.policy, text=decision.text)


if __name__ == "__main__":
    main()

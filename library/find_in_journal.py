#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: which texts units have logged."""

from __future__ import annotations

DOCUMENTATION = r"""
module: find_in_journal
short_description: Which of several texts the journal of some units holds
description:
  - Has the journal write what it still holds in memory and looks for O(texts), again until all are found or O(timeout) is over.
  - Runs on the host of the units, as root. Changes nothing.
options:
  units:
    description: Units whose entries are read.
    type: list
    elements: str
    required: true
  texts:
    description: Texts to find.
    type: list
    elements: str
    required: true
  since:
    description: Read no entries older than this many seconds.
    type: int
    default: 300
  timeout:
    description: Seconds that an entry may take to appear.
    type: float
    default: 2
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Find the requests in the application's log
  find_in_journal:
    units: [shop-web@v2.service]
    texts: "{{ smoke.request_ids }}"
  register: logged
"""

RETURN = r"""
found:
  description: Those of O(texts) that are there.
  returned: always
  type: list
  elements: str
entries:
  description: How many lines were read.
  returned: always
  type: int
"""

import time

from ansible.module_utils.basic import AnsibleModule


def journal(module: AnsibleModule) -> str:
    module.run_command(["journalctl", "--sync"], check_rc=True)
    since = f"--since=-{module.params['since']}s"
    units = [f"--unit={unit}" for unit in module.params["units"]]
    _rc, out, _err = module.run_command(
        ["journalctl", "--quiet", "--no-pager", "--all", "--output=cat", since, *units], check_rc=True
    )
    return str(out)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "str", "required": True},
            "texts": {"type": "list", "elements": "str", "required": True},
            "since": {"type": "int", "default": 300},
            "timeout": {"type": "float", "default": 2},
        },
        supports_check_mode=True,
    )
    if not module.params["units"]:
        module.fail_json(msg="units: none was named, so the whole journal would be read")
    texts = module.params["texts"]
    end = time.monotonic() + module.params["timeout"]
    while True:
        log = journal(module)
        found = [text for text in texts if text in log]
        if len(found) == len(texts) or time.monotonic() > end:
            module.exit_json(changed=False, found=found, entries=len(log.splitlines()))
        time.sleep(0.2)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: what is going on with an application, in words."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_status
short_description: Say what is going on with an application
description:
  - Puts into words what other modules found on the hosts, and names the commands that make the hosts whole where a run was cut off.
    Adds what the records of runs, the waivers and the sign-offs on the controller say of it.
  - Runs on the controller, and changes nothing.
extends_documentation_fragment: [signoff]
options:
  hosts:
    description:
      - By host, C(lock), what M(deploy_lock) found; on hosts of the application C(releases), what M(release_info) returned; on web
        hosts C(maintenance), who set maintenance mode.
    type: dict
    required: true
  recovery:
    description: What M(plan_recovery) decided. Empty where no run was cut off in the middle.
    type: dict
    default: {}
  reports:
    description: Folder that holds the records of runs, where this controller has any.
    type: path
    required: true
  waivers:
    description: The waivers of the inventory, as M(run_record) takes them.
    type: list
    elements: dict
    default: []
  inventory_option:
    description: What the commands that are told to type need behind the playbook, as C( -i inventory/production).
    type: str
    default: ""
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Say what is going on
  run_status:
    hosts:
      app1: {lock: "{{ lock }}", releases: "{{ release_info }}", maintenance: [operator]}
    reports: reports
    application: shop
    environment: production
    allowed_signers: /etc/tickbox/attestors
    signatories: {qa_lead: [quentin@example.com]}
    repository: .tickbox/build/shop/repository.git
  delegate_to: localhost
"""

RETURN = r"""
status:
  description: What is going on, by the keys that docs/status.md describes.
  returned: always
  type: dict
lines:
  description: What is going on, a line each.
  returned: always
  type: list
  elements: str
  sample: ["app1 serves v1.0.0-1a2b3c4d; releases: v1.0.0-1a2b3c4d verified", no run under way]
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import history, runs
from ansible.module_utils.tickbox.assertion import Verdict
from ansible.module_utils.tickbox.overview import live_run, overview, overview_lines
from ansible.module_utils.tickbox.signoff import SIGNOFF_SPEC, judge_signoffs, run_files, run_in, terms_of
from ansible.module_utils.tickbox.waivers import BadWaiver
from ansible.module_utils.tickbox.waivers import read as read_waivers


def open_incidents(reports: Path) -> list[dict[str, Any]]:
    """The incidents of the runs recorded here whose cause or fix nobody has named, the newest first."""
    found = []
    for summary in runs.summaries(reports):
        try:
            incident = json.loads((reports / str(summary["run_id"]) / "incident.json").read_text())
        except (OSError, ValueError):
            continue
        if incident.get("cause") is None or incident.get("fix") is None:
            found.append(incident)
    return found


def signatures(given: dict[str, Any]) -> dict[str, Verdict] | None:
    """The sign-offs of the run that deployed what serves; None where its record is not here."""
    run = live_run(given["hosts"])
    directory = Path(given["reports"]) / run
    if not run or not directory.is_dir():
        return None
    seen: dict[str, Verdict] = judge_signoffs(run_files(directory), run_in(directory), terms_of(given), datetime.now(UTC))
    return seen


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SIGNOFF_SPEC,
            "hosts": {"type": "dict", "required": True},
            "recovery": {"type": "dict", "default": {}},
            "reports": {"type": "path", "required": True},
            "waivers": {"type": "list", "elements": "dict", "default": []},
            "inventory_option": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    given = module.params
    reports = Path(given["reports"])
    remembered = [host["lock"].get("history", []) for host in given["hosts"].values()]
    try:
        seen = overview(
            given["hosts"],
            given["recovery"],
            history.merged(remembered, runs.summaries(reports)),
            open_incidents(reports),
            read_waivers(given["waivers"]),
            signatures(given),
            datetime.now(UTC),
            given["inventory_option"],
        )
    except BadWaiver as reason:
        module.fail_json(msg=str(reason))
    status = {"application": given["application"], "environment": given["environment"], **seen}
    module.exit_json(changed=False, lines=overview_lines(seen, given["inventory_option"]), status=status)


if __name__ == "__main__":
    main()

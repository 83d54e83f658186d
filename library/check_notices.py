#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: whether people were told."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_notices
short_description: Whether everybody was told of a run
description:
  - With O(run), each receiver accepted the notice of this run, as M(send_notices) says with what its server answered, after the run
    began and, for C(deploy.maintenance.notify), before its maintenance did, as the record says. Where a receiver has C(kept_url),
    the notice is looked for there by its id.
  - Without O(run) it sees only that there are receivers and that Apprise can use each address; the item then appears only where it
    failed. Nothing is sent.
  - Runs on the controller and changes nothing.
extends_documentation_fragment: [look]
options:
  item:
    description: Item of the checklist to answer for.
    type: str
    required: true
    choices: [deploy.maintenance.notify, rollback.close.notify]
  receivers:
    description: Who had to be told.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the receiver, for people.
        type: str
        required: true
      url:
        description: Address as Apprise writes it.
        type: str
        required: true
      kept_url:
        description: Where the receiver shows what it has got, over HTTP, such as C(https://reader:password@status.example.com/latest).
        type: str
  notice:
    description: What M(send_notices) returned as C(notice); empty where nothing was sent.
    type: dict
    default: {}
  run:
    description: Id of the run.
    type: str
  kind:
    description: What was told.
    type: str
    choices: [planned, live, failed, rolled_back]
    default: planned
  directory:
    description: Folder of the run. Needed with O(run).
    type: path
  seconds:
    description: How long to look at a receiver before the notice counts as lost.
    type: float
    default: 10
  ca_path:
    description: Certificates that those of receivers are checked against, instead of the machine's.
    type: path
requirements: [apprise and httpx on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Everybody knows of the maintenance
  check_notices:
    item: deploy.maintenance.notify
    receivers: "{{ notify_receivers }}"
    notice: "{{ sent.notice }}"
    run: 20260102t030405z_9f1c
    directory: reports/20260102t030405z_9f1c
  delegate_to: localhost
"""

RETURN = r"""
assertions:
  description: The one for O(item), with item, status (passed, failed or unverifiable), summary, expected, observed, evidence,
    started and ended. None without O(run) where nothing is wrong.
  returned: always
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with, verdict
from ansible.module_utils.tickbox.delivery import APPRISE, is_there, trust, unreadable
from ansible.module_utils.tickbox.notices import judge_notice, notice_id, times, wrong_names
from ansible.module_utils.tickbox.record import BrokenRecord, read

BEFORE = "deploy.maintenance.notify"  # is told before maintenance
AFTER = "rollback.close.notify"


def could_be_told(params: dict[str, Any]) -> Verdict:
    problems = wrong_names([one["name"] for one in params["receivers"]]) + unreadable(params["receivers"])
    return verdict(problems, "each receiver's address can be used")


def were_told(params: dict[str, Any]) -> Verdict:
    expected = notice_id(params["run"], params["kind"])
    names = [one["name"] for one in params["receivers"]]
    accepted = {one["name"] for one in params["notice"].get("receivers", []) if one["accepted"]}
    try:
        run = times(read(Path(params["directory"])))
    except BrokenRecord as error:
        raise CouldNotLook(str(error)) from None
    there: dict[str, bool] = {}
    unseen = []
    for one in params["receivers"]:
        if one["kept_url"] and one["name"] in accepted:
            try:
                there[one["name"]] = is_there(one["kept_url"], expected, params["seconds"])
            except CouldNotLook as reason:
                unseen.append(f"{one['name']} accepted it, and cannot be looked at: {reason}")
    return judge_notice(params["notice"], expected, names, run, there, unseen, before_maintenance=params["item"] == BEFORE)


def main() -> None:
    receiver = {
        "name": {"type": "str", "required": True},
        "url": {"type": "str", "required": True, "no_log": True},
        "kept_url": {"type": "str", "no_log": True},
    }
    module = AnsibleModule(
        argument_spec={
            "item": {"type": "str", "required": True, "choices": [BEFORE, AFTER]},
            "receivers": {"type": "list", "elements": "dict", "default": [], "options": receiver},
            "notice": {"type": "dict", "default": {}},
            "run": {"type": "str"},
            "kind": {"type": "str", "choices": ["planned", "live", "failed", "rolled_back"], "default": "planned"},
            "directory": {"type": "path"},
            "seconds": {"type": "float", "default": 10},
            "ca_path": {"type": "path"},
            "report_only": {"type": "bool", "default": False},
        },
        required_together=[("run", "directory")],
        supports_check_mode=True,
    )
    params = module.params
    if not APPRISE:
        module.fail_json(msg=missing_required_lib("apprise"))
    trust(params["ca_path"])
    if params["run"] is None:
        seen = examine(params["item"], lambda: could_be_told(params))
        # That somebody could be told ticks nothing.
        exit_with(module, [seen] if seen["status"] != "passed" else [])
    exit_with(module, [examine(params["item"], lambda: were_told(params))])


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the gate at the end of a phase."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_gate
short_description: Hold a phase until each of its statements has a result
description:
  - Reads the run record and fails when an item of the phase that has a module in the checklist was not looked at, or has a result
    that holds it, or when a host could not be reached. C(passed), C(attested), C(waived) and C(not_applicable) let it through; all
    others hold.
  - Reports an item that no module looks at yet as C(unverifiable), "no verifier yet". Such an item does not stop the run.
  - Runs on the controller, changes nothing, and has nothing to judge in check mode.
options:
  directory:
    description: Folder of the run, as M(run_record) returned it.
    type: path
    required: true
  checklist:
    description: The checklist, C(checklist.yml) as a list of items.
    type: list
    elements: dict
    required: true
  phases:
    description: Phases of the checklist to judge; C(pre) stands for C(pre.quality), C(pre.docs) and so on. An item with C(held_in)
      is judged with that phase instead of its own.
    type: list
    elements: str
    required: true
  not_applicable:
    description: Items that this run cannot look at, each with the reason. They are reported as C(not_applicable) and hold nothing,
      unless something looked at them all the same.
    type: dict
    default: {}
  later:
    description: Items that are looked at later, and held by another gate.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Hold the phase until each of its statements has a result
  run_gate:
    directory: reports/latest
    checklist: "{{ (lookup('file', 'checklist.yml') | from_yaml)['items'] }}"
    phases: [deploy.backup]
  delegate_to: localhost
"""

RETURN = r"""
assertions:
  description: One for each item of the phase that no module looks at yet, or that is not applicable.
  returned: always
  type: list
  elements: dict
"""

from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import HOLDS_NOTHING, NOT_APPLICABLE, UNVERIFIABLE, Verdict, examine
from ansible.module_utils.tickbox.record import BrokenRecord, item_results, read


def in_phases(item: dict[str, Any], phases: list[str]) -> bool:
    held_in = item.get("held_in", item["phase"])
    return any(held_in == phase or held_in.startswith(phase + ".") for phase in phases)


def problems(items: list[dict[str, Any]], results: dict[str, dict[str, Any]]) -> list[str]:
    """A sentence for each item that has a module and was not looked at, or has a status that holds it."""
    found = []
    for item in items:
        if "module" not in item:
            continue
        seen = results.get(item["id"])
        if seen is None:
            found.append(f"{item['id']}: {item['module']} did not look at it")
        elif seen["status"] not in HOLDS_NOTHING:
            found.append(f"{item['id']}: {seen['status']}, {seen['summary']}")
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "checklist": {"type": "list", "elements": "dict", "required": True},
            "phases": {"type": "list", "elements": "str", "required": True},
            "not_applicable": {"type": "dict", "default": {}},
            "later": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    items = [item for item in module.params["checklist"] if in_phases(item, module.params["phases"])]
    if not items:
        module.fail_json(msg=f"The checklist has no item in {', '.join(module.params['phases'])}")
    if module.check_mode:
        module.exit_json(changed=False, assertions=[])
    try:
        events = read(Path(module.params["directory"]))
    except (OSError, BrokenRecord) as error:
        module.fail_json(msg=f"The run record cannot be read: {error}")
    results = item_results(events)
    items = [item for item in items if item["id"] not in module.params["later"]]
    reasons = {
        item: reason
        for item, reason in module.params["not_applicable"].items()
        if item not in results or results[item]["status"] == NOT_APPLICABLE
    }
    excused = [
        examine(item["id"], partial(Verdict, NOT_APPLICABLE, reasons[item["id"]])) for item in items if item["id"] in reasons
    ]
    items = [item for item in items if item["id"] not in reasons]
    unseen = [examine(item["id"], lambda: Verdict(UNVERIFIABLE, "no verifier yet")) for item in items if "module" not in item]
    # What others showed says nothing of a host that was not there.
    absent = sorted({event["host"] for event in events if event["event"] == "unreachable"})
    open_items = problems(items, results) + [f"{host} could not be reached" for host in absent]
    if open_items:
        module.fail_json(msg="The gate holds: " + "; ".join(open_items), assertions=unseen + excused)
    module.exit_json(changed=False, assertions=unseen + excused)


if __name__ == "__main__":
    main()

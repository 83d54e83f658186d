#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the record of one run of Tickbox."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_record
short_description: Open and close the record of a run
description:
  - O(state=opened) gives the run its id and its folder under O(reports), unless a waiver is wrong. From then on the
    C(tickbox_record) callback appends to C(results.jsonl) what modules saw.
  - O(state=closed) appends the facts of the end, writes C(summary.json) from what was appended, with the digest of its last line,
    and points C(latest) at the run. A signature that nobody has given is C(pending) there. M(run_report) makes the documents of it.
  - O(state=resumed) goes on with the record of a run that has ended, for what is only known later; O(state=closed) then writes what
    was added into its summary, and leaves the rest of it as it was.
  - Runs on the controller. In check mode nothing is written and the run has no folder.
  - Keeping the record is never reported as a change.
options:
  state:
    description: What to do.
    type: str
    choices: [opened, resumed, closed]
    required: true
  reports:
    description: Folder that holds the records of all runs. Needed for O(state=opened).
    type: path
  directory:
    description: Folder of the run, as it was returned when it was opened. Needed for O(state=resumed) and O(state=closed).
    type: path
  checklist:
    description: The checklist, C(checklist.yml) as a list of items. Needed for O(state=opened) and O(state=closed).
    type: list
    elements: dict
  waivers:
    description:
      - With O(state=opened), the waivers of this run, which are held against the checklist.
      - A list of C(item), C(reason), C(approver) and C(expires), the last day on which it holds (C(YYYY-MM-DD), UTC).
    type: list
    elements: dict
    default: []
  facts:
    description:
      - What the run is about, kept with it.
      - With O(state=opened) C(kind), C(app), C(title), C(environment); with O(state=closed) C(from_release), C(to_release),
        C(commit), C(outcome), C(window_seconds) and whatever else the summary should hold. C(samples) are kept in the record alone.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Open the run record
  run_record:
    state: opened
    reports: reports
    checklist: "{{ (lookup('file', 'checklist.yml') | from_yaml)['items'] }}"
    facts: {kind: deploy, app: shop, environment: production}
  register: opened

- name: Close the run record
  run_record:
    state: closed
    directory: "{{ opened.tickbox_run.directory }}"
    checklist: "{{ (lookup('file', 'checklist.yml') | from_yaml)['items'] }}"
    facts: {outcome: deployed, to_release: v1.0.0-1a2b3c4d}
"""

RETURN = r"""
tickbox_run:
  description: The opened run.
  returned: O(state=opened) and O(state=resumed)
  type: dict
  sample: {id: 20260102t030405z_9f1c, directory: reports/20260102t030405z_9f1c, started: 1767323045.1}
summary:
  description: What C(summary.json) holds.
  returned: O(state=closed)
  type: dict
sentences:
  description: How the run ended, for people.
  returned: O(state=closed)
  type: list
  elements: str
"""

import getpass
import json
import secrets
import socket
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.record import CLOSED, SUMMARY, BrokenRecord, Writer, end_of, read
from ansible.module_utils.tickbox.summary import sentences, summarise, title
from ansible.module_utils.tickbox.waivers import BadWaiver, hold_against


def open_run(module: AnsibleModule) -> dict[str, Any]:
    hold_against(module.params["waivers"], module.params["checklist"])
    run_id = time.strftime("%Y%m%dt%H%M%Sz", time.gmtime()) + "_" + secrets.token_hex(2)
    run = {
        "id": run_id,
        "directory": "",
        "started": time.time(),
        "who": f"{getpass.getuser()}@{socket.gethostname()}",
        **module.params["facts"],
    }
    if not module.check_mode:
        directory = Path(module.params["reports"]).absolute() / run_id
        directory.mkdir(parents=True, mode=0o750)
        run["directory"] = str(directory)
    return run


def resume_run(module: AnsibleModule) -> dict[str, Any]:
    directory = Path(module.params["directory"]).absolute()
    if not (directory / SUMMARY).exists():
        raise BrokenRecord(f"{directory} holds no run that has ended")
    opened = next(event for event in read(directory) if event["event"] == "opened")
    kept = {name: opened[name] for name in ("id", "kind", "app", "title", "environment", "started") if name in opened}
    return {**kept, "directory": str(directory), "who": f"{getpass.getuser()}@{socket.gethostname()}", "resumed": time.time()}


def close_run(module: AnsibleModule) -> dict[str, Any]:
    directory = Path(module.params["directory"])
    read(directory)
    Writer(directory).append({"event": CLOSED, "time": time.time(), "facts": module.params["facts"]})
    summary: dict[str, Any] = summarise(read(directory), module.params["checklist"]) | end_of(directory)
    (directory / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")
    if "amended" not in summary:
        point_latest_at(directory)
    return summary


def point_latest_at(directory: Path) -> None:
    link = directory.parent / f".latest.{directory.name}"
    link.symlink_to(directory.name)
    link.rename(directory.parent / "latest")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["opened", "resumed", "closed"], "required": True},
            "reports": {"type": "path"},
            "directory": {"type": "path"},
            "checklist": {"type": "list", "elements": "dict"},
            "waivers": {"type": "list", "elements": "dict", "default": []},
            "facts": {"type": "dict", "default": {}},
        },
        required_if=[
            ("state", "opened", ["reports", "checklist"]),
            ("state", "resumed", ["directory"]),
            ("state", "closed", ["directory", "checklist"]),
        ],
        supports_check_mode=True,
    )
    try:
        if module.params["state"] == "opened":
            module.exit_json(changed=False, tickbox_run=open_run(module))
        if module.params["state"] == "resumed":
            module.exit_json(changed=False, tickbox_run=resume_run(module))
        if module.check_mode:
            module.exit_json(changed=False, summary={}, sentences=[])
        summary = close_run(module)
        module.exit_json(changed=False, summary=summary, sentences=[title(summary), *sentences(summary)])
    except BadWaiver as reason:
        module.fail_json(msg=str(reason))
    except (OSError, BrokenRecord) as error:
        module.fail_json(msg=f"The run record could not be kept: {error}")


if __name__ == "__main__":
    main()

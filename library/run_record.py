#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the record of one run of Tickbox."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_record
short_description: Open and close the record of a run
description:
  - O(state=opened) gives the run its id and its folder under O(reports), unless a waiver is wrong. From then on the C(tickbox)
    callback appends to C(results.jsonl) what modules saw.
  - O(state=closed) appends the end of the run, and writes C(summary.json), C(checklist.md) and C(junit.xml) from what was appended.
    It points C(latest) at the run. A signature that nobody has given is C(pending) there.
  - C(record_digest) of the summary is the digest of the line that ends the run. It is what people sign, and what is added later
    does not change it.
  - O(state=resumed) goes on with the record of a run that has ended, for what is only known later; O(state=closed) then writes what
    was added into its files, and leaves the rest of them as it was.
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
      - With O(state=opened) C(kind), C(app), C(environment); with O(state=closed) C(from_release), C(to_release),
        C(commit), C(outcome), C(window_seconds) and whatever else the summary should hold.
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
"""

import getpass
import json
import secrets
import socket
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox.assertion import PENDING
from ansible.module_utils.tickbox.junit import report
from ansible.module_utils.tickbox.record import (
    CLOSED,
    SUMMARY,
    BrokenRecord,
    Writer,
    counted,
    ended,
    item_results,
    phase_seconds,
    read,
)
from ansible.module_utils.tickbox.waivers import BadWaiver, hold_against

MARKS = {"passed": "x", "attested": "x", "failed": "!", "unverifiable": "?", "waived": "-", "not_applicable": "-"}


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
    kept = {name: opened[name] for name in ("id", "kind", "app", "environment", "started")}
    return {**kept, "directory": str(directory), "who": f"{getpass.getuser()}@{socket.gethostname()}", "resumed": time.time()}


def checklist_text(summary: dict[str, Any], checklist: list[dict[str, Any]]) -> str:
    """The checklist as Markdown, a line an item, with what was seen."""
    lines = [f"# {summary['kind']} of {summary['app']} to {summary['environment']}: {summary['outcome']}", ""]
    results = {item["id"]: item for item in summary["items"]}
    phase = None
    for item in checklist:
        if item["phase"] != phase:
            phase = item["phase"]
            lines += ["", f"## {phase}", ""]
        seen = results.get(item["id"])
        mark = MARKS.get(seen["status"], " ") if seen else " "
        note = f" - {seen['status']}, {seen['seconds']} s: {seen['summary']}" if seen else ""
        lines.append(f"- [{mark}] {item['text']} (`{item['id']}`){note}")
    return "\n".join(lines) + "\n"


def close_run(module: AnsibleModule) -> dict[str, Any]:
    directory = Path(module.params["directory"])
    path = directory / SUMMARY
    now = time.time()
    if not any(event.get("event") == CLOSED for event in read(directory)):
        Writer(directory).append({"event": CLOSED, "time": now, "facts": module.params["facts"]})
    end = ended(directory)
    events = read(directory)
    opened = end.opened
    unsigned = {"status": PENDING, "summary": "nobody has signed it yet", "hosts": [], "seconds": 0.0}
    signatures = [item["id"] for item in module.params["checklist"] if item["phase"] == "signoff"]
    results = {item: {"id": item, **unsigned} for item in signatures} | item_results(counted(events, end))
    items = [results[item["id"]] for item in module.params["checklist"] if item["id"] in results]
    summary = {
        "run_id": opened["id"],
        "kind": opened["kind"],
        "app": opened["app"],
        "environment": opened["environment"],
        "who": opened["who"],
        "started": opened["started"],
        "ended": now,
        "seconds": round(now - opened["started"], 1),
        **module.params["facts"],
        "record_digest": end.digest,
        "phases": phase_seconds(events, now),
        "failures": [
            {key: event[key] for key in ("event", "host", "task", "message")}
            for event in events
            if event["event"] in ("failure", "unreachable")
        ],
        "counts": dict(Counter(item["status"] for item in items)),
        "items": items,
    }
    if path.exists():
        added = {"amended": now, "counts": summary["counts"], "items": items, "record_digest": end.digest}
        # How the run ended is what its chain says, whatever became of the file.
        summary = {**summary, **json.loads(path.read_text()), **end.facts, **added}
    path.write_text(json.dumps(summary, indent=2) + "\n")
    (directory / "checklist.md").write_text(checklist_text(summary, module.params["checklist"]), errors="backslashreplace")
    (directory / "junit.xml").write_text(report(summary, module.params["checklist"]))
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
            module.exit_json(changed=False, summary={})
        module.exit_json(changed=False, summary=close_run(module))
    except BadWaiver as reason:
        module.fail_json(msg=str(reason))
    except (OSError, BrokenRecord) as error:
        module.fail_json(msg=f"The run record could not be kept: {error}")


if __name__ == "__main__":
    main()

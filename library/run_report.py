#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the documents of a run, made from its record."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_report
short_description: Verify the record of a run and make its documents
description:
  - Follows the chain of digests in C(results.jsonl) and holds C(summary.json) against it. Where a line was changed or is missing,
    or the summary does not follow from the record, it fails, names the place and writes nothing.
  - Writes C(checklist.md), the checklist in its own words with its boxes; C(junit.xml), for CI services; and C(report.html), one
    page that needs nothing else, which also compares the run with the one before it.
  - A run that was cut off has no summary. Its documents are made from what it left.
  - Runs on the controller. In check mode it only verifies. Making the documents is never reported as a change.
options:
  directory:
    description: Folder of the run.
    type: path
    required: true
  checklist:
    description: The items of C(checklist.yml).
    type: list
    elements: dict
    required: true
  document:
    description: The headings under which they stand, C(document) in C(checklist.yml).
    type: dict
    required: true
  templates:
    description: Folder with the page's template.
    type: path
    required: true
requirements: [Jinja2 on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Make the documents of the last run
  run_report:
    directory: reports/latest
    checklist: "{{ (lookup('file', 'checklist.yml') | from_yaml)['items'] }}"
    document: "{{ (lookup('file', 'checklist.yml') | from_yaml).document }}"
    templates: roles/run/templates
"""

RETURN = r"""
lines:
  description: How many lines the record has, each of which follows from the one before.
  returned: success
  type: int
outcome:
  description: How the run ended; C(interrupted) where it was cut off, or goes on still.
  returned: success
  type: str
report:
  description: Path of the page.
  returned: success
  type: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox.checklist import laid_out, markdown
from ansible.module_utils.tickbox.comparison import run_before
from ansible.module_utils.tickbox.junit import report
from ansible.module_utils.tickbox.record import BrokenRecord
from ansible.module_utils.tickbox.report import JINJA2, CannotRender, contents, render
from ansible.module_utils.tickbox.summary import verified


def write(path: Path, text: str) -> None:
    path.write_text(text, errors="backslashreplace")


def make(given: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Verify, then write the documents; the page last, as most can go wrong with it."""
    directory, checklist = Path(given["directory"]).resolve(), given["checklist"]
    summary, events = verified(directory, checklist)
    if not check_mode:
        page = laid_out(given["document"], checklist, summary, events)
        write(directory / "checklist.md", markdown(page, summary))
        write(directory / "junit.xml", report(summary, checklist))
        shown = contents(page, summary, events, checklist, run_before(summary, directory.parent))
        write(directory / "report.html", render(shown, Path(given["templates"])))
    return {"lines": len(events), "outcome": summary["outcome"], "report": str(directory / "report.html")}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "checklist": {"type": "list", "elements": "dict", "required": True},
            "document": {"type": "dict", "required": True},
            "templates": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    if not JINJA2:
        module.fail_json(msg=missing_required_lib("Jinja2"))
    try:
        module.exit_json(changed=False, **make(module.params, module.check_mode))
    except BrokenRecord as reason:
        module.fail_json(msg=f"The record does not hold: {reason}")
    except (OSError, CannotRender) as error:
        module.fail_json(msg=f"The report cannot be made: {error}")


if __name__ == "__main__":
    main()

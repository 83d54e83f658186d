#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the incident of a rollback."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_incident
short_description: Whether severity, decision and cause of a rollback are known and written down
description:
  - Looks at the incident that M(assess_incident) wrote into the folder of a run, and M(explain_incident) added to. Changes nothing.
  - C(rollback.assess.severity) is ticked when its level follows from the probes and alerts that are recorded with it, and they were
    of the moment. Without a probe it is C(failed); where the alerts could not be asked it is C(unverifiable).
  - C(rollback.assess.decision) is ticked when an operator with a reason, or a failure that the run's record knows, is named, and
    was before the first change.
  - C(rollback.assess.document) is ticked when the incident fits O(schema), is of this run, and names a line of its record that is
    still there.
  - C(rollback.close.root_cause) is ticked when the incident names the cause and its commit, and somebody in O(signers) has signed
    both for this run and has not written the commit. It is C(pending) as long as nobody has named a cause.
  - Runs on the controller.
extends_documentation_fragment: [look]
options:
  items:
    description: The items to answer for.
    type: list
    elements: str
    required: true
    choices: [rollback.assess.severity, rollback.assess.decision, rollback.assess.document, rollback.close.root_cause]
  directory:
    description: Folder of the run.
    type: path
    required: true
  schema:
    description: The schema of an incident. Needed for C(rollback.assess.document).
    type: path
  repository:
    description: The bare copy of the repository, as M(build_artifact) keeps it. Needed for a cause that is named.
    type: path
  allowed_signers:
    description: Keys that may sign. No commit of the deployed repository may hold it.
    type: path
  signers:
    description: Principals of O(allowed_signers) that may sign the cause.
    type: list
    elements: str
    default: []
  days:
    description: How long ago it may have been signed.
    type: float
    default: 90
requirements: [jsonschema on the controller]
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: The issue was assessed
  check_incident:
    items: [rollback.assess.severity, rollback.assess.decision, rollback.assess.document]
    directory: reports/20260103t101112z_77aa
    schema: schemas/incident.schema.json
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
assertions:
  description: One for each of O(items), with item, status (passed, failed, unverifiable or pending), summary, expected, observed,
    evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import json
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox import incident, record
from ansible.module_utils.tickbox.assertion import FAILED, PENDING, CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.attestation import Wanted, judge_cause
from ansible.module_utils.tickbox.repository import History

CAUSE = "rollback.close.root_cause"
ITEMS = ["rollback.assess.severity", "rollback.assess.decision", "rollback.assess.document", CAUSE]
NEEDED = {"rollback.assess.document": ("schema",)}


class Look:
    """What each item needs to see."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.directory = Path(params["directory"])

    @cached_property
    def incident(self) -> dict[str, Any]:
        found: dict[str, Any] = incident.read(self.directory)
        return found

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = record.read(self.directory)
        except record.BrokenRecord as reason:
            raise CouldNotLook(f"the run's record is broken: {reason}") from None
        return found

    def severity(self) -> Verdict:
        return incident.judge_severity(self.incident)

    def decision(self) -> Verdict:
        return incident.judge_decision(self.incident, self.events)

    def document(self) -> Verdict:
        schema = json.loads(Path(self.params["schema"]).read_text())
        lines = (self.directory / record.RESULTS).read_text().splitlines()
        return incident.judge_document(self.incident, schema, self.events, lines)

    def root_cause(self) -> Verdict:
        found = self.incident
        cause = found["cause"]
        if cause is None:
            return Verdict(PENDING, f"nobody has named the cause yet: playbooks/incident.yml -e incident_run={found['run']}")
        lacking = [name for name in ("repository", "allowed_signers") if not self.params[name]]
        if lacking:
            raise CouldNotLook(f"not given: {', '.join(lacking)}")
        history = History(Path(self.params["repository"]))
        wanted = Wanted(
            item=CAUSE,
            application=found["application"],
            environment=found["environment"],
            commit=found["commit"],
            role="signer of incidents",
            signers=self.params["signers"],
            authors=set().union(*(entry.people for entry in history.commits(found["commit"], ""))),
        )
        if not history.contains(found["commit"], cause["commit"]):
            return Verdict(
                FAILED, f"the cause is said to be commit {cause['commit'][:12]}, which is no part of what was taken back"
            )
        longest = timedelta(days=self.params["days"])
        file = self.directory / f"{CAUSE}.json"
        allowed = Path(self.params["allowed_signers"])
        digest = incident.sha256((self.directory / incident.FILE).read_text())
        return judge_cause(file, wanted, allowed, found["run"], datetime.now(UTC), longest, self.params["repository"], digest)


def whole(look: Any) -> Verdict:
    """The verdict of ``look``; an incident that lacks a field, or has it in another form, is not ticked."""
    try:
        seen: Verdict = look()
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        return Verdict(FAILED, f"the incident lacks something, or has it in another form: {type(error).__name__} {error}")
    return seen


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "items": {"type": "list", "elements": "str", "required": True, "choices": ITEMS},
            "directory": {"type": "path", "required": True},
            **{name: {"type": "path"} for name in ("schema", "repository", "allowed_signers")},
            "signers": {"type": "list", "elements": "str", "default": []},
            "days": {"type": "float", "default": 90},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not incident.JSONSCHEMA:
        module.fail_json(msg=missing_required_lib("jsonschema"))
    items = list(dict.fromkeys(module.params["items"]))
    for item in items:
        if lacking := [name for name in NEEDED.get(item, ()) if not module.params[name]]:
            module.fail_json(msg=f"{item} needs {', '.join(lacking)}")
    look = Look(module.params)
    exit_with(module, [examine(item, lambda item=item: whole(getattr(look, item.rpartition(".")[2]))) for item in items])


if __name__ == "__main__":
    main()

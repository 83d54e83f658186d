#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: the incident of a rollback, opened."""

from __future__ import annotations

DOCUMENTATION = r"""
module: assess_incident
short_description: See how bad it is, and write the incident down before a release is taken back
description:
  - Sends O(requests) to the site, through maintenance mode, and the first of them as a visitor without the token; asks Prometheus
    which alerts fire. Severity and impact follow from that alone.
  - Writes C(incident.json), in the form of C(schemas/incident.schema.json), and C(incident.md) into the folder of the run, with who
    decided and why. M(check_incident) judges them.
  - Without O(reason), what failed in the run's record is the rule by which the release is taken back.
  - Runs on the controller. Writing the record is never reported as a change.
extends_documentation_fragment: [site]
options:
  directory:
    description: Folder of the run, as M(run_record) returned it.
    type: path
    required: true
  reason:
    description: Why an operator takes the release back.
    type: str
    default: ""
  from_release:
    description: Release that is taken back.
    type: str
    required: true
  to_release:
    description: Release that is to serve again; empty where none did.
    type: str
    default: ""
  commit:
    description: Full hash of the commit that is taken back.
    type: str
    required: true
  policy:
    description: What becomes of the database.
    type: str
    choices: [keep, downgrade, restore]
    required: true
  why:
    description: Why that, and no other policy.
    type: str
    required: true
  restore_point:
    description: Restore point that the database goes back to. With O(policy=restore).
    type: str
    default: ""
  aside:
    description: Name under which the newer database is kept, unless the database stays as it is.
    type: str
    default: ""
  export:
    description: Where the rows that were written since go-live will be exported to; empty where there are none.
    type: str
    default: ""
  addresses:
    description: Where the site is asked, instead of the addresses of its name. Each address gets each request.
    type: list
    elements: str
    default: []
  requests:
    description: The requests, and what must come back, as M(smoke_requests) takes them.
    type: list
    elements: dict
    required: true
  rounds:
    description: How often each is sent; no more where all of one round failed, or it took long.
    type: int
    default: 3
  page:
    description: Text that only the maintenance page holds.
    type: str
    required: true
  bypass_header:
    description: Header in which the operator's token is sent.
    type: str
    default: X-Maintenance-Bypass
  bypass_token:
    description: The token that passes maintenance mode.
    type: str
  prometheus_url:
    description: Address of Prometheus, which is asked for the alerts that fire. Its certificate is checked like the site's.
    type: str
    default: ""
  prometheus_user:
    description: Who logs in to it; none where it is open.
    type: str
    default: ""
  prometheus_password:
    description: The password.
    type: str
    default: ""
requirements: [httpx on the controller]
attributes:
  check_mode:
    support: none
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Document the issue
  assess_incident:
    directory: reports/20260103t101112z_77aa
    reason: Orders fail since the upgrade
    from_release: v2.1.0-1a2b3c4d
    to_release: v2.0.0-5e6f7a8b
    commit: 9fceb02d0ae598e95dc970b74767f19372d61af8
    policy: keep
    why: no migration has run since
    url: https://shop.example.com
    requests:
      - {name: front page, path: /, contains: <div id="app">}
    page: We are updating this site
    bypass_token: "{{ maintenance_bypass_token }}"
    prometheus_url: https://monitoring.example.com:9090
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
incident:
  description: What C(incident.json) holds.
  returned: always
  type: dict
"""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.tickbox import incident, record
from ansible.module_utils.tickbox.answers import UNAVAILABLE
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.elsewhere import ask_prometheus
from ansible.module_utils.tickbox.site import HTTPX, SITE_SPEC, Site, together
from ansible.module_utils.tickbox.smoke import answer_problems

BECOMES = {"keep": "kept", "downgrade": "downgraded", "restore": "restored"}
ENOUGH = 10.0  # seconds of probing after which there is no further round
ID_HEADER = "X-Request-ID"


def probe(given: dict[str, Any]) -> list[dict[str, Any]]:
    """What the site answers; nothing where it has no address to ask."""
    bypass = {given["bypass_header"]: given["bypass_token"]} if given["bypass_token"] else {}
    try:
        site = Site(given["url"], given["addresses"], given["ca_path"])
    except CouldNotLook:
        return []

    def ask(what: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
        who, address, request = what
        sent = uuid.uuid4().hex
        method = str(request.get("method") or "GET").upper()
        headers = {**(request.get("headers") or {}), **(bypass if who == "operator" else {}), ID_HEADER: sent}
        asked, began = incident.now(), time.monotonic()
        answer = site.ask(address, request["path"], method, headers, request.get("body"))
        closed = answer.status == UNAVAILABLE and given["page"] in answer.text
        name = request.get("name") or f"{method} {request['path']}"
        return {
            "name": f"{name} at {address}" if len(site.addresses) > 1 else name,
            "as": who,
            "asked": asked,
            "status": answer.status,
            "seconds": round(time.monotonic() - began, 3),
            "problems": answer_problems(request, answer, sent, ID_HEADER),
            "maintenance": closed,
        }

    seen: list[dict[str, Any]] = together(ask, product(["visitor"], site.addresses, given["requests"][:1]))
    began = time.monotonic()
    for _ in range(given["rounds"]):
        one_round = together(ask, product(["operator"], site.addresses, given["requests"]))
        seen += one_round
        # A site that is down, or answers so slowly, need not be waited for again.
        if all(incident.failed(one) for one in one_round) or time.monotonic() - began > ENOUGH:
            break
    return seen


def alerts(given: dict[str, Any]) -> dict[str, Any]:
    """Which alerts fire, or why that could not be asked."""
    asked: dict[str, Any] = {"asked": incident.now(), "firing": [], "problem": ""}
    try:
        if not given["prometheus_url"]:
            raise CouldNotLook("no monitoring is named")
        login = (given["prometheus_user"], given["prometheus_password"])
        firing = incident.alerts_of(ask_prometheus(given["prometheus_url"], "/api/v1/alerts", *login, given["ca_path"]))
    except CouldNotLook as reason:
        return {**asked, "problem": str(reason)}
    return {**asked, "firing": firing}


def assess(given: dict[str, Any]) -> dict[str, Any]:
    directory = Path(given["directory"])
    events = record.read(directory)
    run = next(event for event in events if event["event"] == "opened")
    with ThreadPoolExecutor() as pool:
        probing, asking = pool.submit(probe, given), pool.submit(alerts, given)
        probes, firing = probing.result(), asking.result()
    rule = [] if given["reason"] else incident.rule_of(events)
    failed = ", ".join(f'"{one["task"]}" failed on {one["host"]}' for one in rule)
    made = incident.now()
    found = {
        "run": run["id"],
        "application": run["app"],
        "environment": run["environment"],
        "opened": made,
        **{name: given[name] for name in ("from_release", "to_release", "commit")},
        "severity": incident.score(probes, firing),
        "probes": probes,
        "alerts": firing,
        "decision": {
            "by": "rule" if rule else "operator",
            "who": f"the deployment of {run['who']}" if rule else run["who"],
            "reason": given["reason"] or failed,
            "at": made,
            "rule": rule,
        },
        "database": {
            "policy": BECOMES[given["policy"]],
            **{name: given[name] for name in ("why", "restore_point", "aside", "export")},
        },
        "evidence": incident.last_line(directory),
        "cause": None,
        "fix": None,
    }
    incident.write(directory, found)
    return found


def main() -> None:
    text = {"type": "str", "default": ""}
    module = AnsibleModule(
        argument_spec={
            **SITE_SPEC,
            "directory": {"type": "path", "required": True},
            "from_release": {"type": "str", "required": True},
            "commit": {"type": "str", "required": True},
            "policy": {"type": "str", "choices": list(BECOMES), "required": True},
            "why": {"type": "str", "required": True},
            **dict.fromkeys(
                ("reason", "to_release", "restore_point", "aside", "export", "prometheus_url", "prometheus_user"), text
            ),
            "requests": {"type": "list", "elements": "dict", "required": True},
            "rounds": {"type": "int", "default": 3},
            "page": {"type": "str", "required": True},
            "bypass_header": {"type": "str", "default": "X-Maintenance-Bypass"},
            "bypass_token": {"type": "str", "no_log": True},
            "prometheus_password": {**text, "no_log": True},
        },
    )
    if not HTTPX:
        module.fail_json(msg=missing_required_lib("httpx"))
    try:
        found = assess(module.params)
    except (OSError, record.BrokenRecord) as error:
        module.fail_json(msg=f"The incident cannot be written down: {error}")
    module.exit_json(changed=False, incident=found)


if __name__ == "__main__":
    main()

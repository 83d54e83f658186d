# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The incident of a rollback: how bad it is by what was seen, who decided, and whether all of it is written down.

It lies as ``incident.json`` in the folder of the run, in the form of schemas/incident.schema.json, and as ``incident.md`` to read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

try:
    from jsonschema import Draft202012Validator

    JSONSCHEMA = True
except ImportError:  # reported by the module that needs it
    JSONSCHEMA = False

from .assertion import CouldNotLook, Verdict, listed, moment, verdict
from .files import replace
from .record import RESULTS, digest, end_of

FILE, TEXT_FILE = "incident.json", "incident.md"
FIRST_FAILURE = 500  # statuses from here on are failures of the server
HALF = 0.5  # from this share of failed requests on, the site is down for people
MOMENT = timedelta(minutes=5)  # between a probe and the record that rests on it
LEAST_REASON, LEAST_LETTERS = 8, 4  # characters, and different letters, of a reason that says something
UNFINISHED = re.compile(r"\b(?:todo|tbd|fixme|xxx|n/a|none|test|lorem ipsum)\b", re.IGNORECASE)
FAILURES = ("failure", "unreachable")  # events of the run's record
CHANGES = "rollback.initiate."  # items that are looked at once something was changed
SHOWN = 3
Incident = Mapping[str, Any]


def no_reason(text: str) -> bool:
    """Whether a reason is blank, or says nothing."""
    said = UNFINISHED.sub("", " ".join(text.split())).strip()
    letters = {letter for letter in said.lower() if letter.isalpha()}
    return len(said) < LEAST_REASON or len(letters) < LEAST_LETTERS


def failed(probe: Mapping[str, Any]) -> bool:
    """Whether a probe shows a failure of the site itself: no answer, or an error of the server that was not asked for."""
    status = int(probe["status"])
    return bool(probe["problems"]) and not probe["maintenance"] and (status == 0 or status >= FIRST_FAILURE)


def score(probes: Sequence[Mapping[str, Any]], alerts: Mapping[str, Any]) -> dict[str, Any]:
    """Level, impact and findings, from what was seen alone.

    critical: half of the requests or more failed, or visitors get nothing. major: some failed or were answered wrongly, a critical
    alert fires, or visitors get the maintenance page. minor: nothing of that. unknown: nothing was probed.
    """
    asked = [probe for probe in probes if probe["as"] == "operator"]
    visitors = [probe for probe in probes if probe["as"] == "visitor"]
    if not asked or not visitors:
        return {"level": "unknown", "impact": "nobody has looked what the site answers", "findings": []}
    down = [probe for probe in asked if failed(probe)]
    wrong = [probe for probe in asked if probe["problems"] and not failed(probe)]
    shut_out = [probe for probe in visitors if probe["maintenance"]]
    nothing = [probe for probe in visitors if failed(probe)]
    firing = [alert for alert in alerts["firing"] if alert["severity"] in ("critical", "warning")]
    critical = [alert for alert in firing if alert["severity"] == "critical"]
    findings = [f"{probe['name']}: {listed(probe['problems'], 2)}" for probe in _by_name([*down, *wrong])]
    findings += [f"alert {alert['name']} ({alert['severity']}) fires: {alert['summary']}" for alert in firing]
    said = [
        f"{len(down)} of {len(asked)} requests failed" if down else "",
        f"{len(wrong)} of {len(asked)} were answered wrongly" if wrong else "",
        "visitors get no page" if nothing else "visitors get the maintenance page" if shut_out else "",
        f"{len(critical)} critical alerts fire" if critical else "",
    ]
    level = "minor"
    if down or wrong or critical or shut_out:
        level = "major"
    if len(down) >= HALF * len(asked) or nothing:
        level = "critical"
    unknown = ", no alert could be asked for" if alerts["problem"] else ", no critical alert fires"
    impact = ", ".join(text for text in said if text) or f"{len(asked)} requests were answered as they should be{unknown}"
    return {"level": level, "impact": impact, "findings": findings}


def _by_name(probes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({probe["name"]: probe for probe in probes}.values())


def alerts_of(answer: Any) -> list[dict[str, str]]:
    """Those that fire, in the answer of Prometheus' ``/api/v1/alerts``."""
    try:
        return [
            {
                "name": str(alert["labels"]["alertname"]),
                "severity": str(alert["labels"].get("severity", "")),
                "summary": str(alert["annotations"].get("summary", "")),
                "since": str(alert.get("activeAt", "")),
            }
            for alert in answer["data"]["alerts"]
            if alert["state"] == "firing"
        ]
    except (KeyError, TypeError, AttributeError):
        raise CouldNotLook("the answer about alerts is not of the form that Prometheus gives") from None


def rule_of(events: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What failed in a deployment, by its record: each task with its host, the first few."""
    found = [event for event in events if event.get("event") in FAILURES]
    return [
        {"task": str(event["task"]), "host": str(event["host"]), "message": str(event["message"])[:400]} for event in found[:SHOWN]
    ]


def last_line(directory: Path) -> dict[str, Any]:
    """Where the run's record stands now."""
    end = end_of(directory)
    return {"file": RESULTS, "line": end["record_lines"], "sha256": end["record_digest"]}


def read(directory: Path) -> dict[str, Any]:
    """The incident of a run. Raises CouldNotLook where there is none that can be read."""
    path = directory / FILE
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise CouldNotLook(f"there is no {path}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CouldNotLook(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise CouldNotLook(f"{path} is no incident")
    return content


def as_json(incident: Incident) -> str:
    return json.dumps(incident, indent=2) + "\n"


def write(directory: Path, incident: Incident) -> None:
    for name, text in ((FILE, as_json(incident)), (TEXT_FILE, as_text(incident))):
        replace(directory / name, text, 0o640)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def schema_problems(incident: Any, schema: Mapping[str, Any]) -> list[str]:
    """Name where an incident is not of the form that the schema wants."""
    found = sorted(Draft202012Validator(schema).iter_errors(incident), key=lambda error: list(map(str, error.absolute_path)))
    return [f"{'.'.join(map(str, error.absolute_path)) or 'the record'}: {error.message[:120]}" for error in found]


def judge_severity(incident: Incident) -> Verdict:
    """rollback.assess.severity: scored from probes and alerts of the moment, which are recorded with it."""
    probes, alerts, severity = incident["probes"], incident["alerts"], incident["severity"]
    scored = score(probes, alerts)
    opened = moment("opened", incident["opened"])
    expected, observed = {"level": scored["level"]}, {"level": severity["level"], "probes": len(probes), "alerts": alerts["firing"]}
    problems = []
    if scored["level"] == "unknown":
        problems.append("no probe ran: nobody has looked what the site answers")
    elif severity != scored:
        problems.append(
            f"it says {severity['level']}, {severity['impact']}; what was seen says {scored['level']}, {scored['impact']}"
        )
    stale = [probe["name"] for probe in [*probes, {"name": "alerts", "asked": alerts["asked"]}] if _far(opened, probe["asked"])]
    if stale:
        problems.append(f"not of the moment ({incident['opened']}): {listed(stale)}")
    if not problems and alerts["problem"]:
        raise CouldNotLook(f"{severity['level']} by the site's answers alone ({severity['impact']}); alerts: {alerts['problem']}")
    return verdict(
        problems,
        f"{severity['level']}: {severity['impact']}",
        expected=expected,
        observed=observed,
        evidence={"probes": probes, "findings": severity["findings"]},
    )


def _far(opened: datetime, asked: str) -> bool:
    return not timedelta(0) <= opened - moment("asked", asked) <= MOMENT


def judge_decision(incident: Incident, events: Sequence[Mapping[str, Any]]) -> Verdict:
    """rollback.assess.decision: an operator with a reason, or the rule that fired, recorded before the first change."""
    decision = incident["decision"]
    at = moment("decision.at", decision["at"])
    problems = []
    if no_reason(decision["reason"]):
        problems.append(f"the reason says nothing: {decision['reason'].strip()[:40]!r}")
    if not decision["who"].strip():
        problems.append("nobody decided")
    if decision["by"] == "rule":
        known = {(str(event.get("task")), str(event.get("host"))) for event in events if event["event"] in FAILURES}
        if not decision["rule"]:
            problems.append("no rule fired")
        unknown = [f"{rule['task']} on {rule['host']}" for rule in decision["rule"] if (rule["task"], rule["host"]) not in known]
        if unknown:
            problems.append(f"the run's record does not know that failure: {listed(unknown)}")
    # A run may have brought back what another one left, before its own deployment failed.
    failed = [number for number, event in enumerate(events) if event["event"] in FAILURES and decision["by"] == "rule"]
    since = events[min(failed, default=0) :]
    changed = [moment("started", event["started"]) for event in since if str(event.get("item", "")).startswith(CHANGES)]
    if changed and min(changed) < at:
        problems.append(f"it was recorded {decision['at']}, after the first change ({min(changed).isoformat(timespec='seconds')})")
    return verdict(
        problems,
        f"{decision['who']}: {decision['reason']}",
        expected={"before": min(changed).isoformat() if changed else "the first change"},
        observed=dict(decision),
    )


def judge_document(incident: Any, schema: Mapping[str, Any], events: Sequence[Mapping[str, Any]], lines: Sequence[str]) -> Verdict:
    """rollback.assess.document: of the schema's form, nothing left empty, of this run, and tied to its record.

    ``lines``: those of results.jsonl, as they lie there.
    """
    if problems := schema_problems(incident, schema):
        return verdict([f"the incident does not fit its schema: {listed(problems, SHOWN)}"], "")
    opened: Mapping[str, Any] = next((event for event in events if event["event"] == "opened"), {})
    run = {"run": opened.get("id"), "application": opened.get("app"), "environment": opened.get("environment")}
    problems = [f"it is of {name} {incident[name]!r}, not {value!r}" for name, value in run.items() if incident[name] != value]
    line = incident["evidence"]["line"]
    if line > len(lines) or digest(lines[line - 1].encode()) != incident["evidence"]["sha256"]:
        problems.append(f"line {line} of {RESULTS} is not what it was when the incident was opened")
    return verdict(
        problems,
        f"{FILE} of run {incident['run']}: {incident['severity']['level']}, {incident['from_release']} taken back; "
        f"evidence {RESULTS} up to line {line}",
        expected=run,
        observed={name: incident[name] for name in run} | {"evidence": incident["evidence"]},
    )


def as_text(incident: Incident) -> str:
    """The incident as Markdown."""
    severity, decision, database = incident["severity"], incident["decision"], incident["database"]
    alerts, cause, fix = incident["alerts"], incident["cause"], incident["fix"]
    became = {
        "kept": "kept as it is",
        "downgraded": f"downgraded; the newer one is kept as {database['aside']}",
        "restored": f"back to {database['restore_point']}; the newer one is kept as {database['aside']}",
    }[database["policy"]]
    exported = f" What was written since go-live and is in the newer one alone: {database['export']}." if database["export"] else ""
    lines = [
        f"# Incident: {incident['application']} in {incident['environment']}, {severity['level']}",
        "",
        f"{incident['from_release']} (commit {incident['commit'][:12]}) is taken back to {incident['to_release'] or 'no release'}.",
        f"Opened {incident['opened']}, run {incident['run']}.",
        "",
        "## What was seen",
        "",
        f"Severity {severity['level']}: {severity['impact']}.",
        "",
        *[f"- {finding}" for finding in severity["findings"]],
        *([f"- Alerts could not be asked: {alerts['problem']}"] if alerts["problem"] else []),
        "",
        "| asked | as | request | status | seconds | wrong |",
        "|---|---|---|---|---|---|",
        *[
            f"| {probe['asked']} | {probe['as']} | {probe['name']} | {probe['status']} | {probe['seconds']:.2f} "
            f"| {_cell('; '.join(probe['problems']))} |"
            for probe in incident["probes"]
        ],
        "",
        "## Decision",
        "",
        f"{decision['who']}, {decision['at']}: {decision['reason']}",
        "",
        *[f'- "{rule["task"]}" on {rule["host"]}: {" ".join(rule["message"].split())}' for rule in decision["rule"]],
        "",
        f"Database: {became} ({database['why']}).{exported}",
        "",
        "## Cause",
        "",
        f"{cause['text']} (commit {cause['commit'][:12]}, {cause['at']})" if cause else "Nobody has named it yet.",
        "",
        "## Fix",
        "",
        f"Commit {fix['commit'][:12]}, shown by {fix['test']} ({fix['at']})" if fix else "There is none yet.",
        "",
        f"Evidence: [{RESULTS}]({RESULTS}) up to line {incident['evidence']['line']}.",
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

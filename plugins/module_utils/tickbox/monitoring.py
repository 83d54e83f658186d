# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges monitoring: who is asked, which rules are loaded, whether figures move, and whether alerts reach people."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .answers import HTTP_OK, Answer
from .assertion import CouldNotLook, Verdict, listed, verdict
from .prometheus import Figures, Series, total

# What exporters say of the service behind them. That the site's probe fails is the site's affair.
BEHIND = ("pg_up", "redis_up", "nginx_up")
# A figure is fresh when it is younger than this many intervals, and a moment for the scrape itself.
INTERVALS, MOMENT = 2.5, 2.0
CRITICAL = "critical"
SILENCED = 0.5  # the part of all alerts, or of the critical ones, that silences may hold back
TEST_ALERT = "TestAlert"

Rule = Mapping[str, Any]
Targets = Mapping[str, Sequence[Mapping[str, str]]]


@dataclass(frozen=True)
class Configured:
    """What Prometheus and Alertmanager say of themselves.

    targets: active targets as the API lists them. asked: what each scrape address answers now, by address. stamps: ``up`` of each
    target. rules: loaded rules. alertmanagers: addresses that Prometheus sends alerts to. reloaded: whether the last reload went
    well, by service. silent: what does not answer, and how. units: properties of the services.
    """

    targets: Sequence[Mapping[str, Any]]
    asked: Mapping[str, tuple[Answer, Figures]]
    stamps: Sequence[Series]
    rules: Sequence[Rule]
    alertmanagers: Sequence[str]
    reloaded: Mapping[str, float]
    silent: Sequence[str]
    units: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Receiver:
    """Who is told of alerts. integrations: how many of each kind (webhook). read: whether it can be read here what it got."""

    name: str
    integrations: Mapping[str, int]
    read: bool


@dataclass(frozen=True)
class Sent:
    """What became of a test alert.

    found: the notifications with its nonce that a receiver wrote down. before, after: what Alertmanager has sent and failed to
    send, by kind of integration: (sent, failed). loaded: whether Alertmanager runs with the file on the disk.
    """

    nonce: str
    found: Sequence[Mapping[str, Any]]
    before: Mapping[str, Sequence[float]]
    after: Mapping[str, Sequence[float]]
    loaded: bool


@dataclass(frozen=True)
class Moved:
    """What probe requests did to the figures.

    answered: how many requests were answered, ``refused`` what the others got. before, after: what each instance of the application
    showed before and after. stored: what Prometheus has by now. since: when the last probe had been answered (Unix time).
    """

    answered: int
    refused: Sequence[str]
    before: Mapping[str, Figures]
    after: Mapping[str, Figures]
    stored: Sequence[Series]
    since: float


@dataclass(frozen=True)
class Wanted:
    """A figure that must be there: fresh for each instance of ``job`` (any instance, where empty), and moved where ``moves``."""

    name: str
    job: str = ""
    moves: bool = False
    instances: Sequence[str] = field(default_factory=list)


def judge_configured(
    seen: Configured,
    targets: Targets,
    rules: Sequence[Rule],
    alertmanager: str,
    interval: float,
    now: float,
    idle: Sequence[str] = (),
) -> Verdict:
    """pre.environment.monitoring: the targets are exactly these and up, series fresh, rules loaded, Alertmanager connected.

    ``idle``: jobs whose targets cannot be up yet, because no release serves.
    """
    fresh = interval * INTERVALS + MOMENT
    problems = [*_unit_problems(seen.units), *seen.silent]
    problems += [
        f"{service} runs with an older configuration: its last reload failed"
        for service, well in seen.reloaded.items()
        if well != 1
    ]
    problems += _target_problems(seen, targets, fresh, now, idle)
    problems += rule_problems(seen.rules, rules, now)
    if not any(address.startswith(alertmanager.rstrip("/") + "/") for address in seen.alertmanagers):
        problems.append(f"Prometheus sends its alerts to {listed(seen.alertmanagers) or 'nobody'}, not to {alertmanager}")
    count = sum(len(entries) for entries in targets.values())
    return verdict(
        problems,
        f"{count} targets, as expected, up and fresh{' but for ' + ', '.join(idle) + ', before the first release' if idle else ''};"
        f" {len(rules)} rules loaded; Alertmanager connected",
        expected={
            "targets": {job: [entry["instance"] for entry in entries] for job, entries in targets.items()},
            "rules": len(rules),
        },
        observed={
            "targets": [f"{job} {instance}: {facts.get('health')}" for (job, instance), facts in _by_name(seen.targets).items()]
        },
        evidence={"alertmanagers": list(seen.alertmanagers), "rules": [rule.get("name") for rule in seen.rules]},
    )


def judge_moved(moved: Moved, wanted: Sequence[Wanted], probes: int, interval: float, now: float) -> Verdict:
    """post.monitoring.performance, and half of deploy.verification.monitoring: the figures are fresh and moved by the probes."""
    problems = []
    if moved.answered < probes:
        problems.append(f"{probes - moved.answered} of {probes} probe requests were not answered: {listed(set(moved.refused), 2)}")
    for figure in wanted:
        problems += [f"{figure.name}: {problem}" for problem in _figure_problems(figure, moved, probes, interval, now)]
    moving = [figure.name for figure in wanted if figure.moves]
    return verdict(
        problems,
        f"{moved.answered} probe requests moved {listed(moving)}, and Prometheus has it"
        + (f"; {len(wanted)} figures fresh" if len(wanted) > len(moving) else ""),
        expected={"figures": [figure.name for figure in wanted], "probes": probes},
        observed={"figures": len({series.name for series in moved.stored}), "answered": moved.answered},
        evidence={"newest": {name: _newest(moved.stored, name, now) for name in sorted({figure.name for figure in wanted})}},
    )


def judge_test_alert(alert: Sent, receivers: Sequence[Receiver]) -> Verdict:
    """A test alert went from a figure over Prometheus and Alertmanager to each receiver."""
    problems = [] if receivers else ["nobody is told of alerts: there is no receiver"]
    problems += [f"receiver {receiver.name} notifies nobody" for receiver in receivers if not receiver.integrations]
    if not alert.loaded:
        problems.append("Alertmanager does not run with the configuration that lies on the disk: was it reloaded?")
    if not alert.nonce:
        raise CouldNotLook("no test alert was sent in this run")
    if any(receiver.read for receiver in receivers) and not alert.found:
        problems.append(f"the test alert {alert.nonce} was not written down by {listed(r.name for r in receivers if r.read)}")
    kinds: dict[str, int] = {}
    for receiver in receivers:
        for kind, count in receiver.integrations.items():
            kinds[kind] = kinds.get(kind, 0) + count
    for kind, count in sorted(kinds.items()):
        sent, failed = (after - before for before, after in zip(_pair(alert.before, kind), _pair(alert.after, kind), strict=True))
        # Of several of a kind, one may have been told more often: where any try failed, another may have been told nothing.
        if sent - failed < count or (count > 1 and failed > 0):
            problems.append(
                f"{min(count, max(0, sent - failed)):.0f} of {count} notifications by {kind} were delivered since the test alert"
                + (f", {failed:.0f} failed" if failed > 0 else "")
            )
    return verdict(
        problems,
        f"test alert {alert.nonce} reached {listed(receiver.name for receiver in receivers)}",
        expected={"receivers": {receiver.name: dict(receiver.integrations) for receiver in receivers}},
        observed={"written_down": len(alert.found), "sent_and_failed": {kind: list(_pair(alert.after, kind)) for kind in kinds}},
        evidence={"notification": alert.found[0] if alert.found else None},
    )


def judge_alerts(
    loaded: Sequence[Rule],
    rules: Sequence[Rule],
    tests: tuple[int, str],
    changed_files: Sequence[str],
    silences: Sequence[Mapping[str, Any]],
    targets: Targets,
    now: float,
    configuration: str,
) -> Verdict:
    """post.monitoring.alerts but for the test alert: rules loaded and tested, and not silenced.

    ``tests``: exit code and output of promtool. ``changed_files``: files that are not what the inventory says.
    ``configuration``: the one that Prometheus runs with.
    """
    problems = rule_problems(loaded, rules, now)
    problems += [
        f"{path} is not what the inventory says: provision the host again, or see what was edited" for path in changed_files
    ]
    code, output = tests
    if code != 0 or "SUCCESS" not in output:
        problems.append(f"the rules' own tests fail: {' '.join(output.split())[-200:] or code}")
    alerts = [rule for rule in rules if "alert" in rule and rule.get("labels", {}).get("severity") != "test"]
    if not alerts:
        problems.append("no alert is asked for")
    if re.search(r"^[\s-]*alert_relabel_configs:", configuration, re.MULTILINE):
        problems.append("Prometheus may drop or rename alerts on their way (alert_relabel_configs)")
    problems += _silence_problems(silences, alerts, targets)
    active = [silence for silence in silences if _state(silence) == "active"]
    return verdict(
        problems,
        f"{len(alerts)} alerts loaded, their tests pass, {len(active)} silences hold back few of them or none",
        expected={"alerts": [rule["alert"] for rule in alerts]},
        observed={"loaded": [rule.get("name") for rule in loaded if rule.get("type") == "alerting"], "silences": len(active)},
        evidence={"tests": output, "silences": [_matchers(silence) for silence in active]},
    )


def judge_errors(
    caused: Mapping[str, Mapping[str, Any]], instances: Sequence[str], stored: Sequence[Series], metric: str
) -> Verdict:
    """post.monitoring.error_logging: an error caused on each instance is in its log and moved the counter, there and in Prometheus.

    ``caused``: what was seen on each instance: status, logged, before, after, sent (Unix time).
    """
    problems = [] if instances else ["the application has no instance"]
    for instance in instances:
        problems += [f"{instance}: {problem}" for problem in _error_problems(caused.get(instance) or {}, instance, stored, metric)]
    return verdict(
        problems,
        f"an error caused on {listed(instances)} is in the log as an error, and moved {metric}, here and in Prometheus",
        expected={"instances": list(instances), "metric": metric},
        observed={name: {key: seen.get(key) for key in ("status", "logged", "before", "after")} for name, seen in caused.items()},
        evidence={name: seen.get("entry") for name, seen in caused.items()},
    )


def rule_problems(loaded: Sequence[Rule], rules: Sequence[Rule], now: float) -> list[str]:
    """Name the rules that are not loaded as they should be, cannot be worked out, or are not looked at any more.

    Expressions on both sides are in Prometheus' own form, and each rule has the interval of its group in seconds.
    """
    problems = [] if rules else ["no rule is asked for"]
    missing = []
    for rule in rules:
        name = rule.get("alert") or rule.get("record")
        same_name = [entry for entry in loaded if entry.get("name") == name]
        if not same_name:
            missing.append(str(name))
            continue
        entry = next((one for one in same_name if _same_rule(one, rule)), None)
        if entry is None:
            problems.append(f"rule {name} is loaded with another expression, time or labels")
            continue
        if entry.get("health") != "ok":
            problems.append(f"rule {name} cannot be worked out: {entry.get('lastError') or entry.get('health')}")
        elif entry.get("interval") != rule["interval"]:
            problems.append(f"rule {name} is looked at every {entry.get('interval')} s, not every {rule['interval']:g} s")
        elif late(entry, now):
            problems.append(f"rule {name} was last looked at {now - moment(entry.get('lastEvaluation')):.0f} s ago")
    if missing:
        problems.append(f"not loaded: {listed(missing)}")
    return problems


def late(rule: Rule, now: float) -> bool:
    """Whether a loaded rule was last looked at longer ago than the interval of its group allows."""
    try:
        return now - moment(rule.get("lastEvaluation")) > float(rule["interval"]) * INTERVALS + MOMENT
    except (KeyError, TypeError, ValueError):
        raise CouldNotLook(f"Prometheus does not say how often it looks at rule {rule.get('name')}") from None


def moment(text: Any) -> float:
    """Read a time as Prometheus writes it; the beginning of time for anything else."""
    try:
        cut = re.sub(r"(\.\d{6})\d+", r"\1", str(text)).replace("Z", "+00:00")
        return datetime.fromisoformat(cut).timestamp()
    except ValueError:
        return 0.0


def notifications(lines: Iterable[str], nonce: str) -> list[dict[str, Any]]:
    """The notifications of the test alert with this nonce among the lines that a receiver wrote."""
    found = []
    for line in lines:
        if nonce and nonce in line:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            labels = entry.get("labels") if isinstance(entry, dict) else None
            if isinstance(labels, dict) and (labels.get("alertname"), labels.get("nonce")) == (TEST_ALERT, nonce):
                found.append(entry)
    return [entry for entry in found if entry.get("status") == "firing"]


def silenced(silence: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a silence holds back an alert with these labels: each of its matchers agrees; a label that is not there is empty."""
    try:
        matchers = [
            (one["name"], one["value"], bool(one["isRegex"]), bool(one.get("isEqual", True))) for one in silence["matchers"]
        ]
        return all(
            (bool(re.fullmatch(value, labels.get(name, ""))) if pattern else labels.get(name, "") == value) is equal
            for name, value, pattern, equal in matchers
        )
    except (KeyError, TypeError, AttributeError, re.error):
        raise CouldNotLook(f"a silence has matchers that cannot be read: {silence.get('id')}") from None


def _unit_problems(units: Mapping[str, Mapping[str, str]]) -> list[str]:
    problems = []
    for unit, properties in units.items():
        if properties.get("LoadState") != "loaded":
            problems.append(f"{unit}: {properties.get('LoadState') or 'unknown'}")
        elif properties.get("ActiveState") != "active":
            problems.append(f"{unit}: {properties.get('ActiveState')} ({properties.get('SubState')})")
        elif properties.get("UnitFileState") != "enabled":
            problems.append(f"{unit}: {properties.get('UnitFileState')}, so it would not come back after a boot")
    return problems


def _by_name(targets: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    try:
        return {(str(entry["labels"]["job"]), str(entry["labels"]["instance"])): entry for entry in targets}
    except (KeyError, TypeError):
        raise CouldNotLook("Prometheus lists its targets in a form that cannot be read") from None


def _target_problems(seen: Configured, targets: Targets, fresh: float, now: float, idle: Sequence[str]) -> list[str]:
    found = _by_name(seen.targets)
    expected = {(job, entry["instance"]): entry["address"] for job, entries in targets.items() for entry in entries}
    problems = [] if expected else ["no target is asked for"]
    gone, unknown = set(expected) - set(found), set(found) - set(expected)
    if gone:
        problems.append(f"not among the targets: {listed(f'{job} on {instance}' for job, instance in gone)}")
    if unknown:
        problems.append(f"nobody expects the target {listed(f'{job} on {instance}' for job, instance in unknown)}")
    if len(seen.targets) > len(found):
        problems.append(f"{len(seen.targets) - len(found)} targets stand twice")
    stamps = {(series.labels.get("job", ""), series.instance): series for series in seen.stamps if series.name == "up"}
    for name in sorted(set(expected) & set(found)):
        facts = found[name]
        place = facts.get("discoveredLabels", {}).get("__address__")
        if place != expected[name]:
            problems.append(f"{name[0]} on {name[1]}: {place} is asked, not {expected[name]}")
        elif name[0] not in idle:
            problems += [
                f"{name[0]} on {name[1]}: {problem}" for problem in _up_problems(seen, facts, stamps.get(name), fresh, now)
            ]
    return problems


def _up_problems(seen: Configured, facts: Mapping[str, Any], stamp: Series | None, fresh: float, now: float) -> list[str]:
    answer, figures = seen.asked.get(str(facts.get("scrapeUrl")), (None, {}))
    if answer is None or answer.status != HTTP_OK or not figures:
        return [f"shows no figures ({answer.outcome if answer else 'was not asked'})"]
    if facts.get("health") != "up":
        return [f"{facts.get('health')}: {facts.get('lastError') or 'no answer'}"]
    problems = [f"{name} is 0: the service behind it does not answer" for name in BEHIND if 0 in figures.get(name, {}).values()]
    age = now - moment(facts.get("lastScrape"))
    if age > fresh:
        problems.append(f"last asked {age:.0f} s ago")
    elif stamp is None or now - stamp.time > fresh:
        problems.append("Prometheus keeps no fresh figures of it")
    return problems


def _same_rule(entry: Rule, rule: Rule) -> bool:
    labels = {str(key): str(value) for key, value in (rule.get("labels") or {}).items()}
    return bool(
        entry.get("query") == rule.get("expr")
        and entry.get("type") == ("alerting" if "alert" in rule else "recording")
        and math.isclose(float(entry.get("duration") or 0), float(rule.get("for") or 0))
        and (entry.get("labels") or {}) == labels
    )


def _figure_problems(figure: Wanted, moved: Moved, probes: int, interval: float, now: float) -> list[str]:
    stored = [
        series
        for series in moved.stored
        if series.name == figure.name and (not figure.job or series.labels.get("job") == figure.job)
    ]
    missing = sorted(set(figure.instances) - {series.instance for series in stored})
    if not stored or missing:
        return [f"Prometheus has no fresh figure{' of ' + listed(missing) if missing else ''}"]
    newest = {instance: max(s.time for s in stored if s.instance == instance) for instance in {s.instance for s in stored}}
    stale = [instance for instance, time in newest.items() if now - time > interval * INTERVALS + MOMENT]
    if stale:
        return [f"last read {now - min(newest.values()):.0f} s ago{' of ' + listed(stale) if any(stale) else ''}"]
    if all(math.isnan(series.value) for series in stored):
        return ["is no number"]
    return _movement_problems(figure, moved, stored, probes) if figure.moves else []


def _movement_problems(figure: Wanted, moved: Moved, stored: Sequence[Series], probes: int) -> list[str]:
    before, after = total(list(moved.before.values()), figure.name), total(list(moved.after.values()), figure.name)
    if not after:
        return ["the application shows no such figure"]
    grown = max(value - before.get(labels, 0.0) for labels, value in after.items())
    # A sum of seconds grows by any amount; a count by one for each request.
    least = 1e-9 if figure.name.endswith("_sum") else float(probes)
    if grown < least:
        return [f"grew by {grown:g} while {moved.answered} requests were answered"]
    problems = []
    for instance, figures in moved.after.items():
        kept = {series.own: series for series in stored if series.instance == instance}
        for labels, value in figures.get(figure.name, {}).items():
            series = kept.get(labels)
            if series is None or series.time < moved.since:
                problems.append(f"Prometheus has not read {instance} since the probes")
            elif series.value < value:
                problems.append(f"Prometheus has {series.value:g} of {instance}, which showed {value:g}")
    return sorted(set(problems))[:2]


def _newest(stored: Sequence[Series], name: str, now: float) -> str:
    ages = [now - series.time for series in stored if series.name == name]
    return f"{len(ages)} series, {min(ages):.1f} s old" if ages else "none"


def _pair(counts: Mapping[str, Sequence[float]], kind: str) -> tuple[float, float]:
    try:
        sent, failed = counts.get(kind) or (0.0, 0.0)
        return float(sent), float(failed)
    except (TypeError, ValueError):
        raise CouldNotLook(f"what Alertmanager has sent by {kind} cannot be read") from None


def _state(silence: Mapping[str, Any]) -> str:
    status = silence.get("status")
    return str(status.get("state")) if isinstance(status, Mapping) else ""


def _matchers(silence: Mapping[str, Any]) -> str:
    signs = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
    said = [
        f"{one.get('name')}{signs[bool(one.get('isRegex')), bool(one.get('isEqual', True))]}{one.get('value')}"
        for one in silence.get("matchers", [])
    ]
    return f"{', '.join(said)} (by {silence.get('createdBy')}: {silence.get('comment')})"


def _silence_problems(silences: Sequence[Mapping[str, Any]], alerts: Sequence[Rule], targets: Targets) -> list[str]:
    active = [silence for silence in silences if _state(silence) == "active"]
    places: list[dict[str, str]] = [{}]
    places += [{"job": job, "instance": entry["instance"]} for job, entries in targets.items() for entry in entries]
    held: dict[bool, list[bool]] = {True: [], False: []}
    for rule in alerts:
        labels = {"alertname": str(rule["alert"]), **{key: str(value) for key, value in (rule.get("labels") or {}).items()}}
        for place in places:
            held[labels.get("severity") == CRITICAL].append(any(silenced(silence, {**place, **labels}) for silence in active))
    for which, name in ((held[True] + held[False], "all"), (held[True], "the critical")):
        if which and sum(which) > SILENCED * len(which):
            part = 100 * sum(which) / len(which)
            return [f"silences hold back {part:.0f} % of {name} alerts: {listed((_matchers(silence) for silence in active), 2)}"]
    return []


def _error_problems(seen: Mapping[str, Any], instance: str, stored: Sequence[Series], metric: str) -> list[str]:
    if not seen:
        return ["no error was caused there"]
    problems = []
    try:
        status, before, after, sent = int(seen["status"]), float(seen["before"]), float(seen["after"]), float(seen["sent"])
    except (KeyError, TypeError, ValueError):
        return [str(seen.get("reason") or "what happened there cannot be read")]
    if status < 500:  # noqa: PLR2004
        problems.append(f"the request that should fail was answered with status {status}")
    if not seen.get("logged"):
        problems.append("the error is not in the log, at priority err or above")
    if after - before < 1:
        problems.append(f"{metric} went from {before:g} to {after:g}")
    kept = [series for series in stored if series.name == metric and series.instance == instance]
    if not kept or max(series.time for series in kept) < sent:
        problems.append(f"Prometheus has no {metric} of it since the error")
    elif sum(series.value for series in kept) < after:
        problems.append(f"Prometheus has {metric} at {sum(series.value for series in kept):g}, the application at {after:g}")
    return problems

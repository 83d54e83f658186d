"""Monitoring: what is asked, which rules are loaded, whether figures move and alerts arrive."""

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible.module_utils.tickbox import monitoring, prometheus, watching
from ansible.module_utils.tickbox.answers import Answer
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict
from ansible.module_utils.tickbox.monitoring import Configured, Moved, Receiver, Sent, Wanted
from ansible.module_utils.tickbox.prometheus import Figures, Series
from hypothesis import given, settings
from hypothesis import strategies as st
from web import Reply, serving

NOW = 1_800_000_000.0
STAMP = "2027-01-15T08:00:00.123456789Z"  # NOW, as Prometheus writes it
TARGETS = {"node": [{"instance": "a", "address": "127.0.0.1:9100"}], "app": [{"instance": "a", "address": "127.0.0.1:8080"}]}
ALERT: dict[str, Any] = {
    "alert": "TargetDown",
    "expr": "up == 0",
    "for": 120.0,
    "labels": {"severity": "critical"},
    "interval": 15.0,
}
RECORD = {"record": "errors:ratio", "expr": "a / b", "for": 0.0, "interval": 15.0}
LOADED: list[dict[str, Any]] = [
    {
        "name": "TargetDown",
        "query": "up == 0",
        "duration": 120,
        "labels": {"severity": "critical"},
        "type": "alerting",
        "health": "ok",
        "lastEvaluation": STAMP,
        "interval": 15,
    },
    {"name": "errors:ratio", "query": "a / b", "type": "recording", "health": "ok", "lastEvaluation": STAMP, "interval": 15},
]
UNIT = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled"}
ALERTMANAGER = "http://127.0.0.1:9093"
Run = Callable[..., dict[str, Any]]


def target(job: str, address: str, **facts: Any) -> dict[str, Any]:
    labels = {"labels": {"job": job, "instance": "a"}, "discoveredLabels": {"__address__": address}}
    return {**labels, "scrapeUrl": f"http://{address}/metrics", "health": "up", "lastError": "", "lastScrape": STAMP, **facts}


def series(name: str, value: float = 1.0, age: float = 1.0, **labels: str) -> Series:
    return Series({"__name__": name, "instance": "a", "job": "app", **labels}, NOW - age, value)


def figures(**values: float) -> Figures:
    return {name: {frozenset(): value} for name, value in values.items()}


GOOD = Configured(
    targets=[target("node", "127.0.0.1:9100"), target("app", "127.0.0.1:8080")],
    asked={f"http://{address}/metrics": (Answer(200, {}, b""), figures(x=1)) for address in ("127.0.0.1:9100", "127.0.0.1:8080")},
    stamps=[series("up", job="node"), series("up", job="app")],
    rules=LOADED,
    alertmanagers=[f"{ALERTMANAGER}/api/v2/alerts"],
    reloaded={"Prometheus": 1.0, "Alertmanager": 1.0},
    silent=[],
    units={"prometheus.service": UNIT},
)


def configured(seen: Configured, targets: Any = None, rules: Any = None, idle: tuple[str, ...] = ()) -> Verdict:
    wanted = [ALERT, RECORD] if rules is None else rules
    return monitoring.judge_configured(seen, TARGETS if targets is None else targets, wanted, ALERTMANAGER, 15, NOW + 3, idle)


def test_monitoring_that_is_configured() -> None:
    seen = configured(GOOD)
    assert (seen.status, seen.summary) == ("passed", "2 targets, as expected, up and fresh; 2 rules loaded; Alertmanager connected")


def asked(address: str, status: int, **values: float) -> dict[str, Any]:
    return {**GOOD.asked, f"http://{address}/metrics": (Answer(status, {}, b"connection refused"), figures(**values))}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"targets": GOOD.targets[:1]}, "not among the targets: app on a"),
        ({"targets": [*GOOD.targets, target("old", "10.0.0.9:1")]}, "nobody expects the target old on a"),
        ({"targets": [*GOOD.targets, GOOD.targets[0]]}, "1 targets stand twice"),
        ({"targets": [target("node", "10.0.0.9:9100"), GOOD.targets[1]]}, "10.0.0.9:9100 is asked, not 127.0.0.1:9100"),
        ({"targets": [GOOD.targets[0], target("app", "127.0.0.1:8080", health="down", lastError="502")]}, "app on a: down: 502"),
        ({"targets": [GOOD.targets[0], target("app", "127.0.0.1:8080", health="unknown")]}, "app on a: unknown: no answer"),
        ({"targets": [GOOD.targets[0], target("app", "127.0.0.1:8080", lastScrape="2027-01-15T07:59:00Z")]}, "last asked 63 s ago"),
        ({"targets": [GOOD.targets[0], target("app", "127.0.0.1:8080", lastScrape="never")]}, "last asked"),
        ({"asked": asked("127.0.0.1:9100", 0)}, "node on a: shows no figures (no answer (connection refused))"),
        ({"asked": asked("127.0.0.1:9100", 200)}, "node on a: shows no figures (status 200)"),
        ({"asked": asked("127.0.0.1:9100", 200, pg_up=0)}, "pg_up is 0"),
        ({"asked": {}}, "was not asked"),
        ({"stamps": [series("up", job="node")]}, "app on a: Prometheus keeps no fresh figures of it"),
        ({"stamps": [series("up", job="node"), series("up", job="app", age=99)]}, "keeps no fresh figures"),
        ({"rules": LOADED[:1]}, "not loaded: errors:ratio"),
        ({"rules": [{**LOADED[0], "query": "up == 2"}, LOADED[1]]}, "TargetDown is loaded with another expression, time or labels"),
        ({"rules": [{**LOADED[0], "duration": 9000}, LOADED[1]]}, "TargetDown is loaded with another"),
        ({"rules": [{**LOADED[0], "labels": {"severity": "none"}}, LOADED[1]]}, "TargetDown is loaded with another"),
        ({"rules": [{**LOADED[0], "health": "err", "lastError": "many to many"}, LOADED[1]]}, "cannot be worked out: many to many"),
        ({"rules": [{**LOADED[0], "health": "unknown"}, LOADED[1]]}, "cannot be worked out: unknown"),
        ({"rules": [{**LOADED[0], "lastEvaluation": "0001-01-01T00:00:00Z"}, LOADED[1]]}, "was last looked at"),
        ({"rules": [{**LOADED[0], "lastEvaluation": "2027-01-15T07:59:23Z"}, LOADED[1]]}, "was last looked at 40 s ago"),
        ({"rules": [{**LOADED[0], "interval": 3600}, LOADED[1]]}, "rule TargetDown is looked at every 3600 s, not every 15 s"),
        ({"alertmanagers": []}, "Prometheus sends its alerts to nobody"),
        ({"alertmanagers": ["http://10.0.0.9:9093/api/v2/alerts"]}, "sends its alerts to http://10.0.0.9:9093"),
        ({"alertmanagers": ["http://127.0.0.1:90934/api/v2/alerts"]}, "sends its alerts to"),
        ({"reloaded": {"Prometheus": 0.0}}, "Prometheus runs with an older configuration"),
        ({"silent": ["Alertmanager: no answer (refused)"]}, "Alertmanager: no answer"),
        (
            {"units": {"prometheus.service": {**UNIT, "UnitFileState": "disabled"}}},
            "disabled, so it would not come back after a boot",
        ),
        ({"units": {"prometheus.service": {**UNIT, "ActiveState": "failed", "SubState": "failed"}}}, "prometheus.service: failed"),
        ({"units": {"prometheus.service": {}}}, "prometheus.service: unknown"),
    ],
)
def test_monitoring_that_is_not_is_refused(changes: dict[str, Any], says: str) -> None:
    seen = configured(replace(GOOD, **changes))
    assert (seen.status, says in seen.summary) == ("failed", True), seen.summary


def test_nothing_asked_for_is_no_tick() -> None:
    assert "no target is asked for" in configured(GOOD, targets={}).summary
    assert "no rule is asked for" in configured(GOOD, rules=[]).summary


def test_before_the_first_release() -> None:
    down = replace(
        GOOD, targets=[GOOD.targets[0], target("app", "127.0.0.1:8080", health="down")], asked=asked("127.0.0.1:8080", 502)
    )
    assert configured(down).status == "failed"
    assert configured(down, idle=("app",)).status == "passed"
    assert configured(replace(down, targets=down.targets[:1]), idle=("app",)).status == "failed"


REQUESTS, LATENCY = "http_requests_total", "errors:ratio"
WANTED = [Wanted(REQUESTS, "app", True, ["a"]), Wanted(LATENCY)]


def moved(**changes: Any) -> Verdict:
    good: dict[str, Any] = {
        "answered": 10,
        "refused": [],
        "before": {"a": figures(http_requests_total=5)},
        "after": {"a": figures(http_requests_total=15)},
        "stored": [series(REQUESTS, 15), series(LATENCY, 0.0, job="", instance="")],
        "since": NOW - 2,
    }
    return monitoring.judge_moved(Moved(**{**good, **changes}), WANTED, 10, 5, NOW)


def test_figures_that_move() -> None:
    seen = moved()
    assert (seen.status, "10 probe requests moved http_requests_total" in seen.summary) == ("passed", True)
    assert moved(before={"a": {}}).status == "passed"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"answered": 0, "refused": ["status 503"] * 10}, "10 of 10 probe requests were not answered: status 503"),
        ({"after": {"a": figures(http_requests_total=6)}}, "grew by 1 while 10 requests were answered"),
        ({"after": {"a": figures(http_requests_total=2)}}, "grew by -3"),
        ({"after": {"a": figures(other=9)}}, "the application shows no such figure"),
        ({"stored": [series(LATENCY)]}, "Prometheus has no fresh figure of a"),
        ({"stored": [series(REQUESTS, 15, instance="b"), series(LATENCY)]}, "Prometheus has no fresh figure of a"),
        ({"stored": [series(REQUESTS, 15, job="old"), series(LATENCY)]}, "Prometheus has no fresh figure of a"),
        ({"stored": [series(REQUESTS, 15, age=60), series(LATENCY)]}, "last read 60 s ago of a"),
        ({"stored": [series(REQUESTS, 15, age=3), series(LATENCY)]}, "Prometheus has not read a since the probes"),
        ({"stored": [series(REQUESTS, 5), series(LATENCY)]}, "Prometheus has 5 of a, which showed 15"),
        ({"stored": [series(REQUESTS, 15, status="200"), series(LATENCY)]}, "Prometheus has not read a since the probes"),
        ({"stored": [series(REQUESTS, 15)]}, "errors:ratio: Prometheus has no fresh figure"),
        ({"stored": [series(REQUESTS, 15), series(LATENCY, math.nan)]}, "errors:ratio: is no number"),
    ],
)
def test_figures_that_do_not(changes: dict[str, Any], says: str) -> None:
    seen = moved(**changes)
    assert (seen.status, says in seen.summary) == ("failed", True), seen.summary


OPERATORS = Receiver("operators", {"webhook": 1}, True)
SENT = Sent("abc", [{"status": "firing"}], {"webhook": [3, 1]}, {"webhook": [4, 1]}, True)


@pytest.mark.parametrize(
    ("alert", "receivers", "says"),
    [
        (SENT, [], "there is no receiver"),
        (SENT, [OPERATORS, Receiver("nobody", {}, False)], "receiver nobody notifies nobody"),
        (replace(SENT, found=[]), [OPERATORS], "was not written down by operators"),
        (replace(SENT, loaded=False), [OPERATORS], "does not run with the configuration that lies on the disk"),
        (replace(SENT, after={"webhook": [3, 1]}), [OPERATORS], "0 of 1 notifications by webhook were delivered"),
        (
            replace(SENT, after={"webhook": [5, 3]}),
            [OPERATORS],
            "0 of 1 notifications by webhook were delivered since the test alert, 2 failed",
        ),
        (SENT, [OPERATORS, Receiver("boss", {"email": 1}, False)], "0 of 1 notifications by email"),
        (SENT, [OPERATORS, Receiver("second", {"webhook": 1}, False)], "1 of 2 notifications by webhook"),
        (replace(SENT, before={}, after={}), [OPERATORS], "0 of 1"),
        (replace(SENT, after={"webhook": [9, 3]}), [OPERATORS, Receiver("second", {"webhook": 1}, False)], "2 failed"),
    ],
)
def test_a_test_alert_that_does_not_arrive(alert: Sent, receivers: list[Receiver], says: str) -> None:
    seen = monitoring.judge_test_alert(alert, receivers)
    assert (seen.status, says in seen.summary) == ("failed", True), seen.summary


def test_a_test_alert_that_arrives() -> None:
    assert monitoring.judge_test_alert(SENT, [OPERATORS]).summary == "test alert abc reached operators"
    with pytest.raises(CouldNotLook):
        monitoring.judge_test_alert(replace(SENT, nonce=""), [OPERATORS])
    with pytest.raises(CouldNotLook):
        monitoring.judge_test_alert(replace(SENT, before={"webhook": [1]}), [OPERATORS])


def line(nonce: str = "abc", status: str = "firing", name: str = "TestAlert") -> str:
    return json.dumps({"status": status, "labels": {"alertname": name, "nonce": nonce}})


def test_notifications() -> None:
    lines = ["abc", '["abc"]', '{"labels": "abc"}', line("xabc"), line(status="resolved"), line(name="Other")]
    assert monitoring.notifications(lines, "abc") == []
    assert len(monitoring.notifications([*lines, line()], "abc")) == 1
    assert monitoring.notifications([line("")], "") == []


ALERTS = [
    {**ALERT, "alert": name, "labels": {"severity": severity}}
    for name, severity in (("One", "critical"), ("Two", "critical"), ("Three", "warning"), ("Four", "warning"))
]


def matcher(name: str, value: str, regex: bool = False, equal: bool = True) -> dict[str, Any]:
    return {"name": name, "value": value, "isRegex": regex, "isEqual": equal}


RUNNING = "alerting:\n  alertmanagers:\n  - follow_redirects: true\nscrape_configs:\n- relabel_configs: []\n"


def alerts(*silences: dict[str, Any], tests: tuple[int, str] = (0, "  SUCCESS\n"), **given: Any) -> Verdict:
    loaded = [{**LOADED[0], "name": rule["alert"], "labels": rule["labels"]} for rule in ALERTS]
    loaded, changed, running = given.get("loaded", loaded), given.get("changed", []), given.get("running", RUNNING)
    return monitoring.judge_alerts(loaded, ALERTS, tests, changed, silences, TARGETS, NOW, running)


def silence(*matchers: dict[str, Any], state: str = "active") -> dict[str, Any]:
    return {"id": "1", "matchers": list(matchers), "status": {"state": state}, "createdBy": "ops", "comment": "why"}


@pytest.mark.parametrize(
    "held",
    [
        silence(matcher("alertname", ".*", True)),
        silence(matcher("alertname", ".+", True)),
        silence(matcher("alertname", "None", equal=False)),
        silence(matcher("severity", "critical")),
        silence(matcher("severity", "critical|warning", True)),
        silence(matcher("instance", "a")),
        silence(matcher("job", ".*", True)),
        silence(matcher("anything", ".*", True)),
        silence(matcher("alertname", "One|Two", True)),
        silence(matcher("alertname", "T.*|F.*", True)),
    ],
)
def test_silences_that_hold_back_too_much(held: dict[str, Any]) -> None:
    seen = alerts(held)
    assert (seen.status, "silences hold back" in seen.summary) == ("failed", True), seen.summary


def test_silences_together() -> None:
    several = [silence(matcher("alertname", name)) for name in ("One", "Three", "Four")]
    assert [alerts(*several[:count]).status for count in (1, 2, 3)] == ["passed", "passed", "failed"]


@pytest.mark.parametrize(
    "held",
    [
        silence(matcher("alertname", "One")),
        silence(matcher("job", "node")),
        silence(matcher("alertname", ".*", True), state="expired"),
    ],
)
def test_silences_that_are_well(held: dict[str, Any]) -> None:
    assert alerts(held).status == "passed"


@pytest.mark.parametrize("matchers", [7, [{}], [matcher("alertname", "(", True)], [7]])
def test_silences_that_cannot_be_read(matchers: Any) -> None:
    with pytest.raises(CouldNotLook):
        alerts({**silence(), "matchers": matchers})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tests": (1, "FAILED: alertname: One")}, "the rules' own tests fail: FAILED: alertname: One"),
        ({"tests": (0, "")}, "the rules' own tests fail"),
        ({"changed": ["/etc/prometheus/tests/x.yml"]}, "/etc/prometheus/tests/x.yml is not what the inventory says"),
        ({"loaded": []}, "not loaded: Four, One, Three, Two"),
        ({"running": RUNNING.replace("  alertm", "  alert_relabel_configs: []\n  alertm")}, "may drop or rename alerts"),
        ({"running": RUNNING.replace("follow_redirects: true", "alert_relabel_configs:")}, "may drop or rename alerts"),
    ],
)
def test_alerts_that_are_not_configured(given: dict[str, Any], says: str) -> None:
    seen = alerts(**given)
    assert (seen.status, says in seen.summary) == ("failed", True), seen.summary


CAUSED = {"status": 500, "logged": True, "before": 2.0, "after": 3.0, "sent": NOW - 2, "entry": "..."}


def errors(caused: Mapping[str, Any] | None, stored: list[Series] | None = None, instances: tuple[str, ...] = ("a",)) -> Verdict:
    kept = [series("errors_total", 3)] if stored is None else stored
    return monitoring.judge_errors({"a": caused} if caused is not None else {}, instances, kept, "errors_total")


def test_errors_that_are_logged() -> None:
    assert errors(CAUSED).status == "passed"


@pytest.mark.parametrize(
    ("caused", "stored", "says"),
    [
        (None, None, "no error was caused there"),
        ({}, None, "no error was caused there"),
        ({**CAUSED, "status": 200}, None, "answered with status 200"),
        ({**CAUSED, "status": 0}, None, "answered with status 0"),
        ({**CAUSED, "logged": False}, None, "the error is not in the log"),
        ({**CAUSED, "after": 2.0}, None, "errors_total went from 2 to 2"),
        (CAUSED, [], "Prometheus has no errors_total of it since the error"),
        (CAUSED, [series("errors_total", 3, age=5)], "Prometheus has no errors_total of it since the error"),
        (CAUSED, [series("errors_total", 2)], "Prometheus has errors_total at 2, the application at 3"),
        (CAUSED, [series("errors_total", 3, instance="b")], "Prometheus has no errors_total of it"),
        ({"skipped": True}, None, "cannot be read"),
    ],
)
def test_errors_that_are_not(caused: Any, stored: Any, says: str) -> None:
    seen = errors(caused, stored)
    assert (seen.status, says in seen.summary) == ("failed", True), seen.summary
    assert errors(CAUSED, instances=()).status == "failed"


def test_durations_and_hash() -> None:
    assert [prometheus.seconds(text) for text in ("15s", "1m30s", "500ms", "2h")] == [15, 90, 0.5, 7200]
    for text in ("", "15", "s", "1.5s", "-5s", "5s later"):
        with pytest.raises(CouldNotLook):
            prometheus.seconds(text)
    assert prometheus.configuration_hash(b"") == float(int.from_bytes(bytes.fromhex("d41d8cd98f00"), "little"))


def test_figures_as_exporters_show_them() -> None:
    text = '# HELP x y\n# TYPE x counter\nx{a="1",b="q\\"}"} 5\nx 2.5e3 1700000000\nbad line here\ny{le="+Inf"} NaN\nz x\n'
    found = prometheus.read_figures(text)
    assert found["x"] == {frozenset({("a", "1"), ("b", 'q\\"}')}): 5, frozenset(): 2500}
    assert set(found) == {"x", "y"}


@settings(max_examples=150)
@given(text=st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    assert all(re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", name) for name in prometheus.read_figures(text))
    assert monitoring.moment(text) >= 0 or text.strip().startswith(("0", "1"))


@pytest.mark.parametrize(
    "answer", ["", "no JSON", "[]", '{"status": "success", "data": {}}', '{"status": "success", "data": {"result": [{}]}}', "7"]
)
def test_a_prometheus_that_talks_nonsense(run_module: Run, tmp_path: Path, answer: str) -> None:
    (tmp_path / "password").write_text("secret-password")
    with serving(lambda *_: (200, {}, answer)) as port:
        result = run_module(
            "check_monitoring",
            items=["pre.environment.monitoring"],
            prometheus_url=f"http://127.0.0.1:{port}",
            alertmanager_url=f"http://127.0.0.1:{port}",
            user="operator",
            password_file=str(tmp_path / "password"),
            interval="1ms",
            targets=TARGETS,
            rules=[{"rules": [{"alert": "X", "expr": "up"}]}],
            report_only=True,
        )
    assert result["assertions"][0]["status"] in {"unverifiable", "failed"}
    assert "secret-password" not in str(result)


def test_a_prometheus_that_is_not_there(run_module: Run, tmp_path: Path) -> None:
    given = {"items": ["pre.environment.monitoring"], "targets": TARGETS, "rules": [{"rules": [{"alert": "X", "expr": "up"}]}]}
    gone = run_module("check_monitoring", **given, prometheus_url="http://127.0.0.1:1", report_only=True)["assertions"][0]
    assert (gone["status"], "Prometheus answers" in gone["summary"]) == ("unverifiable", True)
    unread = run_module("check_monitoring", **given, user="x", password_file=str(tmp_path / "none"), report_only=True)[
        "assertions"
    ][0]
    assert unread["status"] == "unverifiable"
    assert "needs probe_url" in run_module("check_monitoring", items=["post.monitoring.performance"], targets=TARGETS)["msg"]


@pytest.mark.parametrize("stands_still", [False, True])
def test_rules_that_are_late_are_looked_at_again(stands_still: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE", 0.01)
    looks: list[float] = []

    def respond(_method: str, path: str, _headers: Mapping[str, str]) -> Reply:
        if urlsplit(path).path == "/api/v1/format_query":
            return 200, {}, json.dumps({"status": "success", "data": parse_qs(urlsplit(path).query)["query"][0]})
        looks.append(time.time())
        age = 60 if stands_still or len(looks) < 3 else 0
        evaluated = {"lastEvaluation": datetime.fromtimestamp(time.time() - age, UTC).isoformat()}
        group = {"interval": 0.1, "rules": [{"name": "X", "query": "up", "type": "alerting", "health": "ok", **evaluated}]}
        return 200, {}, json.dumps({"status": "success", "data": {"groups": [group]}})

    with serving(respond) as port:
        watch = watching.Watch({
            "interval": "100ms",
            "targets": {},
            "user": None,
            "prometheus_url": f"http://127.0.0.1:{port}",
            "alertmanager_url": ALERTMANAGER,
            "app_job": "app",
            "rules": [{"rules": [{"alert": "X", "expr": "up"}]}],
        })  # fmt: skip
        problems = monitoring.rule_problems(watch._rules_in_time(), watch.rules, time.time())
    assert (len(looks) > 3) is stands_still
    assert problems == (["rule X was last looked at 60 s ago"] if stands_still else [])
    assert looks[-1] - looks[0] < 5


def test_a_test_alert_is_sent(run_module: Run, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret-password")
    seen: list[str] = []

    def metrics(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        seen.append(headers.get("Authorization", ""))
        assert urlsplit(path).path == "/metrics" and not parse_qs(path)
        counts = {"": 7, "failed_": 2}
        lines = [
            f'alertmanager_notification_requests_{name}total{{integration="webhook"}} {count}' for name, count in counts.items()
        ]
        return 200, {}, "\n".join(lines)

    file = tmp_path / "test.prom"
    with serving(metrics) as port:
        given = {"alertmanager_url": f"http://127.0.0.1:{port}", "user": "operator", "password_file": str(tmp_path / "password")}
        tried = run_module("send_test_alert", **given, file=str(file), _ansible_check_mode=True)
        assert not file.exists()
        sent = run_module("send_test_alert", **given, file=str(file))["test_alert"]
    assert seen[0].startswith("Basic ")
    assert sent["before"] == {"webhook": [7, 2]}
    assert sent["nonce"] != tried["test_alert"]["nonce"]
    assert f'nonce="{sent["nonce"]}"' in file.read_text()
    assert "No test alert was sent" in run_module("send_test_alert", alertmanager_url="http://127.0.0.1:1", file=str(file))["msg"]


def test_an_application_without_figures_is_not_made_to_fail(run_module: Run, tmp_path: Path) -> None:
    given: dict[str, Any] = {"socket": str(tmp_path / "none.sock"), "request": {"path": "/"}, "metric": "errors_total"}
    assert "figures cannot be read: no answer" in run_module("cause_error", **given, units=["web.service"])["msg"]
    assert "the whole journal would be read" in run_module("cause_error", **given, units=[])["msg"]

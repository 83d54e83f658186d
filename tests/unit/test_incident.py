"""The incident of a rollback: what a tick needs, and what it must not be given for."""

import json
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox import incident
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.record import Writer
from signing import AUTHOR, Keys, commit, git, repository
from web import Reply, serving

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schemas" / "incident.schema.json"
SEVERITY, DECISION, DOCUMENT, CAUSE = (
    "rollback.assess.severity",
    "rollback.assess.decision",
    "rollback.assess.document",
    "rollback.close.root_cause",
)
ASSESS = [SEVERITY, DECISION, DOCUMENT]
WHY = "Orders fail since the upgrade to v2"
LEAD = "lead@example.com"
PAGE = "We are updating"
TOKEN = "correct-horse-battery"  # noqa: S105
Run = Callable[..., dict[str, Any]]


def probe(**more: Any) -> dict[str, Any]:
    return {
        "name": "front page",
        "as": "operator",
        "asked": incident.now(),
        "status": 200,
        "seconds": 0.01,
        "problems": [],
        "maintenance": False,
        **more,
    }


VISITOR: dict[str, Any] = {"as": "visitor"}
QUIET: dict[str, Any] = {"asked": "", "firing": [], "problem": ""}


def alert(severity: str) -> dict[str, Any]:
    return {**QUIET, "firing": [{"name": "Down", "severity": severity, "summary": "it is down", "since": ""}]}


DOWN = {"status": 0, "problems": ["no answer (refused)"]}
ERROR = {"status": 500, "problems": ["status 500, not 200"]}
CLOSED = {"status": 503, "problems": ["status 503, not 200"], "maintenance": True}
WRONG = {"problems": ["the body does not hold 'x'"]}


@pytest.mark.parametrize(
    ("level", "probes", "alerts"),
    [
        ("minor", [probe(**VISITOR), probe(), probe()], QUIET),
        ("minor", [probe(**VISITOR), probe()], alert("warning")),
        ("minor", [probe(**VISITOR), probe()], alert("test")),
        ("major", [probe(**VISITOR), probe()], alert("critical")),
        ("major", [probe(**VISITOR), probe(**ERROR), probe(), probe()], QUIET),
        ("major", [probe(**VISITOR), probe(**WRONG), probe(), probe()], QUIET),
        ("major", [probe(**VISITOR, **CLOSED), probe()], QUIET),
        ("critical", [probe(**VISITOR), probe(**ERROR), probe()], QUIET),
        ("critical", [probe(**VISITOR, **DOWN), probe()], QUIET),
        ("critical", [probe(**VISITOR, **DOWN), probe(**DOWN)], alert("critical")),
        ("unknown", [], alert("critical")),
        ("unknown", [probe(**VISITOR)], QUIET),
        ("unknown", [probe()], QUIET),
    ],
)
def test_severity_follows_from_what_was_seen(level: str, probes: list[dict[str, Any]], alerts: dict[str, Any]) -> None:
    scored = incident.score(probes, alerts)
    assert scored["level"] == level
    assert scored["impact"]


@pytest.mark.parametrize(
    "text", ["", "  ", "todo", "none", "test test", "........", "xxxxxxxxxx", "n/a n/a n/a", "aaaa bbbb", "-", "fixme tbd"]
)
def test_reasons_that_say_nothing(text: str) -> None:
    assert incident.no_reason(text)


@pytest.mark.parametrize("text", [WHY, "500s on checkout", "login is broken", "Die Anmeldung hängt"])
def test_reasons_that_say_something(text: str) -> None:
    assert not incident.no_reason(text)


def test_alerts_that_fire() -> None:
    firing = {
        "labels": {"alertname": "Down", "severity": "critical"},
        "annotations": {"summary": "x"},
        "state": "firing",
        "activeAt": "t",
    }
    answer = {"status": "success", "data": {"alerts": [firing, {**firing, "state": "pending"}]}}
    assert incident.alerts_of(answer) == [{"name": "Down", "severity": "critical", "summary": "x", "since": "t"}]
    other: list[Any] = [None, [], {"data": {}}, {"data": {"alerts": [{"state": "firing"}]}}]
    for broken in other:
        with pytest.raises(CouldNotLook):
            incident.alerts_of(broken)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A run that has begun."""
    folder = tmp_path / "run-7"
    folder.mkdir()
    Writer(folder).append(
        {"event": "opened", "time": time.time(), "id": "run-7", "app": "shop", "environment": "production", "who": "ann@desk"}
    )
    return folder


def arguments(directory: Path, **more: Any) -> dict[str, Any]:
    return {
        "directory": str(directory),
        "from_release": "v2-aaaa",
        "to_release": "v1-bbbb",
        "commit": "c" * 40,
        "reason": WHY,
        "policy": "keep",
        "why": "no migration has run since",
        "url": "http://127.0.0.1:9",
        "requests": [
            {"name": "front page", "path": "/", "contains": "hello"},
            {"name": "orders", "path": "/orders", "contains": "hello"},
        ],
        "page": PAGE,
        "rounds": 2,
        **more,
    }


def looked(run_module: Run, directory: Path, *items: str, **more: Any) -> dict[str, dict[str, Any]]:
    seen = run_module(
        "check_incident", items=list(items) or ASSESS, directory=str(directory), schema=str(SCHEMA), report_only=True, **more
    )
    return {one["item"]: one for one in seen["assertions"]}


@pytest.fixture
def opened(run_module: Run, directory: Path) -> dict[str, Any]:
    """An incident whose site was down, without a monitoring."""
    found: dict[str, Any] = run_module("assess_incident", **arguments(directory))["incident"]
    return found


def test_an_incident_of_a_site_that_is_down(run_module: Run, directory: Path, opened: dict[str, Any]) -> None:
    assert opened["severity"]["level"] == "critical"
    # After a round without an answer nobody waits for another.
    assert [one["as"] for one in opened["probes"]] == ["visitor", "operator", "operator"]
    seen = looked(run_module, directory)
    assert (seen[SEVERITY]["status"], seen[DECISION]["status"], seen[DOCUMENT]["status"]) == ("unverifiable", "passed", "passed")
    assert "alerts: no monitoring is named" in seen[SEVERITY]["summary"]
    assert WHY in seen[DECISION]["summary"]
    text = (directory / "incident.md").read_text()
    assert "critical" in text
    assert WHY in text


def test_an_incident_of_a_site_that_answers(run_module: Run, directory: Path) -> None:
    def answer(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        if path == "/api/v1/alerts":
            return 200, {}, '{"status": "success", "data": {"alerts": []}}'
        if headers.get("X-Maintenance-Bypass") != TOKEN:
            return 503, {}, PAGE
        return (500 if path == "/orders" else 200), {"X-Request-ID": headers["X-Request-ID"]}, "hello"

    with serving(answer) as port:
        url = f"http://127.0.0.1:{port}"
        found = run_module("assess_incident", **arguments(directory, url=url, prometheus_url=url, bypass_token=TOKEN))["incident"]
    assert found["severity"] == {
        "level": "critical",
        "impact": "2 of 4 requests failed, visitors get the maintenance page",
        "findings": ["orders: status 500, not 200"],
    }
    assert len(found["probes"]) == 5
    assert {one["status"] for one in looked(run_module, directory).values()} == {"passed"}
    assert TOKEN not in (directory / "incident.json").read_text()


def test_a_site_without_an_address_was_not_probed(run_module: Run, directory: Path) -> None:
    found = run_module("assess_incident", **arguments(directory, url="nowhere"))["incident"]
    assert found["severity"]["level"] == "unknown"
    assert looked(run_module, directory)[SEVERITY]["summary"].startswith("no probe ran")


def changed(directory: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    found = incident.read(directory)
    change(found)
    (directory / "incident.json").write_text(json.dumps(found))


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    def change(found: dict[str, Any]) -> None:
        place = found
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return change


LATER = (datetime.now(UTC) + timedelta(minutes=5)).isoformat(timespec="milliseconds")


@pytest.mark.parametrize(
    ("item", "change", "said"),
    [
        (SEVERITY, put("probes", value=[]), "no probe ran"),
        (SEVERITY, put("severity", "level", value="minor"), "it says minor"),
        (SEVERITY, put("severity", "impact", value="nothing to see"), "what was seen says critical"),
        (SEVERITY, lambda found: found["probes"][0].update(asked="2026-01-01T00:00:00+00:00"), "not of the moment"),
        (SEVERITY, put("alerts", "asked", value="2026-01-01T00:00:00+00:00"), "not of the moment"),
        (SEVERITY, lambda found: found.pop("probes"), "lacks something"),
        (DECISION, put("decision", "reason", value=" "), "the reason says nothing"),
        (DECISION, put("decision", "reason", value="todo"), "the reason says nothing"),
        (DECISION, put("decision", "who", value=""), "nobody decided"),
        (DECISION, put("decision", "by", value="rule"), "no rule fired"),
        (
            DECISION,
            put("decision", value={"by": "rule", "who": "x", "reason": WHY, "at": LATER, "rule": [{"task": "a", "host": "b"}]}),
            "does not know",
        ),
        (DOCUMENT, put("from_release", value=""), "from_release"),
        (DOCUMENT, put("decision", "reason", value="  "), "decision.reason"),
        (DOCUMENT, put("commit", value="v2"), "commit"),
        (DOCUMENT, lambda found: found.pop("evidence"), "evidence"),
        (DOCUMENT, put("evidence", "sha256", value="0" * 64), "line 1 of results.jsonl is not what it was"),
        (DOCUMENT, put("evidence", "line", value=99), "line 99"),
        (DOCUMENT, put("run", value="run-6"), "it is of run 'run-6'"),
        (DOCUMENT, put("environment", value="staging"), "it is of environment"),
        (DOCUMENT, put("database", "policy", value="restored"), "database"),
        (DOCUMENT, put("database", "policy", value="downgraded"), "database.aside"),
        (DOCUMENT, put("database", "export", value="/var/backups/writes"), "database.export"),
        (DOCUMENT, put("database", "why", value=""), "database.why"),
        (DOCUMENT, put("more", value="x"), "more"),
    ],
)
def test_what_must_not_be_ticked(
    run_module: Run, directory: Path, opened: dict[str, Any], item: str, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    changed(directory, change)
    seen = looked(run_module, directory)[item]
    assert (seen["status"], said in seen["summary"]) == ("failed", True), seen["summary"]


@pytest.mark.parametrize("content", [None, "", "{", "[]", "null", '{"run": 1}'])
def test_an_incident_that_is_not_there_or_no_incident(run_module: Run, directory: Path, content: str | None) -> None:
    if content is not None:
        (directory / "incident.json").write_text(content)
    assert {one["status"] for one in looked(run_module, directory).values()} <= {"failed", "unverifiable"}
    assert looked(run_module, directory, CAUSE)[CAUSE]["status"] in ("failed", "unverifiable")


def test_a_decision_after_the_first_change(run_module: Run, directory: Path) -> None:
    Writer(directory).append(
        {"event": "assertion", "item": "rollback.initiate.maintenance", "started": incident.now(), "status": "passed"}
    )
    run_module("assess_incident", **arguments(directory))
    assert "after the first change" in looked(run_module, directory)[DECISION]["summary"]


def test_what_another_run_had_left_was_brought_back_before(run_module: Run, directory: Path) -> None:
    write = Writer(directory).append
    write({"event": "assertion", "item": "rollback.initiate.maintenance", "started": incident.now(), "status": "passed"})
    write({"event": "failure", "host": "one", "task": "Run database migrations", "message": "no such column"})
    run_module("assess_incident", **arguments(directory, reason=""))
    assert looked(run_module, directory)[DECISION]["status"] == "passed"


def test_an_automatic_rollback_names_what_failed(run_module: Run, directory: Path) -> None:
    Writer(directory).append({"event": "failure", "host": "one", "task": "Run database migrations", "message": "no such column"})
    found = run_module("assess_incident", **arguments(directory, reason=""))["incident"]
    assert found["decision"]["by"] == "rule"
    seen = looked(run_module, directory)
    assert seen[DECISION]["summary"] == 'the deployment of ann@desk: "Run database migrations" failed on one'
    assert seen[DOCUMENT]["status"] == "passed"
    changed(directory, lambda found: found["decision"]["rule"][0].update(host="two"))
    assert "does not know that failure" in looked(run_module, directory)[DECISION]["summary"]


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ({"policy": "keep"}, "Database: kept as it is (because)."),
        ({"policy": "downgrade", "aside": "shop_aside"}, "Database: downgraded; the newer one is kept as shop_aside (because)."),
        (
            {"policy": "restore", "restore_point": "shop_before", "aside": "shop_aside", "export": "/var/backups/writes"},
            "back to shop_before; the newer one is kept as shop_aside (because). "
            "What was written since go-live and is in the newer one alone: /var/backups/writes.",
        ),
    ],
)
def test_what_becomes_of_the_database_is_written_down(
    run_module: Run, directory: Path, database: dict[str, str], said: str
) -> None:
    run_module("assess_incident", **arguments(directory, why="because", **database))
    assert looked(run_module, directory, DOCUMENT)[DOCUMENT]["status"] == "passed"
    assert said in (directory / "incident.md").read_text()


def test_neither_a_reason_nor_a_rule(run_module: Run, directory: Path) -> None:
    run_module("assess_incident", **arguments(directory, reason=""))
    seen = looked(run_module, directory)
    assert (seen[DECISION]["status"], seen[DOCUMENT]["status"]) == ("failed", "failed")


def test_a_broken_record_says_nothing(run_module: Run, directory: Path, opened: dict[str, Any]) -> None:
    path = directory / "results.jsonl"
    path.write_text(path.read_text().replace("ann@desk", "bob@desk") + "{}\n")
    assert looked(run_module, directory)[DECISION]["status"] == "unverifiable"


class Explained:
    """A run whose release was taken back, a repository with the commit, and somebody who may sign."""

    def __init__(self, tmp_path: Path, run_module: Run, directory: Path) -> None:
        self.run, self.directory = run_module, directory
        self.work = tmp_path / "work"
        self.first = repository(self.work, {"a.txt": "1"})
        self.failed = commit(self.work, {"a.txt": "2"})
        self.fixed = commit(self.work, {"a.txt": "3", "tests/test_a.py": "def test_a(): pass\n"})
        (tmp_path / "keys").mkdir()
        self.keys = Keys(tmp_path / "keys")
        self.allowed = self.keys.allow(self.keys.line(LEAD, "lead"), self.keys.line("other@example.com", "other"))
        run_module("assess_incident", **arguments(directory, commit=self.failed))

    def explain(self, key: str = "lead", **given: Any) -> dict[str, Any]:
        signing = {"key": str(self.keys.make(key)), "directory": str(self.directory), "repository": str(self.work / ".git")}
        return self.run("explain_incident", **{**signing, **given})

    def seen(self, **more: Any) -> dict[str, Any]:
        given = {"repository": str(self.work / ".git"), "allowed_signers": str(self.allowed), "signers": [LEAD], **more}
        return looked(self.run, self.directory, CAUSE, **given)[CAUSE]


@pytest.fixture
def case(tmp_path: Path, run_module: Run, directory: Path) -> Explained:
    return Explained(tmp_path, run_module, directory)


BECAUSE = "Migration 0004 dropped the column that the worker of v1 still wrote to"


def test_the_cause_is_named_and_signed(case: Explained) -> None:
    assert case.seen()["status"] == "pending"
    found = case.explain(cause=BECAUSE)["incident"]
    assert found["cause"]["commit"] == case.failed
    assert case.seen()["status"] == "attested"
    assert BECAUSE in (case.directory / "incident.md").read_text()
    # What was assessed is still so, and the incident still fits its schema.
    assert looked(case.run, case.directory)[DOCUMENT]["status"] == "passed"


def test_a_fix_can_be_named_later(case: Explained) -> None:
    case.explain(cause=BECAUSE, commit=case.first)
    found = case.explain(fix="main", test="tests/test_a.py::test_a")["incident"]
    assert found["fix"]["commit"] == case.fixed
    assert found["cause"]["commit"] == case.first
    assert case.seen()["status"] == "attested"
    assert looked(case.run, case.directory)[DOCUMENT]["status"] == "passed"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "cause: nobody has named it yet"),
        ({"cause": ""}, "cause: '' says nothing"),
        ({"cause": "unknown"}, "says nothing"),
        ({"cause": BECAUSE, "commit": "v9"}, "commit: the repository has no 'v9'"),
        ({"cause": BECAUSE, "fix": "v9", "test": "a.py::test"}, "fix: the repository has no 'v9'"),
        ({"cause": BECAUSE, "fix": "main"}, "test: None is no test"),
        ({"cause": BECAUSE, "fix": "main", "test": "all of them"}, "is no test that shows the fix"),
    ],
)
def test_an_explanation_that_is_none_changes_nothing(case: Explained, given: dict[str, Any], said: str) -> None:
    before = (case.directory / "incident.json").read_bytes()
    done = case.explain(**given)
    assert done["failed"]
    assert said in done["msg"]
    assert (case.directory / "incident.json").read_bytes() == before
    assert case.seen()["status"] == "pending"


def test_a_cause_that_does_not_count(case: Explained) -> None:
    case.explain(cause=BECAUSE, commit="main")
    assert "is no part of what was taken back" in case.seen()["summary"]
    case.explain(key="other", cause=BECAUSE)
    assert case.seen()["status"] == "failed"
    case.explain(cause=BECAUSE)
    assert case.seen(signers=[])["status"] == "unverifiable"
    assert case.seen(signers=["other@example.com"])["status"] == "failed"
    assert case.seen(allowed_signers=None)["status"] == "unverifiable"
    assert case.seen(days=0)["status"] == "failed"
    (case.directory / f"{CAUSE}.json.sig").unlink()
    assert case.seen()["status"] == "unverifiable"


def test_an_incident_changed_after_it_was_signed(case: Explained) -> None:
    case.explain(cause=BECAUSE)
    whole = incident.read(case.directory)
    for change in (
        put("cause", "text", value=""),
        put("cause", "text", value="Nothing of that was so, it was another thing"),
        put("cause", value={}),
        put("severity", "level", value="minor"),
        put("run", value="run-6"),
        put("commit", value=case.first),
    ):
        other = deepcopy(whole)
        change(other)
        (case.directory / "incident.json").write_text(json.dumps(other))
        assert case.seen()["status"] == "failed"
    incident.write(case.directory, whole)
    assert case.seen()["status"] == "attested"


def test_who_wrote_the_commit_does_not_sign_its_cause(case: Explained) -> None:
    case.allowed = case.keys.allow(case.keys.line(AUTHOR, "lead"))
    case.explain(cause=BECAUSE)
    assert "so another has to sign" in case.seen(signers=[AUTHOR])["summary"]
    assert git(case.work, "log", "-1", "--format=%ae", case.failed) == AUTHOR

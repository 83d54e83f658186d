"""A run from its opening to its summary, and the gate of its phases."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.record import Writer
from ansible.module_utils.tickbox.waivers import waived
from junitparser import JUnitXml
from sample_run import TEMPLATES

CHECKLIST = [
    {"id": "deploy.backup.database", "phase": "deploy.backup", "text": "Create a backup", "module": "check_backup"},
    {"id": "deploy.backup.files", "phase": "deploy.backup", "text": "Back the files up"},
    {"id": "post.performance.cpu_spikes", "phase": "post.performance", "text": "No CPU spikes"},
    {"id": "pre.security.csp", "phase": "pre.security", "text": "CSP", "module": "check_csp", "held_in": "post.performance"},
    {"id": "signoff.qa_lead", "phase": "signoff", "text": "QA Lead"},
]
DOCUMENT = {
    "title": "Checklist for {Title}",
    "text": "",
    "sections": [
        {"title": phase, "parts": [{"phase": phase, "title": phase}]}
        for phase in ("deploy.backup", "post.performance", "pre.security")
    ]
    + [{"title": "Sign-Off", "signatures": "signoff"}],
}
WAIVER = {"item": "deploy.backup.database", "reason": "moved | to B", "approver": "Carla", "expires": "2026-06-30"}
FACTS = {"kind": "deploy", "app": "shop", "environment": "test"}


@pytest.fixture
def run(run_module: Any, tmp_path: Path) -> dict[str, Any]:
    given = {"state": "opened", "reports": str(tmp_path), "facts": FACTS, "checklist": CHECKLIST}
    opened: dict[str, Any] = run_module("run_record", **given)["tickbox_run"]
    Writer(Path(opened["directory"])).append({"event": "opened", "time": opened["started"], **opened})
    return opened


def see(run: dict[str, Any], item: str, status: str, host: str = "one", today: date | None = None, **more: Any) -> None:
    """Record what a look saw; with ``today``, as WAIVER has it on that day."""
    assertion = {"item": item, "status": status, "summary": "seen"}
    if today:
        assertion = waived({"assertions": [assertion]}, [WAIVER], today)["assertions"][0]
    Writer(Path(run["directory"])).append({"event": "assertion", "host": host, **assertion, **more})


def gate(run_module: Any, run: dict[str, Any], phases: list[str], **more: Any) -> dict[str, Any]:
    result: dict[str, Any] = run_module("run_gate", directory=run["directory"], checklist=CHECKLIST, phases=phases, **more)
    return result


def documents(run_module: Any, run: dict[str, Any]) -> Path:
    """Make the documents of a run; its folder."""
    given = {"checklist": CHECKLIST, "document": DOCUMENT, "templates": str(TEMPLATES)}
    assert "msg" not in run_module("run_report", directory=run["directory"], **given)
    return Path(run["directory"])


def close(run_module: Any, run: dict[str, Any]) -> dict[str, Any]:
    closing = {"outcome": "deployed", "to_release": "v2", "window_seconds": 4.2}
    closed = run_module("run_record", state="closed", directory=run["directory"], checklist=CHECKLIST, facts=closing)
    summary: dict[str, Any] = json.loads((Path(run["directory"]) / "summary.json").read_text())
    assert closed["summary"] == summary
    assert closed["sentences"][0].startswith("deploy of shop: deployed")
    assert "4.2 s of it in the maintenance window" in closed["sentences"][2]
    return summary


def test_the_gate_holds_a_host_that_could_not_be_reached(run_module: Any, run: dict[str, Any]) -> None:
    items = [item["id"] for item in CHECKLIST if item["phase"] == "deploy.backup"]
    for item in items:
        see(run, item, "passed")
    assert "msg" not in gate(run_module, run, ["deploy.backup"])
    Writer(Path(run["directory"])).append({"event": "unreachable", "host": "two", "task": "Look", "message": "timed out"})
    assert gate(run_module, run, ["deploy.backup"])["msg"] == "The gate holds: two could not be reached"


def test_the_gate_holds_an_item_that_nobody_looked_at(run_module: Any, run: dict[str, Any]) -> None:
    result = gate(run_module, run, ["deploy.backup"])
    assert result["failed"]
    assert "deploy.backup.database: check_backup did not look at it" in result["msg"]


def test_an_item_is_held_where_it_can_be_looked_at(run_module: Any, run: dict[str, Any]) -> None:
    assert "has no item in pre" in gate(run_module, run, ["pre"])["msg"]
    assert "pre.security.csp: check_csp did not look at it" in gate(run_module, run, ["post"])["msg"]


def test_an_item_that_is_held_elsewhere_is_not_held_here(run_module: Any, run: dict[str, Any]) -> None:
    see(run, "deploy.backup.database", "passed")
    assert "failed" not in gate(run_module, run, ["deploy.backup", "pre"])
    see(run, "pre.security.csp", "failed")
    assert "failed" not in gate(run_module, run, ["deploy.backup", "pre"])
    assert "pre.security.csp: failed, seen" in gate(run_module, run, ["post.performance"])["msg"]


def test_what_comes_later_is_held_by_the_later_gate(run_module: Any, run: dict[str, Any]) -> None:
    assert "failed" not in gate(run_module, run, ["deploy.backup"], later=["deploy.backup.database"])
    assert gate(run_module, run, ["deploy.backup"])["failed"]
    assert gate(run_module, run, ["deploy.backup"], later=["deploy.backup.files"])["failed"]


@pytest.mark.parametrize("status", ["passed", "attested", "waived", "not_applicable"])
def test_the_gate_lets_through(run_module: Any, run: dict[str, Any], status: str) -> None:
    see(run, "deploy.backup.database", status)
    assert "failed" not in gate(run_module, run, ["deploy.backup"])
    see(run, "deploy.backup.database", "failed", host="two")
    assert gate(run_module, run, ["deploy.backup"])["failed"], "on another host"


@pytest.mark.parametrize("status", ["failed", "unverifiable"])
def test_a_waiver_lets_through_until_it_expires(run_module: Any, run: dict[str, Any], status: str) -> None:
    see(run, "deploy.backup.database", status, today=date(2026, 6, 30))
    assert "failed" not in gate(run_module, run, ["deploy.backup"])
    see(run, "deploy.backup.database", status, today=date(2026, 7, 1))
    held = gate(run_module, run, ["deploy.backup"])["msg"]
    assert f"deploy.backup.database: {status}, seen (the waiver of Carla expired on 2026-06-30)" in held


@pytest.mark.parametrize("status", ["failed", "unverifiable", "pending"])
def test_the_gate_holds_an_item_that_is_not_ticked(run_module: Any, run: dict[str, Any], status: str) -> None:
    see(run, "deploy.backup.database", status)
    assert gate(run_module, run, ["deploy.backup"])["failed"]


def test_the_gate_lets_a_ticked_phase_through_and_names_what_has_no_verifier(run_module: Any, run: dict[str, Any]) -> None:
    see(run, "deploy.backup.database", "passed")
    result = gate(run_module, run, ["deploy.backup"])
    assert "failed" not in result
    assert [(a["item"], a["status"], a["summary"]) for a in result["assertions"]] == [
        ("deploy.backup.files", "unverifiable", "no verifier yet")
    ]


def test_what_is_not_applicable_holds_nothing_and_has_its_reason(run_module: Any, run: dict[str, Any]) -> None:
    reasons = {"deploy.backup.database": "there is none"}
    result = gate(run_module, run, ["deploy.backup"], not_applicable=reasons)
    assert "failed" not in result
    seen = {a["item"]: (a["status"], a["summary"]) for a in result["assertions"]}
    assert seen["deploy.backup.database"] == ("not_applicable", "there is none")


def test_what_was_looked_at_all_the_same_is_what_the_look_saw(run_module: Any, run: dict[str, Any]) -> None:
    see(run, "deploy.backup.database", "failed")
    result = gate(run_module, run, ["deploy.backup"], not_applicable={"deploy.backup.database": "there is none"})
    assert "deploy.backup.database: failed, seen" in result["msg"]
    assert [a["item"] for a in result["assertions"]] == ["deploy.backup.files"]


def test_the_gate_refuses_a_phase_that_the_checklist_lacks(run_module: Any, run: dict[str, Any]) -> None:
    assert gate(run_module, run, ["deploy.bakup"])["failed"]


def test_the_gate_refuses_an_edited_record(run_module: Any, run: dict[str, Any]) -> None:
    see(run, "deploy.backup.database", "failed")
    see(run, "deploy.backup.database", "failed")
    record = Path(run["directory"]) / "results.jsonl"
    record.write_text(record.read_text().replace('"failed"', '"passed"'))
    assert "cannot be read" in gate(run_module, run, ["deploy.backup"])["msg"]


def test_the_summary_says_what_was_seen(run_module: Any, run: dict[str, Any]) -> None:
    see(run, "deploy.backup.database", "passed", seconds=1.5)
    see(run, "deploy.backup.database", "passed", host="two", seconds=2.25)
    summary = close(run_module, run)
    assert summary["outcome"] == "deployed"
    assert summary["window_seconds"] == 4.2
    assert summary["counts"] == {"passed": 1, "pending": 1}
    assert [(item["id"], item["status"], item["seconds"]) for item in summary["items"]] == [
        ("deploy.backup.database", "passed", 2.25),
        ("signoff.qa_lead", "pending", 0.0),
    ]
    directory = documents(run_module, run)
    text = (directory / "checklist.md").read_text()
    assert "- [x] Create a backup\n" in text
    assert "- [ ] Back the files up (not looked at: the run did not come to it)" in text
    assert "| QA Lead |  | pending: nobody has signed it yet |  |" in text
    assert (directory.parent / "latest").resolve() == directory.resolve()


def test_what_was_waived_is_never_ticked(run_module: Any, run: dict[str, Any]) -> None:
    see(run, "deploy.backup.database", "failed", today=date(2026, 6, 30))
    see(run, "deploy.backup.files", "attested")
    summary = close(run_module, run)
    assert summary["counts"] == {"waived": 1, "attested": 1, "pending": 1}
    item = summary["items"][0]
    assert item["waiver"] == {"reason": "moved | to B", "approver": "Carla", "expires": "2026-06-30", "seen": "failed"}
    assert item["summary"] == "waived by Carla until 2026-06-30: moved | to B; failed: seen"
    text = (documents(run_module, run) / "checklist.md").read_text()
    assert "- [ ] Create a backup (waived by Carla until 2026-06-30: moved \\| to B; failed: seen)" in text
    assert "- [x] Back the files up\n" in text


def test_the_report_for_a_ci_service(run_module: Any, run: dict[str, Any]) -> None:
    see(run, "deploy.backup.database", "failed", today=date(2026, 6, 30), seconds=3)
    see(run, "deploy.backup.files", "failed", summary="<\x1b & \ud800")
    see(run, "post.performance.cpu_spikes", "unverifiable")
    see(run, "pre.security.csp", "passed")
    close(run_module, run)
    suite = next(iter(JUnitXml.fromfile(str(documents(run_module, run) / "junit.xml"))))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (5, 1, 1, 2)
    cases = {case.name.split(":")[0]: case for case in suite}
    kinds = {name: [type(result).__name__ for result in case.result] for name, case in cases.items()}
    assert kinds == {
        "deploy.backup.database": ["Skipped"],
        "deploy.backup.files": ["Failure"],
        "post.performance.cpu_spikes": ["Error"],
        "pre.security.csp": [],
        "signoff.qa_lead": ["Skipped"],
    }
    assert cases["deploy.backup.database"].time == 3
    assert (
        cases["deploy.backup.database"].result[0].message == "waived: waived by Carla until 2026-06-30: moved | to B; failed: seen"
    )


def test_no_run_begins_with_a_waiver_that_is_wrong(run_module: Any, tmp_path: Path) -> None:
    given = {"state": "opened", "reports": str(tmp_path), "facts": FACTS, "checklist": CHECKLIST}
    result = run_module("run_record", waivers=[{**WAIVER, "item": "deploy.backup.databse"}], **given)
    assert result["msg"] == "run_waivers: deploy.backup.databse is no item of the checklist"
    assert list(tmp_path.iterdir()) == []
    assert "failed" not in run_module("run_record", waivers=[WAIVER], **given)


def test_check_mode_keeps_no_record(run_module: Any, tmp_path: Path) -> None:
    given = {"state": "opened", "reports": str(tmp_path), "facts": FACTS, "checklist": CHECKLIST}
    opened = run_module("run_record", _ansible_check_mode=True, **given)
    assert opened["tickbox_run"]["directory"] == ""
    assert list(tmp_path.iterdir()) == []


def close_with(run_module: Any, run: dict[str, Any], **facts: Any) -> dict[str, Any]:
    arguments = {"state": "closed", "directory": run["directory"], "checklist": CHECKLIST, "facts": facts}
    summary: dict[str, Any] = run_module("run_record", **arguments)["summary"]
    return summary


def test_what_is_known_later_is_added_to_a_run_that_has_ended(run_module: Any, run: dict[str, Any], tmp_path: Path) -> None:
    see(run, "deploy.backup.files", "pending")
    before = close_with(run_module, run, outcome="deployed", window_seconds=3.5)
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").symlink_to("a_later_run")

    resumed = run_module("run_record", state="resumed", directory=run["directory"])["tickbox_run"]
    assert resumed["id"] == run["id"]
    Writer(Path(resumed["directory"])).append({"event": "resumed", "time": 0, **resumed})
    see(run, "deploy.backup.files", "passed")
    after = close_with(run_module, run)

    assert {item["id"]: item["status"] for item in after["items"]}["deploy.backup.files"] == "passed"
    changed = {"items", "counts", "record_lines", "record_digest"}
    assert {name for name in before if after[name] != before[name]} == changed
    assert after["amended"] >= before["ended"]
    assert "[x] Back the files up" in (documents(run_module, run) / "checklist.md").read_text()
    assert (tmp_path / "latest").readlink() == Path("a_later_run")


def test_a_run_that_has_not_ended_or_is_none_is_not_gone_on_with(run_module: Any, run: dict[str, Any], tmp_path: Path) -> None:
    assert "holds no run that has ended" in run_module("run_record", state="resumed", directory=run["directory"])["msg"]
    assert "holds no run that has ended" in run_module("run_record", state="resumed", directory=str(tmp_path / "none"))["msg"]
    close_with(run_module, run, outcome="deployed")
    results = Path(run["directory"]) / "results.jsonl"
    results.write_text(results.read_text().replace("shop", "ship"))
    see(run, "deploy.backup.files", "passed")
    results.write_text(results.read_text() + "{}\n")
    assert "does not follow" in run_module("run_record", state="resumed", directory=run["directory"])["msg"]

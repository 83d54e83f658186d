"""A run from its opening to its summary, and the gate of its phases."""

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.record import Writer

CHECKLIST = [
    {"id": "deploy.backup.database", "phase": "deploy.backup", "text": "Create a backup", "module": "check_backup"},
    {"id": "deploy.backup.files", "phase": "deploy.backup", "text": "Back the files up"},
    {"id": "post.performance.cpu_spikes", "phase": "post.performance", "text": "No CPU spikes"},
    {"id": "pre.security.csp", "phase": "pre.security", "text": "CSP", "module": "check_csp", "held_in": "post.performance"},
]
FACTS = {"kind": "deploy", "app": "shop", "environment": "test"}


@pytest.fixture
def run(run_module: Any, tmp_path: Path) -> dict[str, Any]:
    opened: dict[str, Any] = run_module("run_record", state="opened", reports=str(tmp_path), facts=FACTS)["tickbox_run"]
    Writer(Path(opened["directory"])).append({"event": "opened", "time": opened["started"], **opened})
    return opened


def see(run: dict[str, Any], item: str, status: str) -> None:
    Writer(Path(run["directory"])).append({"event": "assertion", "item": item, "status": status, "host": "one", "summary": "seen"})


def gate(run_module: Any, run: dict[str, Any], phases: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = run_module("run_gate", directory=run["directory"], checklist=CHECKLIST, phases=phases)
    return result


def test_the_gate_holds_an_item_that_nobody_looked_at(run_module: Any, run: dict[str, Any]) -> None:
    result = gate(run_module, run, ["deploy.backup"])
    assert result["failed"]
    assert "deploy.backup.database: check_backup did not look at it" in result["msg"]


def test_an_item_is_held_where_it_can_be_looked_at(run_module: Any, run: dict[str, Any]) -> None:
    assert "has no item in pre" in gate(run_module, run, ["pre"])["msg"]
    assert "pre.security.csp: check_csp did not look at it" in gate(run_module, run, ["post"])["msg"]


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
    arguments = {"directory": run["directory"], "checklist": CHECKLIST, "phases": ["deploy.backup"]}
    result = run_module("run_gate", not_applicable=reasons, **arguments)
    assert "failed" not in result
    seen = {a["item"]: (a["status"], a["summary"]) for a in result["assertions"]}
    assert seen["deploy.backup.database"] == ("not_applicable", "there is none")


@pytest.mark.parametrize(("status", "holds"), [("unverifiable", False), ("failed", True), ("pending", True), ("", True)])
def test_what_may_be_unverifiable_must_still_be_looked_at(run_module: Any, run: dict[str, Any], status: str, holds: bool) -> None:
    if status:
        see(run, "deploy.backup.database", status)
    arguments = {"directory": run["directory"], "checklist": CHECKLIST, "phases": ["deploy.backup"]}
    result = run_module("run_gate", may_be_unverifiable=["deploy.backup.database"], **arguments)
    assert ("failed" in result) is holds


def test_the_gate_refuses_a_phase_that_the_checklist_lacks(run_module: Any, run: dict[str, Any]) -> None:
    assert gate(run_module, run, ["deploy.bakup"])["failed"]


def test_the_gate_refuses_an_edited_record(run_module: Any, run: dict[str, Any]) -> None:
    see(run, "deploy.backup.database", "failed")
    see(run, "deploy.backup.database", "failed")
    record = Path(run["directory"]) / "results.jsonl"
    record.write_text(record.read_text().replace('"failed"', '"passed"'))
    assert "cannot be read" in gate(run_module, run, ["deploy.backup"])["msg"]


def test_the_summary_says_what_was_seen(run_module: Any, run: dict[str, Any]) -> None:
    see(run, "deploy.backup.database", "passed")
    directory = Path(run["directory"])
    closing = {"outcome": "deployed", "to_release": "v2", "window_seconds": 4.2}
    run_module("run_record", state="closed", directory=str(directory), checklist=CHECKLIST, facts=closing)
    summary = json.loads((directory / "summary.json").read_text())
    assert summary["outcome"] == "deployed"
    assert summary["window_seconds"] == 4.2
    assert [(item["id"], item["status"]) for item in summary["items"]] == [("deploy.backup.database", "passed")]
    text = (directory / "checklist.md").read_text()
    assert "- [x] Create a backup" in text
    assert "- [ ] Back the files up" in text
    assert (directory.parent / "latest").resolve() == directory.resolve()


def test_check_mode_keeps_no_record(run_module: Any, tmp_path: Path) -> None:
    opened = run_module("run_record", state="opened", reports=str(tmp_path), facts=FACTS, _ansible_check_mode=True)
    assert opened["tickbox_run"]["directory"] == ""
    assert list(tmp_path.iterdir()) == []

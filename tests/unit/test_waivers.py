"""Waivers: which are refused, what they make of an assertion, and that they hold for looks of every kind."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import failure
from ansible.module_utils.tickbox.waivers import BadWaiver, hold_against, read, waived

ROOT = Path(__file__).parents[2]
WAIVER = {"item": "pre.x.y", "reason": "the old one is kept", "approver": "Carla", "expires": "2026-06-30"}
LAST, AFTER = date(2026, 6, 30), date(2026, 7, 1)


def seen(item: str, status: str) -> dict[str, Any]:
    return {"item": item, "status": status, "summary": f"saw {status}", "observed": {"figure": 1}}


def failed(*assertions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"failed": True, "msg": failure(assertions), "exception": "(traceback)", "assertions": list(assertions), **more}


@pytest.mark.parametrize("status", ["failed", "unverifiable"])
def test_what_did_not_pass_is_waived_and_fails_no_task(status: str) -> None:
    result = waived(failed(seen("pre.x.y", status), seen("pre.x.z", "passed"), seconds=7), [WAIVER], LAST)
    assert set(result) == {"assertions", "seconds"}
    assertion = result["assertions"][0]
    assert assertion["status"] == "waived"
    assert assertion["summary"] == f"waived by Carla until 2026-06-30: the old one is kept; {status}: saw {status}"
    assert assertion["waiver"] == {"reason": "the old one is kept", "approver": "Carla", "expires": "2026-06-30", "seen": status}
    assert assertion["observed"] == {"figure": 1}


@pytest.mark.parametrize("status", ["passed", "attested", "not_applicable"])
def test_what_needs_no_waiver_stays_as_it_is(status: str) -> None:
    result = {"assertions": [seen("pre.x.y", status)]}
    assert waived(result, [WAIVER], LAST) == result


def test_an_expired_waiver_lets_the_item_fail() -> None:
    result = waived(failed(seen("pre.x.y", "failed")), [WAIVER], AFTER)
    assert result["failed"]
    assert result["msg"] == "pre.x.y failed: saw failed (the waiver of Carla expired on 2026-06-30)"
    assert result["assertions"][0]["status"] == "failed"


def test_another_item_fails_the_task_as_ever() -> None:
    result = waived(failed(seen("pre.x.y", "failed"), seen("pre.x.z", "failed")), [WAIVER], LAST)
    assert result["failed"]
    assert result["msg"] == "pre.x.z failed: saw failed"
    assert [assertion["status"] for assertion in result["assertions"]] == ["waived", "failed"]


def test_a_task_that_fails_for_another_reason_goes_on_failing() -> None:
    result = waived(failed(seen("pre.x.y", "failed"), msg="the journal cannot be read"), [WAIVER], LAST)
    assert result["failed"]
    assert result["msg"] == "the journal cannot be read"
    crashed = {"failed": True, "msg": "no module"}
    assert waived(crashed, [WAIVER], LAST) == crashed


@pytest.mark.parametrize(
    ("waivers", "says"),
    [
        ([{**WAIVER, "reason": " "}], "the waiver of pre.x.y has no reason"),
        ([{"item": "pre.x.y"}], "the waiver of pre.x.y has no reason, no approver, no expires"),
        ([WAIVER, {**WAIVER, "item": None}], "waiver 2 has no item"),
        ([{**WAIVER, "expires": "soon"}], "the waiver of pre.x.y expires 'soon', which is no day (YYYY-MM-DD)"),
        ([{**WAIVER, "expires": "2026-02-30"}], "'2026-02-30', which is no day"),
        ([{**WAIVER, "expires": "20260630"}], "'20260630', which is no day"),
        ([{**WAIVER, "expires": "2026-06-30T12:00:00"}], "which is no day"),
        ([WAIVER, WAIVER], "pre.x.y is waived twice"),
        (
            [{**WAIVER, "reason": ""}, {**WAIVER, "item": "pre.x.z", "expires": "x"}],
            "has no reason; the waiver of pre.x.z expires 'x'",
        ),
        ({"pre.x.y": "for ever"}, "is no list of waivers"),
        (["pre.x.y"], "is no list of waivers"),
    ],
)
def test_refuses(waivers: Any, says: str) -> None:
    with pytest.raises(BadWaiver) as refusal:
        read(waivers)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)
    result = waived(failed(seen("pre.x.y", "failed")), waivers, LAST)
    assert result["failed"]
    assert result["msg"] == str(refusal.value)
    assert result["assertions"][0]["status"] == "failed"


def test_refuses_what_nobody_looks_at() -> None:
    checklist = [{"id": "pre.x.y", "phase": "pre.x"}, {"id": "signoff.qa_lead", "phase": "signoff"}]
    hold_against([WAIVER], checklist)
    with pytest.raises(BadWaiver, match=r"run_waivers: pre\.x\.z is no item of the checklist; signoff\.qa_lead is a signature"):
        hold_against([WAIVER, {**WAIVER, "item": "pre.x.z"}, {**WAIVER, "item": "signoff.qa_lead"}], checklist)


def test_a_day_that_yaml_has_read_is_one() -> None:
    assert read([{**WAIVER, "expires": LAST}])["pre.x.y"].expires == LAST


SERVER, SMOKE = "pre.environment.server_requirements", "deploy.verification.smoke_tests"
PLAY = """
- hosts: localhost
  gather_facts: false
  vars: {directory: "{{ opened.tickbox_run.directory }}"}
  tasks:
    - run_record:
        state: opened
        reports: "{{ folder }}"
        checklist: "{{ checklist }}"
        waivers: "{{ run_waivers }}"
        facts: "{{ facts }}"
      register: opened
    - name: In a process of its own
      check_server: {cpus: 99999}
    - name: In the process of the task
      check_smoke: {answers: [], logged: []}
    - name: Asynchronously
      check_migrations: {chdir: /nowhere, heads: [a1], current_command: none, check_command: none}
      async: 60
      poll: 0
      register: begun
    - async_look: {jid: "{{ begun.ansible_job_id }}", seconds: 30}
    - name: Asynchronously, in a fork of the task's process
      check_accessible: {url: "http://127.0.0.1:9", contains: text}
      async: 60
      poll: 0
      register: begun
    - async_look: {jid: "{{ begun.ansible_job_id }}", seconds: 30}
    - run_gate: {directory: "{{ directory }}", checklist: "{{ checklist }}", phases: [pre, deploy]}
    - run_record: {state: closed, directory: "{{ directory }}", checklist: "{{ checklist }}", facts: {outcome: unchanged}}
"""
CHECKLIST = [
    {"id": SERVER, "phase": "pre.environment", "text": "Server", "module": "check_server"},
    {"id": SMOKE, "phase": "deploy.verification", "text": "Smoke", "module": "check_smoke"},
    {"id": "deploy.release.migrations", "phase": "deploy.release", "text": "Migrations", "module": "check_migrations"},
    {"id": "deploy.go_live.accessible", "phase": "deploy.go_live", "text": "Accessible", "module": "check_accessible"},
]


def play(folder: Path, expires: date) -> tuple[int, str, list[dict[str, Any]]]:
    """Exit code, output and recorded assertions of a play whose looks all fail, with a waiver for each."""
    file = folder / "play.yml"
    file.write_text(PLAY)
    terms = {"reason": "all of it is broken", "approver": "Carla", "expires": str(expires)}
    given = {
        "folder": str(folder / "reports"),
        "checklist": CHECKLIST,
        "facts": {"kind": "deploy", "app": "shop", "environment": "test"},
        "run_waivers": [{"item": item["id"], **terms} for item in CHECKLIST],
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "--inventory=localhost,", "--connection=local", str(file)]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_ASYNC_DIR": str(folder / "async")}
    done = subprocess.run(
        [*command, f"--extra-vars={json.dumps(given)}"], capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )
    events = [json.loads(line) for line in next((folder / "reports").glob("*/results.jsonl")).read_text().splitlines()]
    return done.returncode, done.stdout + done.stderr, [event for event in events if event["event"] == "assertion"]


def test_waivers_hold_for_looks_of_every_kind(tmp_path: Path) -> None:
    code, output, events = play(tmp_path, datetime.now(UTC).date())
    assert code == 0, output
    assert [(event["item"], event["status"]) for event in events] == [(item["id"], "waived") for item in CHECKLIST]
    assert all(event["seconds"] >= 0 for event in events)
    assert output.count("waived by Carla until") == len(CHECKLIST)
    summary = json.loads((tmp_path / "reports" / "latest" / "summary.json").read_text())
    assert summary["counts"] == {"waived": len(CHECKLIST)}


def test_an_expired_waiver_ends_the_play(tmp_path: Path) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    code, output, events = play(tmp_path, yesterday)
    assert code != 0
    assert f"(the waiver of Carla expired on {yesterday})" in output
    assert [(event["item"], event["status"] == "waived") for event in events] == [(SERVER, False)]

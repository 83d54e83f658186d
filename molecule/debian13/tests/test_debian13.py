"""The whole line on Debian 13, with the people who sign."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from machines import ROOT

ROLES = {"project_manager", "lead_developer", "devops_engineer", "qa_lead", "security_officer"}


def sign(play: Any, role: str, **what: str) -> Any:
    key = str(ROOT / ".tickbox/signers" / role)
    return play("playbooks/signoff.yml", signoff_role=role, signoff_key=key, signoff_confirm=True, **what)


def test_provisioning_again_changes_nothing(play: Any) -> None:
    done = play("playbooks/provision.yml")
    assert done.code == 0
    assert set(done.changed.values()) <= {0}


def test_the_host_is_debian_13(host: Any) -> None:
    assert host.system_info.codename == "trixie"


@pytest.fixture
def unsigned() -> None:
    """Nobody has signed the release, as an earlier run of this test has."""
    for signed in (ROOT / ".tickbox/attestations/examples").glob("v1.1.0-*/signoff.*"):
        signed.unlink()


def test_an_upgrade_waits_until_it_is_signed(play: Any, version: Callable[[], str], unsigned: None) -> None:
    assert version() == "v1.0.0"
    asked = {"app_version": "v1.1.0", "deploy_require_signoff": ["qa_lead"]}
    staged = play("deploy.yml", **asked)
    assert staged.code != 0  # somebody has to act
    assert staged.summary["outcome"] == "staged"
    assert version() == "v1.0.0"

    assert sign(play, "qa_lead", signoff_release=staged.summary["to_release"]).code == 0
    assert play("deploy.yml", **asked).summary["outcome"] == "deployed"
    assert version() == "v1.1.0"


def test_five_people_sign_what_the_run_came_to(play: Any, records: Path, tmp_path: Path) -> None:
    for role in sorted(ROLES):
        assert sign(play, role).code == 0
    document = tmp_path / "status.json"
    assert play("playbooks/status.yml", status_path=str(document)).code == 0
    status = json.loads(document.read_text())
    assert status["signatures"]["unsigned"] == []
    assert set(status["signatures"]["roles"]) == ROLES

    assert play("playbooks/report.yml").code == 0
    items = json.loads((records / "latest/summary.json").read_text())["items"]
    assert {item["id"] for item in items if item["status"] == "attested"} >= {f"signoff.{role}" for role in ROLES}


def test_a_changed_byte_of_the_record_is_refused(play: Any, records: Path) -> None:
    results = records / "latest" / "results.jsonl"
    whole = results.read_bytes()
    results.write_bytes(whole.replace(b"passed", b"Passed", 1))
    try:
        refused = play("playbooks/report.yml")
    finally:
        results.write_bytes(whole)
    assert refused.code != 0
    assert "results.jsonl" in refused.output


def test_it_is_taken_back(play: Any, version: Callable[[], str]) -> None:
    assert play("rollback.yml", rollback_reason="A test takes it back").summary["outcome"] == "rolled_back"
    assert version() == "v1.0.0"

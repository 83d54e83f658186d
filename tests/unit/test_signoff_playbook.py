"""The playbooks signoff.yml and status.yml, on a host that is this machine."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import signing
from ansible.module_utils.tickbox.history import append
from ansible.module_utils.tickbox.record import Writer
from signing import Keys

ROOT = Path(__file__).parents[2]
RUN = "20260102t030405z_9f1c"
OLD, NEW, NEXT = "v1-aaaa1111", "v2-bbbb2222", "v3-cccc3333"
QA = "qa_lead@example.com"


class Site:
    """An application, its releases and the record of its deployment, in a folder; and an inventory with one host for all groups."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = Keys(folder)
        self.commit = signing.repository(folder / "shop", {"app.py": "one\n"})
        signing.git(folder / "shop", "tag", "v2")
        allowed = self.keys.allow(self.keys.line(QA, "qa", 'namespaces="tickbox/signoff.qa_lead"'))
        (folder / "checklist.yml").symlink_to(ROOT / "checklist.yml")
        for release, state, earlier in ((OLD, "verified", ""), (NEW, "verified", OLD), (NEXT, "staged", NEW)):
            (folder / "srv/releases" / release).mkdir(parents=True)
            manifest = {"state": state, "from_release": earlier, "version": release[:2], "commit": self.commit, "run_id": RUN}
            (folder / "srv/releases" / release / "manifest.json").write_text(json.dumps(manifest))
        (folder / "srv/current").symlink_to(f"releases/{NEW}")
        (folder / "state/maintenance").mkdir(parents=True)
        today = time.strftime("%Y-%m-%d", time.gmtime())
        waiver = {"item": "pre.security.audit", "reason": "later", "approver": "Carla", "expires": today}
        self.given = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "app_name": "shop",
            "app_environment_name": "test",
            "app_repo": str(folder / "shop"),
            "app_version": "v2",
            "app_home": str(folder / "srv"),
            "app_state_path": str(folder / "state"),
            "app_attestations_path": str(folder / "attestations"),
            "app_attestors_path": str(allowed),
            "app_signatories": {"qa_lead": [QA]},
            "run_waivers": [waiver],
            "signoff_role": "qa_lead",
            "signoff_key": str(self.keys.make("qa")),
            "tickbox_root": str(folder),
        }
        groups = "".join(f"[{name}]\none\n" for name in ("app", "database", "redis", "web", "monitoring"))
        (folder / "inventory").write_text(groups)

    def play(self, name: str, callback: str = "default", **more: Any) -> subprocess.CompletedProcess[str]:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [program, f"--inventory={self.folder / 'inventory'}", str((ROOT / "playbooks" / name).with_suffix(".yml"))]
        settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": callback}
        return subprocess.run(
            [*command, "-e", json.dumps({**self.given, **more})],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **settings},
            cwd=ROOT,
        )

    def record(self, run_module: Any, outcome: str = "deployed") -> Path:
        directory = self.folder / "reports" / RUN
        directory.mkdir(parents=True)
        opened = {
            "id": RUN,
            "kind": "deploy",
            "app": "shop",
            "environment": "test",
            "who": "ops@control",
            "started": time.time() - 60,
        }
        Writer(directory).append({"event": "opened", "time": opened["started"], **opened})
        facts = {"outcome": outcome, "from_release": OLD, "to_release": NEW, "commit": self.commit, "window_seconds": 3.0}
        run_module("run_record", state="closed", directory=str(directory), checklist=[], facts=facts)
        append(self.folder / "state/history.jsonl", {**opened, **facts, "ended": time.time(), "rollback_seconds": 31.0})
        return directory

    def files(self) -> dict[str, bytes]:
        """All that the host has."""
        return {
            str(path): path.read_bytes() for part in ("srv", "state") for path in (self.folder / part).rglob("*") if path.is_file()
        }


@pytest.fixture
def site(tmp_path: Path) -> Site:
    if os.geteuid() != 0:
        pytest.skip("the plays become root")
    return Site(tmp_path)


def test_a_person_signs_and_the_status_says_so(site: Site, run_module: Any) -> None:
    directory = site.record(run_module)
    unasked = site.play("signoff")
    assert unasked.returncode != 0
    assert "add -e signoff_confirm=true" in unasked.stdout, unasked.stdout
    assert f"deploy of shop to test, {OLD} -> {NEW}: deployed" in unasked.stdout
    assert not (directory / "signatures").exists()

    refused = site.play("signoff", signoff_confirm=True, signoff_key=str(site.keys.make("stranger")))
    assert "Nothing was signed: the record has no valid signature of qa_lead@example.com" in refused.stdout

    before = site.files()
    status = site.play("status", "document", status_format="json", status_path=str(site.folder / "status.json"))
    assert status.returncode == 0, status.stdout + status.stderr
    seen = json.loads(status.stdout)
    assert json.loads((site.folder / "status.json").read_text()) == seen
    assert (seen["hosts"]["one"]["serves"], seen["hosts"]["one"]["by"], seen["staged"]) == (NEW, "ops@control", [NEXT])
    assert seen["rollback"] == {"target": OLD, "why": None, "seconds": 31.0, "measured": "estimated when it went live"}
    assert [waiver["days_left"] for waiver in seen["waivers"]] == [0]
    assert "qa_lead" in seen["signatures"]["unsigned"]
    assert [run["id"] for run in seen["last_runs"]] == [RUN]

    signed = site.play("signoff", signoff_confirm=True)
    assert signed.returncode == 0, signed.stdout
    summary = json.loads((directory / "summary.json").read_text())
    items = {item["id"]: item["status"] for item in summary["items"]}
    assert (items["signoff.qa_lead"], items["signoff.project_manager"]) == ("attested", "pending")
    said = site.play("status").stdout
    assert f"one serves {NEW}, since" in said
    assert "not signed by project_manager, lead_developer, devops_engineer, security_officer" in said
    assert f"ansible-playbook playbooks/signoff.yml -i inventory -e signoff_run={RUN}" in said
    assert site.files() == before


STAGED = """
- hosts: one
  gather_facts: false
  vars_files: ["{{ playbooks }}/vars/layout.yml"]
  vars: {run_outcome: failed}
  tasks:
    - block:
        - include_role: {name: signoff, tasks_from: staged}
      always:
        - debug: {msg: "outcome {{ run_outcome }}"}
    - debug: {msg: the window opens}
"""


def test_a_staged_release_waits_until_it_is_signed(site: Site, run_module: Any) -> None:
    directory = site.record(run_module, "staged")
    (site.folder / "staged.yml").write_text(STAGED)
    given = {"playbooks": str(ROOT / "playbooks"), "release_id": NEW, "release_commit": site.commit}

    def deploy(*roles: str) -> str:
        return site.play(str(site.folder / "staged"), deploy_require_signoff=list(roles), **given).stdout

    assert "the window opens" in deploy()
    held = deploy("qa_lead")
    assert "the window opens" not in held
    assert "outcome staged" in held
    assert f"{NEW} is staged, and waits for qa_lead" in held
    assert f"ansible-playbook playbooks/signoff.yml -i inventory -e signoff_release={NEW}" in held

    signed = site.play("signoff", signoff_confirm=True, signoff_release=NEW)
    assert signed.returncode == 0, signed.stdout
    assert (site.folder / "attestations" / NEW / "signoff.qa_lead.json.sig").exists()
    assert not (directory / "signatures").exists()
    passed = deploy("qa_lead")
    assert "the window opens" in passed, passed
    assert "outcome failed" in passed
    assert "waits for security_officer (" in deploy("qa_lead", "security_officer")


def test_a_format_that_there_is_not(site: Site) -> None:
    done = site.play("status", "document", status_format="xml")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "status_format is xml: text or json" in done.stderr

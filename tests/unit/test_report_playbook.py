"""The report as an operator asks for it, and at the close of a run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sample_run

ROOT = Path(__file__).parents[2]
CLOSE = """
- hosts: localhost
  gather_facts: false
  vars_files: ["{{ tickbox_root }}/playbooks/vars/layout.yml"]
  vars:
    run_info: "{{ opened.tickbox_run }}"
    run_outcome: deployed
  tasks:
    - run_record:
        state: opened
        reports: "{{ run_reports }}"
        checklist: "{{ tickbox_checklist }}"
        facts: {kind: deploy, app: examples, environment: production}
      register: opened
    - include_role: {name: run, tasks_from: close_record}
    - debug: {msg: The lock is given back}
"""


def play(file: str, **given: Any) -> tuple[int, str]:
    """Exit code and output of a playbook on the controller alone."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "--inventory=localhost,", "--connection=local", file]
    done = subprocess.run(
        [*command, f"--extra-vars={json.dumps({'app_name': 'examples', **given})}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        cwd=ROOT,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    (folder / "latest").parent.mkdir()
    (folder / "latest").symlink_to(sample_run.deployments(folder).name)
    return folder


def test_the_last_run_is_rendered_again(reports: Path) -> None:
    code, output = play("playbooks/report.yml", run_reports=str(reports))
    assert code == 0, output
    assert "The record holds: 91 lines" in output
    assert (reports / "20260102t030405z_9f1c" / "report.html").exists()


def test_an_older_run_of_which_one_byte_was_changed_is_refused(reports: Path) -> None:
    record = reports / "20260101t030405z_77aa" / "results.jsonl"
    lines = record.read_text().splitlines(keepends=True)
    lines[6] = lines[6].replace("passed", "Passed")
    record.write_text("".join(lines))
    code, output = play("playbooks/report.yml", run_reports=str(reports), report_run="20260101t030405z_77aa")
    assert code != 0
    assert f"The record does not hold: line 7 of {record} was changed" in " ".join(output.split())
    assert "Traceback" not in output
    assert not (record.parent / "report.html").exists()


def test_a_run_is_named_by_its_id_alone(reports: Path) -> None:
    code, output = play("playbooks/report.yml", run_reports=str(reports), report_run="../elsewhere")
    assert code != 0
    assert "Say which run" in output


@pytest.mark.parametrize(
    "document", [sample_run.DOCUMENT, {"title": "of {nothing}", "text": "", "sections": []}], ids=["whole", "broken"]
)
def test_a_page_that_cannot_be_made_hides_no_outcome(tmp_path: Path, document: dict[str, Any]) -> None:
    (tmp_path / "play.yml").write_text(CLOSE)
    folder = tmp_path / "reports"
    code, output = play(str(tmp_path / "play.yml"), tickbox_root=str(ROOT), run_reports=str(folder), tickbox_document=document)
    assert code == 0, output
    assert "deploy of examples: deployed" in output
    assert "The lock is given back" in output
    directory = (folder / "latest").resolve()
    assert json.loads((directory / "summary.json").read_text())["outcome"] == "deployed"
    broken = document is not sample_run.DOCUMENT
    assert ("The report of the run could not be made" in output) is broken
    assert (directory / "report.html").exists() is not broken

    code, output = play("playbooks/report.yml", run_reports=str(folder))
    assert code == 0, output
    assert ("localhost: Make the documents" in (directory / "report.html").read_text()) is broken, "it is told of"

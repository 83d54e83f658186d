"""Modules that run in the task's own process end as modules do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LINKS = sorted(path for path in (ROOT / "plugins" / "action").iterdir() if path.is_symlink())


def run(module: str, *arguments: str, **given: Any) -> tuple[int, str]:
    """Exit code and output of one task on the controller."""
    command = [str(Path(sys.executable).with_name("ansible")), "localhost", "--inventory=localhost,", "--connection=local"]
    done = subprocess.run(
        [*command, f"--module-name={module}", f"--args={json.dumps(given)}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        cwd=ROOT,
    )
    return done.returncode, done.stdout + done.stderr


def test_each_link_has_its_module() -> None:
    assert LINKS
    assert [link.name for link in LINKS if not (ROOT / "library" / link.name).exists()] == []


@pytest.mark.parametrize("more", [(), ("--background=30", "--poll=1")], ids=["in process", "asynchronously"])
def test_a_failure_is_one_with_its_assertions(more: tuple[str, ...]) -> None:
    code, output = run("check_smoke", *more, answers=[], logged=[])
    assert code != 0
    assert "deploy.verification.smoke_tests failed: no smoke request was sent" in output
    assert '"assertions"' in output


def test_a_wrong_argument_is_named() -> None:
    code, output = run("check_smoke", answers=[])
    assert code != 0
    assert "missing required arguments: logged" in output


def test_check_mode_is_passed_on() -> None:
    item = {"id": "post.x.y", "phase": "post.x", "text": "Y"}
    code, output = run("run_gate", "--check", directory="/none", checklist=[item], phases=["post"])
    assert code == 0
    assert '"changed": false' in output


@pytest.mark.parametrize("how", ["in_process", "own_process"])
def test_a_look_that_crashes_says_what_it_was(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugins/action").mkdir(parents=True)
    (tmp_path / "plugins/module_utils").symlink_to(ROOT / "plugins/module_utils")
    (tmp_path / "plugins/action/check_crash.py").symlink_to(ROOT / f"plugins/action/{how}.py")
    (tmp_path / "library").mkdir()
    program = "from ansible.module_utils import basic\ndef main():\n    {}['a key']\nif __name__ == '__main__':\n    main()\n"
    (tmp_path / "library/check_crash.py").write_text(program)
    monkeypatch.setenv("ANSIBLE_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setenv("ANSIBLE_ACTION_PLUGINS", str(tmp_path / "plugins/action"))
    checklist = [{"id": "post.x.y", "phase": "post.x", "text": "Y", "module": "check_crash"}]
    code, output = run("check_crash", "--extra-vars", json.dumps({"tickbox_checklist": checklist}), report_only=True)
    assert code != 0
    of_type = "KeyError 'a key' (check_crash.py, line 3)" if how == "in_process" else "'a key'"
    assert f"the look ended without a result: it crashed: {of_type}" in output


PLAY = """
- hosts: localhost
  gather_facts: false
  vars: {run_report_only: true}
  tasks:
    - check_sleep: {}
      async: 60
      poll: 0
      register: begun
    - ansible.builtin.debug: {msg: "begun as {{ begun.ansible_job_id }}, {{ begun is finished }}"}
    - async_look: {jid: "{{ begun.ansible_job_id }}", seconds: SECONDS}
      register: ended
    - ansible.builtin.debug: {msg: "it slept {{ ended.slept }}"}
    - async_look: {jid: ""}
"""
SLEEPS = """
import time
from ansible.module_utils import basic
def main():
    module = basic.AnsibleModule({})
    time.sleep(2)
    module.exit_json(slept="well", assertions=[])
"""


@pytest.mark.parametrize(("seconds", "code", "says"), [(30, 0, "it slept well"), (1, 2, "it has not ended after 1 s")])
def test_a_look_goes_on_beside_others(seconds: int, code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugins/action").mkdir(parents=True)
    (tmp_path / "plugins/module_utils").symlink_to(ROOT / "plugins/module_utils")
    (tmp_path / "plugins/action/check_sleep.py").symlink_to(ROOT / "plugins/action/in_process.py")
    (tmp_path / "library").mkdir()
    (tmp_path / "library/check_sleep.py").write_text(SLEEPS)
    (tmp_path / "play.yml").write_text(PLAY.replace("SECONDS", str(seconds)))
    monkeypatch.setenv("ANSIBLE_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setenv("ANSIBLE_ACTION_PLUGINS", f"{tmp_path / 'plugins/action'}:{ROOT / 'plugins/action'}")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "--inventory=localhost,", "--connection=local", "play.yml"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_ASYNC_DIR": str(tmp_path / "async")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert "begun as check_sleep." in done.stdout
    assert says in done.stdout

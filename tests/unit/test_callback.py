"""The terminal's and the record's callback in real runs of ansible-playbook, in a log and on a terminal."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ansible_runner
import pexpect
import pytest
import yaml
from ansible.module_utils.tickbox.record import item_results, read

ROOT = Path(__file__).parents[2]
HIDDEN = "hunter2"
# Returns what it is told to, without a process of its own for each host.
ACTION = """
import time
from ansible.plugins.action import ActionBase
class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        time.sleep(float(self._task.args.get("takes", 0)))
        return {**super().run(tmp, task_vars), **self._task.args.get("tells", {})}
"""
TIMES = {"started": "2026-01-01T00:00:00.000+00:00", "ended": "2026-01-01T00:00:00.400+00:00"}
FAULT = {"expected": {"unit": "active"}, "observed": {"unit": "dead"}}
COUNTS = {"passed": 1, "failed": 1}
ITEMS = [{"id": "deploy.verification.running", "status": "failed", "summary": "unit is dead", "hosts": ["app1"]}]
SUMMARY = {
    **{"run_id": "one", "kind": "deploy", "app": "examples", "outcome": "failed", "seconds": 9.1, "window_seconds": 2.5},
    **{"counts": COUNTS, "items": ITEMS},
}


def look(item: str, **more: Any) -> dict[str, Any]:
    return {"item": item, "status": "passed", "summary": "as it should be", **TIMES, **more}


def step(name: str, tells: dict[str, Any] | str | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "tell": {"tells": tells or {}}, **more}


def play(*tasks: dict[str, Any]) -> str:
    return json.dumps([{"name": "Deploy", "hosts": "all", "gather_facts": False, "any_errors_fatal": True, "tasks": tasks}])


def role(name: str, of: str) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.include_role": {"name": of}}


RED = look("deploy.verification.running", status="failed", summary="unit is dead", **FAULT)
PREFLIGHT = [
    step("Look at the certificate", {"assertions": [look("pre.environment.tls")]}),
    step("Change something", {"changed": True}, loop=["nginx", "redis"]),
    step("Change nothing"),
    step("Go without", {"failed": True, "msg": "nobody is at home"}, ignore_errors=True, run_once=True),
    step("Warn", {"warnings": ["beware of the dog"]}, run_once=True),
    {
        "name": "Say it",
        "ansible.builtin.debug": {"msg": 'A line that is longer than any terminal is wide, with "quotes": ' + "x " * 40},
    },
    {"name": "Hold it", "ansible.builtin.assert": {"that": "true"}},
    {"name": "Hide it", "ansible.builtin.debug": {"msg": HIDDEN}, "no_log": True},
    step("Hide a failure", {"failed": True, "msg": HIDDEN}, no_log=True, ignore_errors=True, run_once=True),
    step("Hide items", {"changed": True}, loop=[HIDDEN], no_log=True, run_once=True),
]
VERIFICATION = [
    step(
        "Verify application is running",
        {"failed": True, "msg": "deploy.verification.running failed: unit is dead", "assertions": [RED]},
        when="inventory_hostname == 'app1'",
    )
]
AWAY = {"unreachable": True, "msg": "timed out"}
SEEN = {"assertions": [look("deploy.release.code")]}
UNDER_A_LOCK = {
    "name": "Under a lock",
    "block": [role("1. Preflight", "preflight"), role("6. Verification", "verification")],
    "rescue": [
        step("Go back"),
        {"name": "Fail", "ansible.builtin.fail": {"msg": '"Verify application is running" failed on app1: it was taken back'}},
    ],
    "always": [step("Close the run record", {"summary": SUMMARY}, run_once=True)],
}
OPEN = step("Open", {"tickbox_run": {"id": "one", "directory": "{{ playbook_dir }}"}}, run_once=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small deployment that fails on app1."""
    folder = tmp_path_factory.mktemp("project")
    files = {
        "action/tell.py": ACTION,
        "library/tell.py": "",
        "ansible.cfg": "",
        "roles/preflight/tasks/main.yml": json.dumps(PREFLIGHT),
        "roles/verification/tasks/main.yml": json.dumps(VERIFICATION),
        "deploy.yml": play(UNDER_A_LOCK),
        "record.yml": play(OPEN, UNDER_A_LOCK),
        "well.yml": play(
            step("Change something", {"changed": True}), step("Close", {"summary": {**SUMMARY, "outcome": "deployed"}})
        ),
        "away.yml": play({"name": "Call", "ansible.builtin.ping": {}}),
        "gone.yml": play(
            OPEN,
            step("Look on each", tells="{{ away if inventory_hostname == 'app2' else seen }}", vars={"away": AWAY, "seen": SEEN}),
        ),
        "slow.yml": play({"name": "Take a second", "tell": {"takes": 1}}),
        "ask.yml": play({"name": "Ask", "ansible.builtin.pause": {"prompt": "Go on?"}}),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for count in (1, 3, 50):
        variables = f"[all:vars]\nansible_connection=local\nansible_python_interpreter={sys.executable}\n"
        (folder / f"{count}.ini").write_text(f"app[1:{count}]\n{variables}")
    return folder


def settings(project: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(project),
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        "ANSIBLE_CONFIG": str(project / "ansible.cfg"),
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "plugins/callback"),
        "ANSIBLE_STDOUT_CALLBACK": "tickbox",
        "ANSIBLE_ACTION_PLUGINS": str(project / "action"),
        "ANSIBLE_FORKS": "10",
        "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
        **more,
    }


def command(hosts: int, playbook: str, *arguments: str) -> list[str]:
    return ["ansible-playbook", "--inventory", f"{hosts}.ini", playbook, *arguments]


@pytest.fixture(scope="module")
def log(project: Path) -> Callable[..., str]:
    """The output of a run that goes into a file."""

    def run(hosts: int, playbook: str = "deploy.yml", *arguments: str, **more: str) -> str:
        done = subprocess.run(
            command(hosts, playbook, *arguments),
            cwd=project,
            env=settings(project, **more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert "Callback dispatch" not in done.stdout
        return done.stdout

    return run


@pytest.fixture(scope="module")
def terminal(project: Path) -> Callable[..., str]:
    """What a run writes to a terminal, which types what it is given once it is asked."""

    def play(hosts: int, playbook: str = "deploy.yml", *arguments: str, answer: str = "", asked: str = "", **more: str) -> str:
        program, *words = command(hosts, playbook, *arguments)
        run = pexpect.spawn(
            program, words, cwd=project, env=settings(project, **more), dimensions=(40, 80), timeout=120, encoding="utf-8"
        )
        before = ""
        if asked:
            run.expect_exact(asked)
            before = f"{run.before}{run.after}"
            time.sleep(0.5)  # in which a line would be drawn
            run.send(answer)
        run.expect(pexpect.EOF)
        text = f"{before}{run.before}"
        assert "Callback dispatch" not in text
        return text

    return play


@pytest.fixture(scope="module")
def of_fifty(log: Callable[..., str]) -> str:
    return log(50)


@pytest.fixture(scope="module")
def of_one(log: Callable[..., str]) -> str:
    return log(1)


def test_phases_are_headings_with_the_clock(of_fifty: str) -> None:
    assert re.search(r"^── 1\. Preflight ─+ \d:\d\d ──$", of_fifty, re.MULTILINE)
    assert re.search(r"^── 6\. Verification ─+ \d:\d\d ──$", of_fifty, re.MULTILINE)


def test_hosts_that_agree_are_folded(of_fifty: str) -> None:
    assert "  [x] pre.environment.tls  SSL certificates are installed and valid  (0.4 s)\n" in of_fifty
    assert "      app1..app50: as it should be\n" in of_fifty
    assert "  * Change something (nginx, redis): changed on app1..app50" in of_fifty


def test_one_host_is_named(of_one: str) -> None:
    assert "      app1: as it should be\n" in of_one


@pytest.mark.parametrize("output", ["of_fifty", "of_one"])
def test_a_failure_says_item_host_expected_observed_and_what_comes_of_it(output: str, request: pytest.FixtureRequest) -> None:
    assert (
        "  [!] deploy.verification.running  Verify application is running  (0.4 s)\n"
        "      app1: unit is dead\n"
        "        expected  unit: active\n"
        "        observed  unit: dead\n"
        '  [!] "Verify application is running" failed on app1'
    ) in request.getfixturevalue(output)
    assert 'rescued by "Go back"' in request.getfixturevalue(output)


def test_a_log_has_messages_unbroken_and_nothing_of_steps_that_did_nothing(of_fifty: str, of_one: str) -> None:
    assert 'wide, with "quotes": x x' in of_fifty
    assert of_fifty.count("longer than any terminal") == 1
    assert '"Verify application is running" failed on app1: it was taken back' in of_fifty
    assert '"Go without" failed on app1 and is ignored: nobody is at home' in of_fifty
    for silent in ("Change nothing", "Hold it", "included:", "TASK", "\x1b", "\r"):
        assert silent not in of_one


def test_a_warning_is_shown(of_fifty: str) -> None:
    assert "[WARNING]: beware of the dog" in of_fifty


def test_how_it_ended_comes_last(of_fifty: str) -> None:
    ending = of_fifty[of_fifty.index("deploy of examples: failed") :]
    assert "1 ticked (0 of them attested)" in ending
    assert "2.5 s of it in the maintenance window" in ending
    assert " failed=1 " in of_fifty  # hosts are counted, as something is off


@pytest.mark.parametrize("verbosity", [[], ["-v"], ["-vvv"]])
def test_a_secret_is_never_seen(log: Callable[..., str], verbosity: list[str]) -> None:
    output = log(1, "deploy.yml", *verbosity)
    assert HIDDEN not in output
    assert "the output has been hidden" in output


def test_with_v_there_is_all_that_ansible_shows(log: Callable[..., str]) -> None:
    output = log(1, "deploy.yml", "-v")
    assert "TASK [preflight : Change something]" in output
    assert "changed: [app1] => (item=nginx) => {" in output
    assert "fatal: [app1]: FAILED! => {" in output
    assert "PLAY RECAP" in output
    assert "[x] pre.environment.tls" in output
    assert "deploy of examples: failed" in output


@pytest.mark.parametrize("callback", ["tickbox", "default", "minimal"])
def test_the_record_does_not_depend_on_what_is_shown(log: Callable[..., str], project: Path, callback: str) -> None:
    (project / "results.jsonl").unlink(missing_ok=True)
    log(3, "record.yml", ANSIBLE_STDOUT_CALLBACK=callback, ANSIBLE_CALLBACKS_ENABLED="ansible.builtin.junit")
    events = [(event["event"], event.get("item") or event.get("name") or event.get("task")) for event in read(project)]
    assert [event for event in events if event[0] != "failure" and event[0] != "assertion"] == [
        ("opened", None),
        ("phase", "1. Preflight"),
        ("phase", "6. Verification"),
    ]
    assert events.count(("assertion", "pre.environment.tls")) == 3
    assert events.count(("assertion", "deploy.verification.running")) == 1
    assert ("failure", "Verify application is running") in events
    assert HIDDEN not in (project / "results.jsonl").read_text()


def test_a_host_that_could_not_be_reached_leaves_no_tick_of_the_others(log: Callable[..., str], project: Path) -> None:
    (project / "results.jsonl").unlink(missing_ok=True)
    log(3, "gone.yml")
    seen = item_results(read(project))["deploy.release.code"]
    assert (seen["status"], seen["hosts"]) == ("unverifiable", ["app1", "app2", "app3"])
    assert seen["summary"] == "app2 could not be reached, so that nobody looked there"


def test_a_terminal_has_a_line_that_is_taken_away_before_anything_is_said(terminal: Callable[..., str]) -> None:
    output = terminal(3)
    assert "\r\x1b[K" in output
    after = [piece.partition("\r\x1b[K")[2] for piece in re.split(r"(?=\r\x1b\[K)", output) if "\n" in piece]
    assert not [text for text in after if re.search(r"^.+\d+ of 3 hosts.*\n", text)]
    shown = re.sub(r"\r\x1b\[K[^\r\n]*(?=\r\x1b\[K)", "", output)
    assert "app1..app3: as it should be" in shown
    assert "[WARNING]: beware of the dog" in shown
    plain = re.sub(r"\x1b\[[0-9;]*[mK]", "", shown)
    assert [line for line in re.split(r"\r?\n|\r", plain) if len(line) >= 80 and "WARNING" not in line] == []


def test_the_line_says_what_is_going_on(terminal: Callable[..., str]) -> None:
    assert re.search(r"\d:\d\d  Take a second  \d\.\d s", terminal(3, "slow.yml"))


def test_nothing_is_drawn_while_somebody_is_asked(terminal: Callable[..., str]) -> None:
    output = terminal(1, "ask.yml", asked="Go on?", answer="yes\r")
    asked = output.index("Go on?")
    assert "ok=1" in output[asked:]
    assert "  Ask  " not in output[asked : output.index("ok=1")].partition("yes")[0]


def test_colours_are_left_out_where_nobody_wants_them(terminal: Callable[..., str], log: Callable[..., str]) -> None:
    assert "\x1b[3" not in terminal(1, NO_COLOR="1")
    assert "\x1b[3" not in terminal(1, ANSIBLE_NOCOLOR="1")
    assert "\x1b[" in log(1, "slow.yml", ANSIBLE_FORCE_COLOR="1")
    assert "\r" not in terminal(1, "slow.yml", TERM="dumb").replace("\r\n", "\n")


def test_a_stream_that_knows_ascii_only_gets_no_more(log: Callable[..., str]) -> None:
    output = log(1, "slow.yml", PYTHONIOENCODING="ascii")
    assert output.isascii()
    assert "?" not in output


def test_molecule_sees_whether_a_second_run_changes_anything(log: Callable[..., str]) -> None:
    assert "changed=" not in log(1, "well.yml")
    given = yaml.safe_load((ROOT / ".config/molecule/config.yml").read_text())["ansible"]["env"]
    output = log(3, "well.yml", TICKBOX_RECAP=given["TICKBOX_RECAP"])
    assert re.search("changed=[1-9]", output)  # as molecule looks for it
    assert "deploy of examples: deployed" in output


def test_a_host_that_cannot_be_reached_is_named(log: Callable[..., str]) -> None:
    output = log(3, "away.yml", "-e", "{ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}")
    assert '[!] UNREACHABLE at "Call": app1..app3' in output
    assert "port 1: Connection refused" in output


def test_hosts_that_go_their_own_ways_are_all_told(log: Callable[..., str]) -> None:
    output = log(3, "deploy.yml", ANSIBLE_STRATEGY="free")
    assert "[x] pre.environment.tls" in output
    assert output.count("as it should be") >= 1
    assert '"Verify application is running" failed on app1' in output


def test_options_that_show_or_run_less_work(log: Callable[..., str]) -> None:
    assert "1. Preflight" in log(1, "deploy.yml", "--list-tasks")
    assert "Check mode: nothing was changed." in log(1, "deploy.yml", "--check")


def test_ansible_runner_has_output_and_figures(project: Path, tmp_path: Path) -> None:
    done = ansible_runner.run(
        private_data_dir=str(tmp_path),
        project_dir=str(project),
        playbook="deploy.yml",
        inventory=str(project / "3.ini"),
        envvars=settings(project),
        quiet=True,
    )
    output = done.stdout.read()
    assert done.stats["changed"] == {"app1": 2, "app2": 1, "app3": 1}
    assert 'wide, with "quotes": x x' in output
    assert "app1..app3: as it should be" in output
    assert "deploy of examples: failed" in output
    assert "\x1b[K" not in output

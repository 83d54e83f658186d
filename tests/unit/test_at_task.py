"""The callback that breaks something at a task, told of tasks as Ansible tells it, in a process of its own that it may kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from moment import ROOT, Moment

RUN = """
import pathlib, subprocess, sys
from types import SimpleNamespace
from at_task import CallbackModule

callback = CallbackModule()
for name in sys.argv[2:]:
    action = "ansible.builtin.assert" if name == "Touch" else "command"
    task = SimpleNamespace(name=name, get_name=lambda: f"role : {name}", action=action)
    callback.v2_playbook_on_task_start(task, False)
    if name == "Leave a job in the background":
        subprocess.Popen(["sleep", "30"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if name == "Touch":
        pathlib.Path(sys.argv[1], "touched").touch()
    job = {"ansible_job_id": "j1"} if name == "Clear away" else {"ansible_job_id": "j1", "finished": 0} if "job" in name else {}
    came = {"changed": name == "Touch", **job}
    told = callback.v2_runner_on_skipped if name == "Skipped" else callback.v2_runner_on_ok
    told(SimpleNamespace(host=SimpleNamespace(name="one"), task=task, result=came))
"""
NAMES = ["First", "Leave a job in the background", "Skipped", "Touch", "Touch"]
LISTED = [f"role : {name}" for name in NAMES]


def run(moment: Moment, folder: Path, names: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, folder, *names],
        env={**os.environ, "PYTHONPATH": str(ROOT / "molecule/plugins/callback"), **moment.environment},
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )


def under(mark: str) -> dict[int, bytes]:
    """The processes that bear the mark, with their commands."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TICKBOX_MARK={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "cmdline").read_bytes()
        except OSError:
            continue
    return found


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return tmp_path / "tasks.jsonl"


def test_the_tasks_are_listed(tasks: Path, tmp_path: Path) -> None:
    moment = Moment(tasks)
    done = run(moment, tmp_path, NAMES[2:])
    assert done.returncode == 0, done.stderr
    assert moment.names == LISTED[2:]
    assert moment.done is None


def test_what_came_of_a_task_is_listed(tasks: Path, tmp_path: Path) -> None:
    moment = Moment(tasks)
    run(moment, tmp_path, [*NAMES[1:4], "Clear away"])
    assert [line for line in moment.lines if "of" in line] == [
        {"of": 1, "host": "one", "outcome": "ok", "job": "j1", "finished": False},
        {"of": 2, "host": "one", "outcome": "skipped"},
        {"of": 3, "host": "one", "outcome": "changed"},
        {"of": 4, "host": "one", "outcome": "ok"},
    ]
    for job in under(moment.mark):
        os.kill(job, signal.SIGKILL)


def test_what_is_other_than_before_a_task_that_could_change_something_is_listed(tasks: Path, tmp_path: Path) -> None:
    moment = Moment(tasks, look=f"cd {tmp_path}; echo one; find . -name touched; echo x >> looks")
    run(moment, tmp_path, ["First", "Touch", "Skipped", "Second", "Third", "Skipped", "Skipped"])
    assert [line for line in moment.lines if "after" in line] == [
        {"after": 0, "other": []},
        {"after": 1, "other": []},
        {"after": 4, "other": ["./touched"]},
        {"after": 5, "other": []},
    ]
    assert (tmp_path / "looks").read_text() == "x\n" * 4


def test_where_it_could_not_be_looked_nothing_is_known_to_be_the_same(tasks: Path, tmp_path: Path) -> None:
    moment = Moment(tasks, look="echo lost >&2; exit 255")
    run(moment, tmp_path, NAMES[2:4])
    assert [line["other"] for line in moment.lines if "after" in line] == [["it could not be looked: lost"]]


@pytest.mark.parametrize("at", ["2", "Touch", "role : Touch"])
def test_a_command_is_run_once_and_before_its_task(tasks: Path, tmp_path: Path, at: str) -> None:
    moment = Moment(tasks, at, f"test ! -e {tmp_path}/touched; echo well; echo x >> {tmp_path}/times; env")
    done = run(moment, tmp_path, NAMES[2:])
    assert done.returncode == 0, done.stderr
    assert moment.done is not None
    assert (moment.done["at"], moment.done["code"]) == (2, 0)
    assert moment.done["output"].startswith("well\n")
    assert "TICKBOX_" not in moment.done["output"]
    assert (tmp_path / "times").read_text() == "x\n"
    assert moment.names == LISTED[2:]


def test_a_command_that_fails_is_told(tasks: Path, tmp_path: Path) -> None:
    moment = Moment(tasks, "First", "echo broken >&2; exit 3")
    run(moment, tmp_path, NAMES[:1])
    assert moment.done is not None
    assert (moment.done["code"], moment.done["output"]) == (3, "broken\n")


def test_a_moment_that_never_comes_is_seen(tasks: Path, tmp_path: Path) -> None:
    moment = Moment(tasks, "No such task", "true")
    run(moment, tmp_path, NAMES[2:])
    assert moment.done is None


def test_the_run_is_killed_with_all_that_it_started_and_nothing_else(tasks: Path, tmp_path: Path) -> None:
    moment, other = Moment(tasks, "4"), Moment(tmp_path / "others.jsonl")
    bystander = subprocess.Popen(["sleep", "30"], env={**os.environ, **other.environment})
    try:
        done = run(moment, tmp_path, NAMES)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert done.returncode == -signal.SIGKILL
    assert moment.names == LISTED[:4]
    assert moment.done == {"at": 4, "did": "kill"}
    assert not (tmp_path / "touched").exists()
    deadline = time.monotonic() + 5
    while under(moment.mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert under(moment.mark) == {}


def test_a_process_that_takes_up_a_program_is_waited_for(tmp_path: Path) -> None:
    """What the kernel shows of it meanwhile, and afterwards."""
    stat = "7 (a (b) c) S " + "1 " * 47
    (tmp_path / "environ").write_bytes(b"")
    (tmp_path / "stat").write_text(f"{stat}0\n")
    ask = "import at_task, pathlib, sys; print(at_task.environment_of(pathlib.Path(sys.argv[1])))"
    asked = subprocess.Popen(
        [sys.executable, "-c", ask, tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT / "molecule/plugins/callback")},
        stdout=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        asked.wait(timeout=2)
    (tmp_path / "environ").write_bytes(b"TICKBOX_MARK=m\0")
    (tmp_path / "stat").write_text(f"{stat}9\n")
    assert asked.communicate(timeout=30)[0] == "b'TICKBOX_MARK=m\\x00'\n"


def test_the_background_job_would_live_on_without_its_mark(tasks: Path, tmp_path: Path) -> None:
    """That it is found at all, the other test rests on."""
    moment = Moment(tasks)
    run(moment, tmp_path, NAMES[:2])
    (job,) = under(moment.mark).items()
    assert job[1].startswith(b"sleep")
    os.kill(job[0], signal.SIGKILL)

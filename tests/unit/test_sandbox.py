"""The sandbox's hostile programs, and what is made of what they report."""

import copy
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.tickbox import hostile, sandbox
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.sandbox import Bounds, Run
from hypothesis import given, settings
from hypothesis import strategies as st

BOUNDS = Bounds(memory_mb=256, disk_mb=32, processes=64, seconds=10)
SURVEY: dict[str, Any] = {
    "identity": {"uid": 65534, "euid": 65534, "pid": 2, "host": "sandbox"},
    "capabilities": 0,
    "processes": {"signalled": 2, "shown": 0},
    "interfaces": ["lo"],
    "connections": {"tcp 127.0.0.1 443": "ECONNREFUSED", "udp 127.0.0.1 53": "connected", "tcp 192.0.2.1 443": "ENETUNREACH"},
    "places": {"/srv/shop": "ENOENT"},
    "links": {"/srv/shop": "ENOENT"},
    "writes": {"/": {"readonly": True, "result": "EROFS"}, "/scratch": {"readonly": False, "result": "written"}},
    "environment": {"PATH": "/usr/bin"},
    "descriptors": {},
    "namespaces": {"a user namespace": "ENOSPC", "a mount": "EPERM"},
    "devices": [],
}
SECRET = "correct-horse-battery"  # noqa: S105


def ran(name: str, *said: dict[str, Any], **other: Any) -> Run:
    stdout = "".join(f"m {hostile.json.dumps(entry)}\n" for entry in said)
    given: dict[str, Any] = {"status": 200, "stdout": stdout, "stderr": "", "exit_code": 0, "timed_out": False, "seconds": 1.0}
    return Run(name=name, mark="m", **{**given, **other})


def suite(**changed: Run) -> dict[str, Run]:
    runs = {
        "survey": ran("survey", SURVEY),
        "remains": ran("remains", {"found": [], "looked": 9}),
        "benign": ran("benign", {"product": 42, "file": "kept"}, exit_code=3, stderr="a line on the other stream\n"),
        "fork bomb": ran("fork bomb", {"reached": 30, "stopped": "EAGAIN"}),
        "memory": ran("memory", {"reached": 0}, {"reached": 192}, exit_code=137),
        "memory of several processes": ran("memory of several processes", {"reached": 0}, exit_code=137),
        "disk": ran("disk", {"reached": 0}, {"reached": 16, "ended": True}),
        "endless loop": ran("endless loop", {"reached": 0}, timed_out=True, exit_code=137, seconds=5.1),
        "left behind": ran("left behind", {"reached": 0}, timed_out=True, exit_code=137, seconds=5.1),
    }
    return runs | {name.replace("_", " "): run for name, run in changed.items()}


def judge(**changed: Run) -> Any:
    return sandbox.judge_sandbox(suite(**changed), BOUNDS, 42, {"database password": SECRET}, [200])


def test_a_sandbox_that_holds() -> None:
    seen = judge()
    assert seen.status == "passed", seen.summary
    assert "8 hostile programs kept in" in seen.summary


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("identity", "uid"), 0, "as root"),
        (("identity", "pid"), 71234, "other processes are within reach"),
        (("capabilities",), 0x200000, "capabilities"),
        (("processes", "signalled"), 180, "other processes are within reach (180 seen"),
        (("processes", "shown"), 180, "other processes are within reach (180 seen"),
        (("interfaces",), ["lo", "eth0"], "interfaces eth0"),
        (("connections", "tcp 127.0.0.1 443"), "connected", "tcp 127.0.0.1 443 (connected)"),
        (("connections", "tcp 192.0.2.1 443"), "ETIMEDOUT", "tcp 192.0.2.1 443 (ETIMEDOUT)"),
        (("connections", "tcp 192.0.2.1 443"), "ECONNREFUSED", "tcp 192.0.2.1 443 (ECONNREFUSED)"),
        (("connections", "udp 192.0.2.1 53"), "connected", "udp 192.0.2.1 53"),
        (("connections", "unix /run/shop/current.sock"), "connected", "unix /run/shop/current.sock"),
        (("places", "/srv/shop"), "read", "the host's files can be seen: /srv/shop"),
        (("places", "/srv/shop"), "seen", "the host's files can be seen: /srv/shop"),
        (("links", "/srv/shop"), "read", "a link leads to the host's files: /srv/shop"),
        (("writes", "/usr"), {"readonly": False, "result": "EACCES"}, "mounted writable from the host: /usr"),
        (("writes", "/"), {"readonly": False, "result": "written"}, "the root is writable"),
        (("environment", "SECRET_KEY"), "x", "secrets in the environment: SECRET_KEY"),
        (("descriptors", "5"), "socket", "descriptors left open: 5 (socket)"),
        (("namespaces", "a user namespace"), "done", "a user namespace"),
        (("devices",), ["/dev/sda"], "devices of the host: /dev/sda"),
        (("environment", "PATH"), SECRET, "database password (a secret of this deployment)"),
    ],
)
def test_a_way_out_is_refused(path: tuple[str, ...], value: Any, says: str) -> None:
    survey = copy.deepcopy(SURVEY)
    place = survey
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    seen = judge(survey=ran("survey", survey))
    assert (seen.status, says in seen.summary) == ("failed", True), seen.summary
    assert SECRET not in f"{seen.summary}{seen.evidence}{seen.observed}"


def test_a_way_out_of_another_language_is_refused() -> None:
    others = {"survey, JavaScript": ran("survey, JavaScript", SURVEY)}
    assert judge(**others).status == "passed"
    others = {"survey, JavaScript": ran("survey, JavaScript", {**SURVEY, "interfaces": ["eth0"]})}
    assert "JavaScript: the network is there: interfaces eth0" in judge(**others).summary


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"remains": ran("remains", {"found": ["/tmp/x"], "looked": 9})}, "is there for the next: /tmp/x"),  # noqa: S108
        ({"fork_bomb": ran("fork bomb", {"reached": 128})}, "fork bomb: 128 processes, at most 64"),
        ({"memory": ran("memory", {"reached": 0}, {"reached": 512})}, "memory: 512 MiB, at most 256"),
        ({"memory_of_several_processes": ran("m", {"reached": 480})}, "several processes: 480 MiB"),
        ({"disk": ran("disk", {"reached": 96})}, "disk: 96 MiB, at most 32"),
        ({"endless_loop": ran("endless loop", {"reached": 0}, timed_out=True, seconds=30.0)}, "answered after 30.0 s"),
        ({"endless_loop": ran("endless loop", {"reached": 0}, exit_code=1)}, "ended by itself with exit code 1"),
        ({"left_behind": ran("left behind", {"reached": 0}, seconds=120.0)}, "left behind: answered after 120.0 s"),
        ({"benign": ran("benign", {"product": 41, "file": "kept"}, exit_code=3)}, "an ordinary program does not work"),
        ({"benign": ran("benign")}, "an ordinary program does not work"),
        ({"benign": ran("benign", {"product": 42, "file": "kept"})}, "exit code or error output is lost"),
    ],
)
def test_taking_too_much_is_refused(changed: dict[str, Run], says: str) -> None:
    seen = judge(**changed)
    assert (seen.status, says in seen.summary) == ("failed", True), seen.summary


def test_what_was_stopped_too_early_is_run_again_and_what_took_too_much_is_not() -> None:
    early = suite(
        memory=ran("memory", {"reached": 160}, timed_out=True, exit_code=137), disk=ran("disk", timed_out=True, exit_code=137)
    )
    assert sandbox.cut_short(suite(), BOUNDS) == []
    assert sandbox.cut_short(early, BOUNDS) == ["memory", "disk"]
    assert sandbox.cut_short(suite(memory=ran("memory", {"reached": 320}, timed_out=True, exit_code=137)), BOUNDS) == []


def test_a_site_that_fell_is_refused() -> None:
    assert sandbox.judge_sandbox(suite(), BOUNDS, 42, {}, [502]).status == "failed"


@pytest.mark.parametrize(
    "changed",
    [
        {"survey": ran("survey", status=503)},
        {"survey": ran("survey", stderr="bwrap: no")},
        {"survey": ran("survey", {name: value for name, value in SURVEY.items() if name != "writes"})},
        {"survey": ran("survey", SURVEY | {"links": {"error": "OSError"}})},
        {"remains": ran("remains")},
        {"disk": ran("disk")},
        {"fork_bomb": ran("fork bomb", status=429)},
        {"endless_loop": ran("endless loop", timed_out=True)},
        {"memory": ran("memory", {"reached": 64}, timed_out=True)},
        {"memory_of_several_processes": ran("m", {"reached": 96}, timed_out=True)},
        {"disk": ran("disk", {"reached": 8})},
    ],
)
def test_what_did_not_run_is_unverifiable(changed: dict[str, Run]) -> None:
    with pytest.raises(CouldNotLook):
        judge(**changed)


@pytest.mark.parametrize(
    "name",
    ["survey", "remains", "fork bomb", "memory", "memory of several processes", "disk", "endless loop", "left behind", "benign"],
)
def test_each_program_is_one(name: str) -> None:
    compile(hostile.program(name, "m", {"most": 1}), name, "exec")
    assert "m" in hostile.program(name, "m", {})


def run(name: str, given: dict[str, Any]) -> Run:
    """Run a program here, in no sandbox at all."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", hostile.program(name, "m", given)], capture_output=True, text=True, timeout=60, check=False
    )
    return ran(name, stdout=done.stdout, stderr=done.stderr, exit_code=done.returncode)


def test_no_sandbox_is_no_sandbox(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    survey = run("survey", {"targets": [], "sockets": [], "places": ["/etc", str(tmp_path)]})
    seen = judge(survey=survey)
    assert (seen.status, "the host's files can be seen" in seen.summary) == ("failed", True), seen.summary
    left = run("remains", {"earlier": ["m"]})
    assert left.said[-1]["found"]
    assert run("remains", {"earlier": ["m"]}).said[-1]["found"] == []


def test_memory_of_several_processes_counts_what_they_hold() -> None:
    said = run("memory of several processes", {"most": 300}).said
    assert said[-1] == {"reached": 288, "ended": True}


def test_processes_that_have_not_got_their_memory_hold_none() -> None:
    starved = hostile.program("memory of several processes", "m", {"most": 300}).replace("kept = ", "time.sleep(20); kept = ")
    done = subprocess.run([sys.executable, "-I", "-c", starved], capture_output=True, text=True, timeout=60, check=False)
    assert ran("m", stdout=done.stdout).said == [{"reached": 0}]


def test_threads_are_no_processes() -> None:
    threads = "import threading, time\nfor _ in range(20): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
    survey = hostile.program("survey", "m", {}).replace("range(1, 4000)", "map(int, os.listdir('/proc/self/task'))")
    program = survey.split("@probe\ndef interfaces")[0] + "say(**report)"
    done = subprocess.run([sys.executable, "-I", "-c", threads + program], capture_output=True, text=True, timeout=60, check=False)
    assert ran("survey", stdout=done.stdout).said[-1]["processes"]["signalled"] == 1, done.stderr


def test_the_ordinary_program_works() -> None:
    assert sandbox.benign_problems(run("benign", {"one": 6, "other": 7}), 42) == []


@given(st.text(max_size=100))
@settings(max_examples=50)
def test_any_output_is_read(text: str) -> None:
    assert hostile.reports(f'm {text}\nm [1]\nx {{}}\nm {{"a": 1}}', "m")[-1] == {"a": 1}


Module = Callable[..., dict[str, Any]]


def test_a_site_that_cannot_be_asked_is_unverifiable(run_module: Module) -> None:
    result = run_module(
        "check_sandbox", url="http://shop.example.com:9", addresses=["127.0.0.1"], path="/run", body={}, report_only=True
    )
    assert result["assertions"][0]["status"] == "unverifiable"


def test_what_goes_on_is_found_on_the_host(run_module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"tickbox-{os.getpid()}"  # nobody else's here
    monkeypatch.setattr(sandbox, "LEFT_BEHIND", name)
    given = {"url": "http://shop.example.com", "path": "/run", "body": {}, "left_behind": True, "report_only": True}
    text = hostile.program("left behind", "m", {"name": name})
    with subprocess.Popen([sys.executable, "-I", "-c", text], stdout=subprocess.DEVNULL) as program:
        seen = until(lambda: run_module("check_sandbox", **given)["assertions"][0], lambda one: len(one["observed"]["left"]) == 2)
        for pid in seen["observed"]["left"]:
            os.kill(int(pid), signal.SIGKILL)
        program.wait()
    assert (seen["status"], "2 processes go on of a program" in seen["summary"]) == ("failed", True), seen
    assert until(lambda: run_module("check_sandbox", **given)["assertions"][0], lambda one: one["status"] == "passed")


def until(look: Callable[[], dict[str, Any]], good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    end = time.monotonic() + 20
    while not good(seen := look()):
        assert time.monotonic() < end, seen
        time.sleep(0.1)
    return seen

"""Units: what keeps them from counting as restarted and running."""

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox import processes, systemd
from ansible.module_utils.tickbox.answers import Answer, ask_unix
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.units import SocketFacts, judge_restart, judge_running, place_problems, timer_problems

NOW = datetime(2026, 1, 2, 3, 10, tzinfo=UTC)
SWITCH = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
RELEASE = Path("/srv/shop/releases/two")
WEB = "shop-web@two.service"
SERVICE = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "UnitFileState": "enabled",
    "MainPID": "77",
    "NRestarts": "0",
    "NeedDaemonReload": "no",
    "ExecMainStartTimestamp": "Fri 2026-01-02 03:06:00.000000 UTC",
    "ExecStart": "{ path=/srv/shop/releases/two/venv/bin/gunicorn ; argv[]=/srv/shop/releases/two/venv/bin/gunicorn x ; pid=77 }",
    "ControlGroup": f"/system.slice/{WEB}",
}
TIMER = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "waiting",
    "UnitFileState": "enabled",
    "NextElapseUSecRealtime": "Fri 2026-01-02 04:00:00.000000 UTC",
    "NextElapseUSecMonotonic": "0",
    "NeedDaemonReload": "no",
}
PROCESS = processes.Process(
    pid=77,
    cwd="/srv/shop/releases/two/code",
    cwd_replaced=False,
    exe="/usr/bin/python3.11",
    arguments=("/srv/shop/releases/two/venv/bin/python", "/srv/shop/releases/two/venv/bin/gunicorn", "x"),
    mapped=frozenset({"/usr/bin/python3.11", "/srv/shop/releases/two/venv/lib/fast.so"}),
)
SOCKET = "/run/shop/two.sock"
LISTENS = SocketFacts(expected=SOCKET, resolved=SOCKET, listeners={"123": {77, 78}}, outsiders=set(), kept=True)
HEALTHY = Answer(200, {}, b'{"status": "ok", "database": "ok"}', 77)


@pytest.fixture(autouse=True)
def _files_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """The release of the table tests is on no disk."""
    monkeypatch.setattr("ansible.module_utils.tickbox.units._lies_in", lambda path, folder: path.is_relative_to(folder / "venv"))


def samples(*last: dict[str, str], **changes: str) -> list[dict[str, dict[str, str]]]:
    return [{WEB: SERVICE | changes}] * 3 + [{WEB: SERVICE | entry} for entry in last]


def restart(seen: list[dict[str, dict[str, str]]], process: processes.Process = PROCESS) -> Any:
    return judge_restart(seen, {WEB: process}, RELEASE, SWITCH, NOW)


def running(seen: list[Any], *, timer: dict[str, str] = TIMER, listens: Any = LISTENS, health: Any = HEALTHY) -> Any:
    return judge_running(seen, {"shop-cleanup@two.timer": timer}, WEB, listens, [HEALTHY, health], {"status": "ok"}, NOW)


def test_a_restarted_unit_passes() -> None:
    assert restart(samples()).status == "passed"
    assert restart(samples(NRestarts="1")).status == "passed", "a crash of minutes ago is no loop"


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (samples(ExecMainStartTimestamp="Fri 2026-01-02 03:04:59.999999 UTC"), "before 2026-01-02 03:05:00 UTC"),
        (samples(ExecMainStartTimestamp=""), "does not say when"),
        (samples(NeedDaemonReload="yes"), "without a daemon-reload"),
        (samples({"NRestarts": "1", "MainPID": "80"}), "restarted 1 times within the window"),
        (samples({"MainPID": "80"}), "main process changed"),
        (samples({"ActiveState": "activating", "SubState": "auto-restart"}, {}), "in 1 of 5 samples"),
        (samples(NRestarts="4", ExecMainStartTimestamp="Fri 2026-01-02 03:09:52.000000 UTC"), "4 times, the last 8 s ago"),
        (samples(ActiveState="failed", SubState="failed", MainPID="0"), "failed (failed) in 3 of 3"),
        (samples(ActiveState="active", SubState="exited", MainPID="0"), "active (exited)"),
        (samples(LoadState="not-found"), "not-found"),
        (samples(LoadState="masked"), "masked"),
        ([{}], "no service was named"),
    ],
)
def test_restart_refuses(seen: list[dict[str, dict[str, str]]], says: str) -> None:
    verdict = restart(seen)
    assert verdict.status == "failed"
    assert says in verdict.summary


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cwd": "/srv/shop/releases/one/code"}, "runs in /srv/shop/releases/one/code"),
        ({"cwd": "/srv/shop/releases/two-old/code"}, "runs in /srv/shop/releases/two-old/code"),
        ({"cwd": "/srv/shop/releases/two/code-before"}, "not in /srv/shop/releases/two/code"),
        ({"cwd_replaced": True}, "a former /srv/shop/releases/two/code"),
        ({"arguments": ("/srv/shop/releases/one/venv/bin/python", "-m", "shop")}, "files of release one"),
        ({"arguments": ("python", "--config=/srv/shop/releases/one/gunicorn.py")}, "files of release one"),
        ({"mapped": frozenset({"/srv/shop/releases/one/venv/lib/fast.so"})}, "files of release one"),
        ({"mapped": frozenset({"/srv/shop/releases/two/venv/lib/fast.so (deleted)"})}, "has been replaced"),
    ],
)
def test_restart_refuses_a_process_of_elsewhere(change: dict[str, Any], says: str) -> None:
    verdict = restart(samples(), replace(PROCESS, **change))
    assert verdict.status == "failed"
    assert says in verdict.summary


def test_restart_refuses_a_unit_that_starts_something_else() -> None:
    outside = {"ExecStart": "{ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 -m http.server }"}
    process = replace(PROCESS, arguments=("/usr/bin/python3", "-m", "http.server"), mapped=frozenset())
    assert "lies in" in restart(samples(**outside), process).summary
    assert place_problems(PROCESS, SERVICE | {"ExecStart": "{ path=/srv/shop/releases/one/bin/x }"}, RELEASE)


def test_running_units_pass() -> None:
    assert running(samples()).status == "passed"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"seen": samples({"NRestarts": "1"})}, "within the window"),
        ({"seen": samples(UnitFileState="disabled")}, "would not come back"),
        ({"seen": [{"other.service": SERVICE}]}, "not among the units"),
        ({"listens": replace(LISTENS, resolved="/run/shop/one.sock")}, "leads to /run/shop/one.sock"),
        ({"listens": replace(LISTENS, listeners={})}, "nothing listens"),
        ({"listens": replace(LISTENS, listeners={"123": set()})}, "no process is seen"),
        ({"listens": replace(LISTENS, listeners={"123": {77}, "124": {99}})}, "2 sockets listen"),
        ({"listens": replace(LISTENS, outsiders={99})}, "process 99"),
        ({"listens": replace(LISTENS, kept=False)}, "all replaced"),
        ({"health": Answer(503, {}, b'{"status": "ok"}')}, "status 503"),
        ({"health": Answer(200, {}, b'{"status": "degraded"}')}, 'body.status is "degraded"'),
        ({"health": Answer(200, {}, b"<html>ok</html>")}, "no JSON object"),
        ({"health": Answer(200, {}, b"{}")}, "body.status is missing"),
        ({"health": Answer(0, {}, b"connection refused")}, "no answer (connection refused)"),
        ({"timer": TIMER | {"UnitFileState": "disabled"}}, "shop-cleanup@two.timer: disabled"),
    ],
)
def test_running_refuses(arguments: dict[str, Any], says: str) -> None:
    verdict = running(arguments.pop("seen", samples()), **arguments)
    assert verdict.status == "failed"
    assert says in verdict.summary


@pytest.mark.parametrize(
    "change",
    [
        {"LoadState": "not-found"},
        {"ActiveState": "inactive"},
        {"ActiveState": "failed"},
        {"SubState": "elapsed", "NextElapseUSecRealtime": "", "NextElapseUSecMonotonic": "infinity"},
        {"NeedDaemonReload": "yes"},
        {"UnitFileState": "masked"},
        {"UnitFileState": "enabled-runtime"},
        {"UnitFileState": "static"},
    ],
)
def test_a_timer_that_will_not_elapse(change: dict[str, str]) -> None:
    assert not timer_problems(TIMER)
    assert timer_problems(TIMER | change)


def test_systemctl_output() -> None:
    parsed = systemd.parse("A=1\nB=x=y\n\nA=\n", ["one", "two"])
    assert parsed == {"one": {"A": "1", "B": "x=y"}, "two": {"A": ""}}
    with pytest.raises(CouldNotLook):
        systemd.parse("A=1\n", ["one", "two"])
    assert systemd.timestamp("n/a") is None
    assert systemd.timestamp("Fri 2026-01-02 03:06:00.250000 UTC") == SWITCH + timedelta(seconds=60.25)


@pytest.fixture
def answering(tmp_path: Path) -> Callable[[bytes], Path]:
    """A socket file in which each connection gets the same bytes."""

    def listen(reply: bytes) -> Path:
        path = tmp_path / "web.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                peer, _ = listener.accept()
                peer.recv(4096)
                peer.sendall(reply)
                peer.close()

        threading.Thread(target=serve, daemon=True).start()
        return path

    return listen


def test_the_listener_of_a_socket_file_is_known(answering: Callable[[bytes], Path]) -> None:
    path = answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello")
    assert ask_unix(path, "/") == Answer(200, {"content-type": "text/plain"}, b"hello", os.getpid())
    (holders,) = processes.listeners(str(path), os.getpid()).values()
    assert os.getpid() in holders
    assert processes.listeners(str(path) + "x", os.getpid()) == {}


@pytest.mark.parametrize("reply", [b"", b"nonsense", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nshort"])
def test_an_answer_that_is_none(answering: Callable[[bytes], Path], reply: bytes) -> None:
    assert ask_unix(answering(reply), "/").status == 0


def test_no_listener(tmp_path: Path) -> None:
    assert "No such file" in ask_unix(tmp_path / "absent.sock", "/").outcome


def test_the_own_process() -> None:
    own = processes.look(os.getpid())
    assert own.cwd == str(Path.cwd())
    assert not own.cwd_replaced
    assert own.mapped
    assert "PATH" in processes.environment(os.getpid())
    with pytest.raises(CouldNotLook):
        processes.look(2**22 + 1)


def test_control_groups(tmp_path: Path) -> None:
    (tmp_path / "77").mkdir()
    (tmp_path / "77" / "cgroup").write_text(f"0::/system.slice/{WEB}/worker\n")
    assert processes.in_control_group(77, f"/outer/system.slice/{WEB}", proc=tmp_path)
    assert not processes.in_control_group(77, "/system.slice/other.service", proc=tmp_path)
    assert not processes.in_control_group(77, "", proc=tmp_path)
    assert not processes.in_control_group(78, f"/system.slice/{WEB}", proc=tmp_path)


@pytest.mark.parametrize(
    "arguments", [{"started_after": "yesterday"}, {"started_after": "2026-01-02T03:04:05"}, {"started_after": "9" * 400}]
)
def test_a_time_that_is_none_is_unverifiable(run_module: Callable[..., dict[str, Any]], arguments: dict[str, Any]) -> None:
    result = run_module("check_release", items=["deploy.release.restart"], release_path="/", units=["x.service"], **arguments)
    assert result["failed"]
    assert result["assertions"][0]["status"] == "unverifiable"
    assert "\n" not in result["msg"]


def test_what_an_item_needs_is_named(run_module: Callable[..., dict[str, Any]]) -> None:
    result = run_module("check_release", items=["deploy.release.restart"], release_path="/", units=["x.service"])
    assert "needs started_after" in result["msg"]


def watched(monkeypatch: pytest.MonkeyPatch, started: datetime, window: float, state: str = "active") -> float:
    """How long a watch over a unit lasts whose process was started then."""
    shown = {WEB: {"ActiveState": state, "ExecMainStartTimestamp": started.strftime("%a %Y-%m-%d %H:%M:%S.%f UTC")}}
    monkeypatch.setattr(systemd, "show", lambda units, properties: shown)
    begun = time.monotonic()
    assert len(systemd.watch([WEB], window)) >= 2
    return time.monotonic() - begun


def test_the_time_that_a_process_has_run_counts_for_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = datetime.now(UTC) - timedelta(seconds=60)
    assert watched(monkeypatch, long_ago, 1) < 0.9
    assert watched(monkeypatch, datetime.now(UTC), 1) > 0.9
    assert watched(monkeypatch, long_ago, 1, "activating") > 0.9

"""A switch: the process is well, the links change, and the last requests of the other one are waited for."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

Run = Callable[..., dict[str, Any]]


def answer(listening: socket.socket, status: str) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection, suppress(BrokenPipeError):
            connection.recv(4096)
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[[str, str], Path]]:
    """Something that answers every request on a socket of that name."""
    opened = []

    def listen(name: str, status: str = "200 OK") -> Path:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(tmp_path / name))
        listening.listen()
        opened.append(listening)
        threading.Thread(target=answer, args=(listening, status), daemon=True).start()
        return tmp_path / name

    yield listen
    for listening in opened:
        listening.close()


@pytest.fixture
def switch(run_module: Run, tmp_path: Path) -> Run:
    def run(new: Path, **given: Any) -> dict[str, Any]:
        return run_module("release_switch", socket=str(new), health_path="/healthz", timeout=0.3, **given)

    return run


def test_links_lead_to_the_new_release(switch: Run, process: Callable[..., Path], tmp_path: Path) -> None:
    old, new = process("v1.sock"), process("v2.sock")
    current, earlier = tmp_path / "current.sock", tmp_path / "earlier.sock"
    current.symlink_to(old)
    done = switch(new, links={str(earlier): str(old), str(current): str(new)}, drain=str(old), drain_seconds=2)
    assert (current.readlink(), earlier.readlink()) == (new, old)
    assert done["links"] == {str(current): str(old), str(earlier): ""}
    assert (done["changed"], done["connections_left"]) == (True, 0)


def test_a_request_that_does_not_end_is_told_of(switch: Run, process: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    warned: list[str] = []
    # In a process that is Ansible's controller as well a warning is shown at once, and is in no result.
    monkeypatch.setattr(AnsibleModule, "warn", lambda _, text: warned.append(text))
    old, new = process("v1.sock"), process("v2.sock")
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(old))
        done = switch(new, drain=str(old), drain_seconds=0.2)
    assert done["connections_left"] == 1
    assert [text.partition(" to ")[0] for text in warned] == ["1 connections"]


def test_a_process_that_is_not_well_changes_nothing(switch: Run, process: Callable[..., Path], tmp_path: Path) -> None:
    new = process("v2.sock", "503 Service Unavailable")
    assert switch(new, links={str(tmp_path / "current.sock"): str(new)})["failed"]
    assert not (tmp_path / "current.sock").is_symlink()

"""Units change hands: the last requests of a release end first, and its timers go on where they stood."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.module_utils.tickbox.drain import TABLE, connections, drained
from ansible.module_utils.tickbox.unit_control import take_over


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """A process that listens on <tmp_path>/v1.sock."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "v1.sock"))
        listening.listen()
        yield listening


def connect(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    return client


def test_who_is_connected_counts_accepted_or_not(listener: socket.socket, tmp_path: Path) -> None:
    path = tmp_path / "v1.sock"
    assert connections(path, TABLE.read_text()) == 0
    with connect(path), connect(path):
        assert connections(path, TABLE.read_text()) == 2
        accepted, _ = listener.accept()
        assert connections(path, TABLE.read_text()) == 2
        assert connections(tmp_path / "v2.sock", TABLE.read_text()) == 0
        accepted.close()
        assert connections(path, TABLE.read_text()) == 1


def test_the_last_request_is_waited_for(listener: socket.socket, tmp_path: Path) -> None:
    client = connect(tmp_path / "v1.sock")
    accepted, _ = listener.accept()

    def answer() -> None:
        accepted.close()
        client.close()

    timer = threading.Timer(0.3, answer)
    timer.start()
    began = time.monotonic()
    assert drained(tmp_path / "v1.sock", 10) == 0
    assert 0.2 < time.monotonic() - began < 5
    timer.join()


def test_a_request_that_does_not_end_is_not_waited_for_longer(listener: socket.socket, tmp_path: Path) -> None:
    with connect(tmp_path / "v1.sock"):
        began = time.monotonic()
        assert drained(tmp_path / "v1.sock", 0.2) == 1
        assert 0.2 <= time.monotonic() - began < 5


def stamp(folder: Path, timer: str, when: int) -> Path:
    path = folder / f"stamp-{timer}"
    path.touch()
    os.utime(path, (when, when))
    return path


def test_a_timer_goes_on_where_the_other_release_stood(tmp_path: Path) -> None:
    stamp(tmp_path, "shop-clean@v1.timer", 1000)
    stamp(tmp_path, "shop-clean@v2.timer", 2000)
    stamp(tmp_path, "shop-cleanup@v2.timer", 3000)
    take_over("shop-clean@v3.timer", tmp_path)
    assert (tmp_path / "stamp-shop-clean@v3.timer").stat().st_mtime == 2000
    # on the way back its own is of long ago, and its work was done since
    take_over("shop-clean@v1.timer", tmp_path)
    assert (tmp_path / "stamp-shop-clean@v1.timer").stat().st_mtime == 2000


def test_the_first_timer_of_its_kind_has_nothing_to_go_on_from(tmp_path: Path) -> None:
    take_over("shop-clean@v1.timer", tmp_path)
    take_over("shop.timer", tmp_path)
    assert list(tmp_path.iterdir()) == []

"""What a unit has logged, by a journalctl that shows a file."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.journal import logged


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that stands for the journal of shop-web.service."""
    file = tmp_path / "log"
    file.write_text("")
    program = tmp_path / "journalctl"
    program.write_text(f'#!/bin/sh\ncase "$*" in *--unit=shop-web.service*) cat {file};; *--sync*) ;; *) exit 1;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return file


def test_those_that_are_there_are_returned(log: Path) -> None:
    log.write_text("request 17a\nrequest 23b\n")
    assert logged("shop-web.service", ["17a", "99z", "23b"], patience=0) == ["17a", "23b"]


def test_an_entry_may_take_a_moment(log: Path) -> None:
    def write() -> None:
        time.sleep(0.3)
        log.write_text("17a")

    writer = threading.Thread(target=write)
    writer.start()
    assert logged("shop-web.service", ["17a"], patience=10) == ["17a"]
    writer.join()


def test_a_journal_that_cannot_be_read_is_no_empty_one(log: Path) -> None:
    with pytest.raises(CouldNotLook, match="the journal of other"):
        logged("other.service", ["17a"])


def test_texts_are_of_one_unit(run_module: Any) -> None:
    result = run_module("check_release", items=["deploy.release.dependencies"], release_path="/", lock="x", texts=["17a"])
    assert "texts needs web_unit" in result["msg"]

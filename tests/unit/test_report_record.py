"""A record is shown only as it was written: each changed byte is noticed, and its line named."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sample_run
from ansible.module_utils.tickbox.record import RESULTS, SUMMARY, BrokenRecord, Writer, read
from ansible.module_utils.tickbox.summary import verified


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A short record with its summary."""
    happened = [
        event for event in sample_run.events() if event["event"] != "assertion" or event["item"].startswith("deploy.backup")
    ]
    return sample_run.keep(tmp_path / "run", happened, sample_run.facts(samples=[]), sample_run.BEGAN + 139)


def change(path: Path, offset: int, byte: bytes) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:offset] + byte + content[offset + 1 :])


@pytest.mark.parametrize("byte", [b"\xff", b" ", b"\n", b"\r", b"}"], ids=["no text", "blank", "line feed", "return", "brace"])
def test_one_changed_byte_is_noticed_and_its_line_named(kept: Path, byte: bytes) -> None:
    path = kept / RESULTS
    whole = path.read_bytes()
    for offset in range(0, len(whole), 149):
        if whole[offset : offset + 1] == byte:
            continue
        change(path, offset, byte)
        number = whole.count(b"\n", 0, offset) + 1
        with pytest.raises(BrokenRecord, match=f"^line {number} of ") as caught:
            verified(kept, sample_run.CHECKLIST)
        assert "\n" not in str(caught.value)
        path.write_bytes(whole)
    assert verified(kept, sample_run.CHECKLIST)[0]["outcome"] == "deployed"


def test_a_changed_end_of_a_line_is_noticed(kept: Path) -> None:
    path = kept / RESULTS
    whole = path.read_bytes()
    for number, end in enumerate(re.finditer(rb"\n", whole), start=1):
        change(path, end.start(), b" ")
        with pytest.raises(BrokenRecord, match=f"^line {number} of "):
            verified(kept, sample_run.CHECKLIST)
        path.write_bytes(whole)


@pytest.mark.parametrize("lost", [1, 2, 10])
def test_an_end_that_was_cut_off_is_noticed(kept: Path, lost: int) -> None:
    path = kept / RESULTS
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-lost]))
    with pytest.raises(BrokenRecord, match=f"line {len(lines) - lost + 1} of .* is missing or has no end"):
        verified(kept, sample_run.CHECKLIST)


@pytest.mark.parametrize(
    ("what", "edit"),
    [
        ("outcome", lambda summary: summary.update(outcome="unchanged")),
        ("counts", lambda summary: summary["counts"].update(passed=99)),
        ("items", lambda summary: summary["items"][0].update(status="attested")),
        ("items", lambda summary: summary["items"].pop()),
        ("window_seconds", lambda summary: summary.pop("window_seconds")),
        ("praise", lambda summary: summary.update(praise="well done")),
        ("is no summary", lambda summary: summary.pop("record_digest")),
        ("is no summary", lambda summary: summary.update(record_lines=0)),
        ("another digest", lambda summary: summary.update(record_digest="0" * 64)),
        ("outcome", lambda summary: summary.update(record_lines=9, record_digest=json.loads(LINES[9])["previous"])),
    ],
)
def test_a_summary_that_does_not_follow_from_the_record_is_refused(kept: Path, what: str, edit: Callable[[Any], Any]) -> None:
    LINES[:] = (kept / RESULTS).read_text().splitlines()
    summary = json.loads((kept / SUMMARY).read_text())
    edit(summary)
    (kept / SUMMARY).write_text(json.dumps(summary))
    with pytest.raises(BrokenRecord, match=what):
        verified(kept, sample_run.CHECKLIST)


LINES: list[str] = []  # of the record at hand


def test_what_happened_after_the_summary_was_written_is_no_forgery(kept: Path) -> None:
    Writer(kept).append({"event": "failure", "time": 0, "host": "one", "task": "Give back the lock", "message": "no"})
    summary, events = verified(kept, sample_run.CHECKLIST)
    assert len(events) == summary["record_lines"] + 1
    assert summary["failures"] == []


def test_a_run_that_was_cut_off_is_what_it_left(tmp_path: Path) -> None:
    directory = sample_run.keep(tmp_path / "run", sample_run.events()[:30])
    with (directory / RESULTS).open("a") as record:
        record.write('{"event": "assertion", "it')  # killed while it wrote
    summary, events = verified(directory, sample_run.CHECKLIST)
    assert (summary["outcome"], len(events)) == ("interrupted", 30)
    assert summary["ended"] == events[-1]["time"]
    assert not (directory / SUMMARY).exists()


def test_what_holds_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_text("")
    with pytest.raises(BrokenRecord, match="does not say which run was opened"):
        verified(tmp_path, sample_run.CHECKLIST)


def test_writers_that_take_turns_keep_one_chain(tmp_path: Path) -> None:
    one, other = Writer(tmp_path), Writer(tmp_path)
    for number in range(3):
        one.append({"number": number})
        other.append({"number": -number, "text": "two\nlines\u2028"})
    assert len(read(tmp_path)) == 6

"""The run record: its chain holds, and what is derived from it."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import Verdict, all_of, examine
from ansible.module_utils.tickbox.record import (
    RESULTS,
    BrokenRecord,
    Writer,
    end_of,
    ended,
    item_results,
    module_seconds,
    phase_seconds,
    read,
    seconds,
)


def assertion(item: str, status: str, host: str = "one", **more: Any) -> dict[str, Any]:
    return {"event": "assertion", "item": item, "status": status, "host": host, "summary": f"{status} on {host}", **more}


@pytest.fixture
def record(tmp_path: Path) -> Path:
    writer = Writer(tmp_path)
    for number in range(4):
        writer.append({"event": "phase", "name": f"p{number}", "phase": "role", "time": float(number)})
    return tmp_path


def test_reads_what_was_written(record: Path) -> None:
    assert [event["name"] for event in read(record)] == ["p0", "p1", "p2", "p3"]


def test_a_second_writer_goes_on_with_the_chain(record: Path) -> None:
    Writer(record).append({"event": "later"})
    assert read(record)[-1]["event"] == "later"


def test_two_write_in_turns(record: Path) -> None:
    first, second = Writer(record), Writer(record)
    for number in range(3):
        first.append({"event": "first", "number": number})
        second.append({"event": "second", "number": number})
    assert [event["event"] for event in read(record)[4:]] == ["first", "second"] * 3


def test_what_is_added_after_the_end_does_not_change_what_ended(record: Path) -> None:
    with pytest.raises(BrokenRecord, match="has no end"):
        ended(record)
    Writer(record).append({"event": "closed", "time": 9.0, "facts": {"outcome": "deployed"}})
    before = ended(record)
    assert (before.digest, before.facts, len(before.events)) == (end_of(record)["record_digest"], {"outcome": "deployed"}, 5)
    Writer(record).append({"event": "closed", "time": 10.0, "facts": {"outcome": "failed"}})
    assert ended(record) == before


@pytest.mark.parametrize("end", ["", "\r\n", "\x0b", "\n\n"])
def test_the_end_of_a_line_is_a_part_of_the_record(record: Path, end: str) -> None:
    file, closed = record / RESULTS, end_of(record)
    file.write_bytes(file.read_bytes().rstrip(b"\n") + end.encode())
    with pytest.raises(BrokenRecord):
        read(record, closed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [lines[0], lines[1].replace("p1", "px"), *lines[2:]],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: lines[1:],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [*lines[:-1], lines[-1][:-5]],
        lambda lines: [*lines, "[]"],
    ],
    ids=["edited", "one missing", "first missing", "swapped", "cut short", "foreign"],
)
def test_refuses_a_damaged_record(record: Path, damage: Any) -> None:
    path = record / RESULTS
    path.write_text("\n".join(damage(path.read_text().splitlines())) + "\n")
    with pytest.raises(BrokenRecord):
        read(record)


def test_an_item_has_its_last_result_of_each_host_and_the_worst_of_all() -> None:
    events = [
        assertion("a", "failed"),
        assertion("a", "passed"),
        assertion("a", "unverifiable", "two"),
        assertion("b", "failed"),
        assertion("b", "passed"),
    ]
    results = item_results(events)
    assert results["a"]["status"] == "unverifiable"
    assert results["a"]["hosts"] == ["one", "two"]
    assert results["b"]["status"] == "passed"


def test_a_later_look_replaces_an_earlier_one_of_the_same_host() -> None:
    for first, last in (("passed", "failed"), ("failed", "passed"), ("not_applicable", "failed")):
        events = [assertion("a", first, "controller"), assertion("a", last, "controller")]
        assert item_results(events)["a"]["status"] == last


def test_what_others_showed_says_nothing_of_a_host_that_was_gone() -> None:
    def status(*events: dict[str, Any]) -> dict[str, str]:
        return {item: result["status"] for item, result in item_results(events).items()}

    gone = {"event": "unreachable", "host": "two", "items": ["a"]}
    a, b = assertion("a", "passed", once=False), assertion("b", "passed", once=False)
    assert status(a, b, {**gone, "items": []}) == {"a": "passed", "b": "passed"}
    assert status(a, b, gone) == {"a": "unverifiable", "b": "passed"}
    assert status(a, gone, b) == {"a": "unverifiable", "b": "unverifiable"}
    assert status(gone, {**b, "once": True}) == {"b": "passed"}
    assert status(gone, b, assertion("b", "passed", "two", once=False)) == {"b": "passed"}
    assert status(gone, {**assertion("b", "failed"), "once": False}) == {"b": "failed"}
    assert status(b, gone, {**b, "phase": "rollback"}) == {"b": "passed"}
    result = item_results([gone, b])["b"]
    assert (result["summary"], result["hosts"]) == ("two could not be reached, so that nobody looked there", ["one", "two"])


def test_looking_again_while_rolling_back_ticks_nothing_of_the_deployment() -> None:
    events = [
        assertion("deploy.release.code", "failed", phase="release"),
        assertion("deploy.release.code", "passed", phase="rollback"),
        assertion("rollback.initiate.code", "passed", phase="rollback"),
    ]
    results = item_results(events)
    assert results["deploy.release.code"]["status"] == "failed"
    assert results["rollback.initiate.code"]["status"] == "passed"


def test_an_item_took_as_long_as_its_longest_look() -> None:
    events = [
        assertion("a", "passed", seconds=9.0),
        assertion("a", "passed", seconds=1.0),
        assertion("a", "failed", "two", seconds=0.5),
    ]
    assert item_results(events)["a"]["seconds"] == 1.0


def test_an_assertion_has_the_times_of_its_look() -> None:
    before = datetime.now(UTC)
    seen = examine("a", lambda: time.sleep(0.2) or Verdict("passed", "slow"))  # type: ignore[func-returns-value]
    assert 0.2 <= seconds(seen) < 2
    assert abs(datetime.fromisoformat(seen["started"]) - before) < timedelta(seconds=0.1)
    assert seconds(examine("a", lambda: Verdict("passed", "quick"))) < 0.1


def test_a_waiver_is_that_of_the_worst_result() -> None:
    waiver = {"approver": "Carla"}
    events = [assertion("a", "waived", waiver=waiver), assertion("a", "passed", "two"), assertion("b", "passed")]
    results = item_results(events)
    assert (results["a"]["status"], results["a"]["waiver"]) == ("waived", waiver)
    assert "waiver" not in results["b"]


def test_a_phase_lasts_until_the_next_begins(record: Path) -> None:
    assert phase_seconds(read(record), 10.0) == [
        {"name": "p0", "seconds": 1.0},
        {"name": "p1", "seconds": 1.0},
        {"name": "p2", "seconds": 1.0},
        {"name": "p3", "seconds": 7.0},
    ]


def look(item: str, began: int, ended: int) -> dict[str, str]:
    times = {name: f"2026-01-01T00:00:{second:02}.000+00:00" for name, second in (("started", began), ("ended", ended))}
    return {"event": "assertion", "item": item, **times}


def test_a_module_looked_as_long_as_any_of_its_looks_went_on() -> None:
    checklist = [{"id": "a.b.c", "module": "one"}, {"id": "a.b.d", "module": "one"}, {"id": "a.b.e", "module": "other"}]
    events = [look("a.b.c", 0, 4), look("a.b.d", 2, 6), look("a.b.c", 10, 11), look("a.b.e", 0, 9), look("signoff.qa_lead", 0, 30)]
    assert module_seconds(events, checklist) == [{"name": "other", "seconds": 9.0}, {"name": "one", "seconds": 7.0}]


def test_each_line_is_one_json_object(record: Path) -> None:
    assert all(isinstance(json.loads(line), dict) for line in (record / RESULTS).read_text().splitlines())


def test_of_nothing_nothing_was_seen() -> None:
    seen = examine("pre.environment.tls", all_of)
    assert (seen["status"], seen["summary"]) == ("unverifiable", "nothing was looked at")

import json
import logging

import pytest

from interactive_examples.logs import JsonFormatter, request_id


def entry(level, message, **extra):
    record = logging.makeLogRecord({"name": "x", "levelno": level, "levelname": logging.getLevelName(level)} | extra)
    record.msg = message
    return JsonFormatter().format(record)


@pytest.fixture
def outside_the_journal(monkeypatch):
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)


@pytest.mark.usefixtures("outside_the_journal")
def test_entry_carries_request_and_release():
    token = request_id.set("abc")
    try:
        content = json.loads(entry(logging.INFO, "hello\nworld", fields={"status": 200}))
    finally:
        request_id.reset(token)
    assert content["request_id"] == "abc"
    assert content["release"] == "release-1"
    assert content["status"] == 200
    assert content["message"] == "hello\nworld"


@pytest.mark.usefixtures("outside_the_journal")
def test_an_entry_is_one_line():
    assert "\n" not in entry(logging.ERROR, "first\nsecond")


@pytest.mark.parametrize(
    ("level", "priority"), [(logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>")]
)
def test_the_journal_sees_the_priority(monkeypatch, level, priority):
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    assert entry(level, "x").startswith(priority + "{")

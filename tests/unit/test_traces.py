"""What a release leaves in the cache and in the log."""

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.caches import Contents, judge_caches, layout_of, read
from ansible.module_utils.tickbox.logs import Entry, judge_logs, parse
from ansible.module_utils.tickbox.redis_client import connect
from hypothesis import given, settings
from hypothesis import strategies as st

LAYOUT = layout_of(
    {"all": "shop:*:page:*", "prefix": "shop:v2:page:", "list": "shop:v2:page:list", "field": "id", "each": "shop:v2:page:"}
)
LIST = json.dumps([{"id": 1}, {"id": "two"}])
KEYS = {"shop:v2:page:list", "shop:v2:page:1", "shop:v2:page:two"}


def contents(keys: set[str] | None = None, held: str | None = LIST, **more: Any) -> Contents:
    found = KEYS if keys is None else keys
    return Contents(found, held, {**{key: 5 for key in found if key in KEYS}, **more.pop("lengths", {})}, **more)


def test_a_rebuilt_cache_passes() -> None:
    seen = judge_caches(contents(idle=dict.fromkeys(KEYS, 3)), LAYOUT, 3, 10)
    assert seen.status == "passed", seen.summary


@pytest.mark.parametrize(
    ("found", "written", "says"),
    [
        (contents(set(), None), 3, "1 of 1 warmed entries are missing"),
        (contents({"shop:v2:page:list"}), None, "2 of 3 warmed entries are missing: shop:v2:page:1, shop:v2:page:two"),
        (contents(KEYS - {"shop:v2:page:1"}), 3, "1 of 3 warmed entries are missing"),
        (contents({key.replace("v2", "v1") for key in KEYS}, None), None, "3 entries of another release"),
        (contents(KEYS | {"shop:v1:page:1"}), 3, "1 entries of another release: shop:v1:page:1"),
        (contents(KEYS | {"shop:v22:page:1"}), 3, "1 entries of another release"),
        (contents(held="[]"), 3, "is an empty list"),
        (contents(held="null"), 3, "is no list of objects"),
        (contents(held='[{"name": 1}]'), 3, "is no list of objects"),
        (contents(held="[" * 20000), 3, "is no list of objects"),
        (contents(), 5, "the rebuild wrote 5 entries, of which 3 are there"),
        (contents(), 0, "the rebuild wrote no entry"),
        (contents(lengths={"shop:v2:page:1": 0}), 3, "empty: shop:v2:page:1"),
        (contents(lengths={"shop:v2:page:1": None}), 3, "empty: shop:v2:page:1"),
        (contents(idle={"shop:v2:page:1": 4000}), 3, "1 entries are older than this run"),
    ],
)
def test_a_cache_that_was_not_rebuilt_is_refused(found: Contents, written: int | None, says: str) -> None:
    seen = judge_caches(found, LAYOUT, written, 10)
    assert seen.status == "failed"
    assert says in seen.summary


def test_a_layout_without_a_part_says_so() -> None:
    with pytest.raises(CouldNotLook, match="each"):
        layout_of({"all": "a", "prefix": "b", "list": "c", "field": "d"})


@contextmanager
def redis_server(replies: Mapping[str, bytes]) -> Iterator[int]:
    """A server that answers each command by its first words."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer, peer.makefile("rwb") as stream:
            while line := stream.readline():
                words = []
                for _ in range(int(line[1:])):
                    words.append(stream.read(int(stream.readline()[1:]) + 2)[:-2].decode())
                found = next((reply for start, reply in replies.items() if " ".join(words).startswith(start)), b"-ERR unknown\r\n")
                stream.write(found)
                stream.flush()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def test_the_server_is_read_in_its_own_protocol() -> None:
    answers = {
        "AUTH shop se cret": b"+OK\r\n",
        "SELECT 2": b"+OK\r\n",
        "SCAN 0 MATCH shop:*:page:*": b"*2\r\n$1\r\n9\r\n*1\r\n$17\r\nshop:v2:page:list\r\n",
        "SCAN 9": b"*2\r\n$1\r\n0\r\n*1\r\n$14\r\nshop:v2:page:1\r\n",
        "OBJECT": b"-ERR An LFU maxmemory policy is selected\r\n",
        "TYPE": b"+string\r\n",
        "STRLEN": b":11\r\n",
        "GET": b'$11\r\n[{"id": 1}]\r\n',
    }
    with redis_server(answers) as port, connect(f"redis://shop:se%20cret@127.0.0.1:{port}/2") as redis:
        found = read(redis, LAYOUT)
    assert judge_caches(found, LAYOUT, 2, 10).status == "passed"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://h", "is none"),
        ("redis://", "is none"),
        ("redis://h:x", "cannot be read"),
        ("redis://u:geheim@127.0.0.1:1/0", "Redis at 127.0.0.1:1"),
    ],
)
def test_an_address_that_leads_nowhere_is_said(address: str, says: str) -> None:
    with pytest.raises(CouldNotLook) as reason, connect(address):
        pass
    assert says in str(reason.value)
    assert "geheim" not in str(reason.value)


def test_a_refused_login_is_said() -> None:
    with (
        redis_server({"AUTH": b"-WRONGPASS invalid\r\n"}) as port,
        pytest.raises(CouldNotLook, match="WRONGPASS"),
        connect(f"redis://a:b@127.0.0.1:{port}/0"),
    ):
        pass


WEB, NONCE, START = "shop-web@v2.service", "n0nce", "39f53479d3a045ac8e11786248231fbf"
PLANTED = Entry("shop-web-planted-1.service", 3, f'{{"level": "error", "message": "planted {NONCE}"}}')
ASKED = Entry(WEB, 6, '{"level": "info", "message": "request"}')
STARTED = Entry(WEB, 6, "Started shop-web", START, system=True)
GOOD = [STARTED, ASKED, PLANTED]


def test_a_log_without_errors_passes() -> None:
    seen = judge_logs(GOOD, NONCE, [WEB], [WEB])
    assert seen.status == "passed", seen.summary


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (
            Entry(WEB, 3, '{"level": "error", "logger": "shop", "message": "no database"}'),
            "1 errors in the log: shop-web@v2.service: shop no database",
        ),
        (Entry(WEB, 2, "disk gone"), "disk gone"),
        (Entry(WEB, 6, '{"level": "error", "message": "hidden"}'), "1 of them at a priority that is none of an error"),
        (Entry(WEB, 6, '{"severity": "CRITICAL", "message": "hidden"}'), "hidden"),
        (Entry(WEB, 6, "ERROR: cannot"), "ERROR: cannot"),
        (Entry(WEB, 6, "[2026-01-02 03:04:05 +0000] [12] [ERROR] boom"), "boom"),
        (Entry(WEB, 6, "Traceback (most recent call last):"), "Traceback"),
        (Entry(WEB, 6, '<3>{"level": "error", "message": "prefix"}'), "prefix"),
        (Entry(WEB, 4, "Failed with result 'exit-code'.", "d9b373ed55a64feb8242e02dbe79a49c", system=True), "Failed with result"),
        (Entry(WEB, 4, "killed by the OOM killer", "fe6faa94e7774663a0da52717891d8ef", system=True), "OOM"),
        (Entry("shop-worker@v2.service", 3, "worker"), "shop-worker@v2.service: worker"),
    ],
)
def test_an_error_is_refused(entry: Entry, says: str) -> None:
    seen = judge_logs([*GOOD, entry], NONCE, [WEB], [WEB])
    assert seen.status == "failed"
    assert says in seen.summary


@pytest.mark.parametrize(
    "text",
    ["no error", '{"level": "info", "message": "ERROR in a word"}', '{"level": "warning"}', "0 errors", "{", "ERRORS=0 total"],
)
def test_what_is_no_error_is_none(text: str) -> None:
    assert judge_logs([*GOOD, Entry(WEB, 6, text)], NONCE, [WEB], [WEB]).status == "passed"


@pytest.mark.parametrize(
    ("entries", "status", "says"),
    [
        ([STARTED, ASKED], "unverifiable", "an error that was planted is not in the journal"),
        ([], "unverifiable", "is not in the journal"),
        ([STARTED, PLANTED], "unverifiable", "has written nothing to the journal"),
        ([ASKED, PLANTED], "unverifiable", "does not hold the start of shop-web@v2.service"),
        ([*GOOD, Entry(WEB, 4, "Suppressed 9 messages", "a596d6fe7bfa4994828e72309e95d61e", True)], "unverifiable", "dropped"),
        ([STARTED, ASKED, Entry("p", 6, PLANTED.message)], "failed", "reached the journal at priority info"),
        ([STARTED, ASKED, Entry(WEB, 3, f"systemd names {NONCE}", "", system=True)], "unverifiable", "is not in the journal"),
    ],
)
def test_a_log_that_does_not_show_errors_is_refused(entries: list[Entry], status: str, says: str) -> None:
    seen = judge_logs(entries, NONCE, [WEB], [WEB])
    assert seen.status == status
    assert says in seen.summary


def test_the_journal_is_read_with_its_oddities() -> None:
    lines = [
        {"MESSAGE": [72, 105, 255], "PRIORITY": "3", "_SYSTEMD_UNIT": WEB},
        {"MESSAGE": None, "PRIORITY": "9", "_SYSTEMD_UNIT": WEB},
        {"MESSAGE": "failed", "UNIT": WEB, "_PID": "1", "PRIORITY": "4", "MESSAGE_ID": "d9b373ed55a64feb8242e02dbe79a49c"},
        {"MESSAGE": "claims to be systemd", "UNIT": WEB, "_PID": "77", "PRIORITY": "3"},
    ]
    entries = parse("\n".join(json.dumps(line) for line in lines))
    assert [(entry.unit, entry.priority, entry.is_error) for entry in entries] == [
        (WEB, 3, True),
        (WEB, 6, False),
        (WEB, 4, True),
        (WEB, 3, True),
    ]


@given(st.text(max_size=80))
@settings(max_examples=80)
def test_no_journal_stops_the_look(text: str) -> None:
    try:
        assert all(isinstance(entry.is_error, bool) for entry in parse(text))
    except CouldNotLook as reason:
        assert "journal" in str(reason)

"""Redis as a cache: what it must not be, and servers that are none."""

import socket
import threading
from dataclasses import replace
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict
from ansible.module_utils.tickbox.redis_client import Redis, Refused
from ansible.module_utils.tickbox.redis_policy import Server, judge_redis, listening, read_users
from hypothesis import given, settings
from hypothesis import strategies as st

MB = 1024**2
ANY = "0.0.0.0"  # noqa: S104 - what a server must not listen on
FILE = "/etc/redis/redis.conf"
LIVE = {"maxmemory": str(64 * MB), "maxmemory-policy": "allkeys-lru", "protected-mode": "yes", "port": "6379", "requirepass": ""}
USERS = {"default": "off -@all", "shop": "on #12 ~shop:* +@all -@admin"}
SERVER = Server(
    live=LIVE,
    filed={**LIVE, "port": "0"},
    live_users=USERS,
    filed_users=USERS,
    file=FILE,
    enabled="enabled",
    listens=["127.0.0.1"],
    open_to={"127.0.0.1": "NOAUTH Authentication required."},
    accepts="",
    evicted=1200,
    refused="",
    memory=1024 * MB,
    used=2 * MB,
)


def judge(seen: Server = SERVER, policy: str = "allkeys-lru", maxmemory: int = 64 * MB) -> Verdict:
    return judge_redis(seen, file=FILE, policy=policy, maxmemory=maxmemory, addresses=["127.0.0.1"])


def both(**settings: str) -> Server:
    changes = {name.replace("_", "-"): value for name, value in settings.items()}
    return replace(SERVER, live={**LIVE, **changes}, filed={**SERVER.filed, **changes})


def test_a_cache_passes() -> None:
    assert judge().status == "passed"
    assert judge(policy="", maxmemory=0).status == "passed"


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (both(maxmemory="0"), "nothing bounds it"),
        (both(maxmemory_policy="noeviction"), "a full cache refuses writes"),
        (both(maxmemory_policy="allkeys-lfu"), "is allkeys-lfu, not allkeys-lru"),
        (both(maxmemory=str(32 * MB)), "is 32 MB, not 64 MB"),
        (replace(SERVER, live={}), "nothing bounds it"),
        (replace(SERVER, live={**LIVE, "maxmemory": "0"}), "live maxmemory is 0"),
        (replace(SERVER, filed={**LIVE, "maxmemory": "0"}), "in the file maxmemory is 0"),
        (replace(SERVER, filed={**LIVE, "maxmemory-policy": "noeviction"}), "in the file maxmemory-policy is noeviction"),
        (replace(SERVER, live={**LIVE, "protected-mode": "no"}), "protected-mode differs from the file: 'no' live"),
        (replace(SERVER, live_users={**USERS, "guest": "on nopass +@all"}), "users differ from the file: guest"),
        (replace(SERVER, live_users={"default": "on nopass"}, filed_users={"default": "on nopass"}), "default needs no password"),
        (replace(SERVER, file="/tmp/other.conf"), "started with /tmp/other.conf"),  # noqa: S108
        (replace(SERVER, file=""), "started with no file"),
        (replace(SERVER, enabled="disabled"), "would not come back"),
        (replace(SERVER, listens=["127.0.0.1", ANY]), "listens on 0.0.0.0"),
        (replace(SERVER, listens=[]), "does not listen on 127.0.0.1"),
        (replace(SERVER, open_to={"127.0.0.1": "PONG"}), "a stranger at 127.0.0.1 is answered: PONG"),
        (replace(SERVER, accepts="OOM command not allowed"), "the application cannot write: OOM"),
        (replace(SERVER, refused="OOM command not allowed"), "a write past the limit fails: OOM"),
        (replace(SERVER, evicted=0), "evicted nothing"),
        (replace(SERVER, stopped="Bad directive"), "no server starts with /etc/redis/redis.conf: Bad directive"),
        (replace(SERVER, memory=64 * MB), "maxmemory needs 80 MB"),
    ],
)
def test_refuses(seen: Server, says: str) -> None:
    judged = judge(seen)
    assert judged.status == "failed"
    assert says in judged.summary


def test_a_policy_for_what_expires_needs_keys_that_do() -> None:
    volatile = replace(both(maxmemory_policy="volatile-lru"), keys=10, expiring=10)
    assert judge(volatile, policy="").status == "passed"
    assert "3 of 10 keys never do" in judge(replace(volatile, expiring=7), policy="").summary


def test_a_secret_that_differs_is_not_shown() -> None:
    seen = judge(replace(SERVER, live={**LIVE, "requirepass": "hunter2"}))
    assert "requirepass differs" in seen.summary
    assert "hunter2" not in str(seen)


def test_single_commands_have_no_order_but_categories_do() -> None:
    one, other = (read_users([f"user shop on #12 {rules}"]) for rules in ("+@all -@admin -keys -sort", "+@all -@admin -sort -keys"))
    assert one == other
    assert read_users(["user shop -@admin +@all"]) != read_users(["user shop +@all -@admin"])


def test_addresses_that_a_process_listens_on() -> None:
    four = (
        "  sl\n 0: 0100007F:18EB 00000000:0000 0A 0:0 0:0 0 104 0 4242 1\n 1: 00000000:18EB 00000000:0000 0A 0:0 0:0 0 104 0 99 1\n"
    )
    six = (
        " 0: 00000000000000000000000001000000:18EB 0:0 0A 0:0 0:0 0 104 0 4243 1\n 2: 0100007F:18EB 0:0 01 0:0 0:0 0 104 0 4242 1\n"
    )
    assert listening([four, six], {"4242", "4243"}) == ["127.0.0.1", "::1"]


@given(st.lists(st.text(max_size=80), max_size=5))
@settings(max_examples=100)
def test_foreign_lines_are_read(lines: list[str]) -> None:
    assert isinstance(read_users(lines), dict)
    assert listening(lines, {"1"}) == [] or lines


def answered(reply: bytes, *words: str) -> Any:
    """What a client makes of ``reply``, from a server that sends nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1024)
                client.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            with Redis("127.0.0.1", server.getsockname()[1]) as redis:
                return redis(*words)
        finally:
            thread.join(5)


def test_answers_are_read() -> None:
    assert answered(b"*3\r\n$1\r\na\r\n:7\r\n$-1\r\n", "X") == ["a", 7, None]
    with pytest.raises(Refused, match="NOAUTH"):
        answered(b"-NOAUTH no\r\n", "PING")


@pytest.mark.parametrize(
    "reply", [b"", b"HTTP/1.1 400\r\n", b"$9\r\nshort", b"$x\r\n", b"$99999999999999\r\n", b"*1\r\n" * 20, b"+OK"]
)
def test_what_is_no_redis_cannot_be_looked_at(reply: bytes) -> None:
    with pytest.raises(CouldNotLook):
        answered(reply, "PING")


def test_where_nothing_listens_cannot_be_looked_at() -> None:
    with pytest.raises(CouldNotLook, match="does not answer"):
        Redis("/nowhere/socket")


def test_the_module_says_so(run_module: Any) -> None:
    given = {"admin_password": "secret-a", "user": "shop", "password": "secret-b", "port": 1, "unit": "none.service"}
    seen = run_module("check_redis", **given, report_only=True)
    assert seen["assertions"][0]["status"] == "unverifiable"
    assert "secret-" not in str(seen["assertions"])

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a Redis server in its own protocol (RESP 2), with nothing but Python's own library."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import unquote, urlsplit

from .assertion import CouldNotLook

Reply = str | int | None | list["Reply"]

TIMEOUT = 5.0  # seconds
LARGEST = 64 * 1024 * 1024  # bytes of one reply: more is no cache entry, and would not fit the module's memory
DEEPEST = 8  # nested arrays; SCAN needs two
PORT = 6379


class Stream(Protocol):
    """What is needed of a connection."""

    def write(self, data: bytes, /) -> int: ...
    def flush(self) -> None: ...
    def read(self, size: int, /) -> bytes: ...
    def readline(self, size: int, /) -> bytes: ...


class Refused(Exception):
    """The server answered a command with an error."""


class Redis:
    """A connection; each call sends one command and returns its reply."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __call__(self, *words: str | int) -> Reply:
        encoded = [str(word).encode("utf-8", "surrogateescape") for word in words]
        self.stream.write(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded))
        self.stream.flush()
        return read_reply(self.stream)

    def scan(self, pattern: str) -> set[str]:
        """All keys that match the pattern. The server is not blocked meanwhile."""
        found: set[str] = set()
        cursor = "0"
        while True:
            reply = self("SCAN", cursor, "MATCH", pattern, "COUNT", 500)
            if not isinstance(reply, list) or len(reply) != 2 or not isinstance(reply[1], list):  # noqa: PLR2004
                raise Refused("SCAN was answered with something else")
            cursor = str(reply[0])
            found |= {str(key) for key in reply[1]}
            if cursor == "0":
                return found


def read_reply(stream: Stream, depth: int = 0) -> Reply:
    """Read one reply. Refused: the server's error. CouldNotLook: it is no Redis that answers."""
    line = stream.readline(LARGEST)
    kind, rest = line[:1], line[1:].rstrip(b"\r\n")
    if not line.endswith(b"\r\n"):
        raise CouldNotLook("the server ended the connection")
    if kind == b"+":
        return rest.decode("utf-8", "replace")
    if kind == b"-":
        raise Refused(rest.decode("utf-8", "replace"))
    try:
        number = int(rest)
    except ValueError:
        raise CouldNotLook("the server does not speak Redis' protocol") from None
    if kind == b":":
        return number
    if number > LARGEST or kind not in b"$*" or depth > DEEPEST:
        raise CouldNotLook("the server does not speak Redis' protocol")
    if number < 0:
        return None
    if kind == b"*":
        return [read_reply(stream, depth + 1) for _ in range(number)]
    content = stream.read(number + 2)
    if len(content) != number + 2:
        raise CouldNotLook("the server ended the connection")
    return content[:-2].decode("utf-8", "surrogateescape")


@contextmanager
def connection(address: str) -> Iterator[Redis]:
    """Connect to ``redis[s]://[user][:password]@host[:port][/database]``. No message holds the password."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or PORT
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        database = int(parts.path.strip("/") or 0)
    except ValueError:
        raise CouldNotLook("the address of Redis cannot be read") from None
    if parts.scheme not in {"redis", "rediss"} or not host:
        raise CouldNotLook("the address of Redis is none: redis://user:password@host:port/database")
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT) as plain:
            secured = plain
            if parts.scheme == "rediss":
                secured = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
            with secured, secured.makefile("rwb") as stream:
                redis = Redis(stream)
                if password:
                    redis("AUTH", *([user] if user else []), password)
                if database:
                    redis("SELECT", database)
                yield redis
    except Refused as error:
        raise CouldNotLook(f"Redis on {host}:{port}: {error}") from None
    except (OSError, ssl.SSLError) as error:
        raise CouldNotLook(f"Redis on {host}:{port}: {error}") from None

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Speaks to a Redis server (RESP 2) over TCP, TLS or a socket file, and starts one of its kind to try."""

from __future__ import annotations

import os
import pwd
import re
import secrets
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from .assertion import CouldNotLook

PORT = 6379
TIMEOUT = 5.0  # seconds for an answer
LONGEST = 64 * 1024 * 1024  # bytes of one answer; the server's own limit for a string is 512 MB
DEEPEST = 8  # arrays within arrays
SCRATCH_MEMORY = 6 * 1024 * 1024  # bytes, of which an empty server takes one or two
VALUE = 16 * 1024  # bytes of one value written to reach the limit
MOST = 4 * SCRATCH_MEMORY // VALUE  # values to write: several times what fits


class Refused(Exception):
    """The server answered with an error; the message is its own."""


class Redis:
    """A connection. Raises CouldNotLook where no server answers, Refused where it answers with an error."""

    def __init__(self, address: str, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """``address`` is the path of a socket file where it begins with a slash."""
        self.name = address if address.startswith("/") else f"{address}:{port}"
        try:
            if address.startswith("/"):
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.settimeout(TIMEOUT)
                self.socket.connect(address)
            else:
                self.socket = socket.create_connection((address, port), TIMEOUT)
                if tls:
                    self.socket = tls.wrap_socket(self.socket, server_hostname=address)
        except OSError as error:
            raise CouldNotLook(f"Redis at {self.name} does not answer: {error}") from None
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Redis:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.file.close()
        self.socket.close()

    def __call__(self, *words: str | bytes | int) -> Any:
        encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        parts = [b"*%d\r\n" % len(encoded), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)]
        try:
            self.socket.sendall(b"".join(parts))
            return self._answer()
        except OSError as error:
            raise CouldNotLook(f"Redis at {self.name} does not answer {words[0]!s}: {error}") from None

    def table(self, *words: str) -> dict[str, str]:
        """An answer of names and values in turn, as CONFIG GET gives it."""
        answer = self(*words)
        if not isinstance(answer, list) or len(answer) % 2 or not all(isinstance(entry, str) for entry in answer):
            raise CouldNotLook(f"Redis at {self.name} answers {words[0]} with no table")
        return dict(zip(answer[::2], answer[1::2], strict=True))

    def info(self) -> dict[str, str]:
        """INFO, by its names."""
        answer = self("INFO")
        lines = answer.splitlines() if isinstance(answer, str) else []
        return {name: value for name, sign, value in (line.partition(":") for line in lines) if sign}

    def scan(self, pattern: str) -> set[str]:
        """All keys that match the pattern; the server is not blocked meanwhile."""
        found: set[str] = set()
        cursor = "0"
        while True:
            answer = self("SCAN", cursor, "MATCH", pattern, "COUNT", 500)
            if not isinstance(answer, list) or len(answer) != 2 or not isinstance(answer[1], list):  # noqa: PLR2004
                raise CouldNotLook(f"Redis at {self.name} answers SCAN with something else")
            cursor = str(answer[0])
            found |= {str(key) for key in answer[1]}
            if cursor == "0":
                return found

    def _answer(self, depth: int = 0) -> Any:
        line = self.file.readline(LONGEST)
        kind, rest = line[:1], line[1:].rstrip(b"\r\n").decode("utf-8", "replace")
        if not line.endswith(b"\r\n") or depth > DEEPEST:
            raise CouldNotLook(f"what answers at {self.name} is not Redis")
        if kind == b"-":
            raise Refused(rest)
        if kind == b"+":
            return rest
        if (
            kind not in b":$*"
            or not re.fullmatch(r"-?\d{1,18}", rest, re.ASCII)
            or int(rest) > LONGEST * (10**9 if kind == b":" else 1)
        ):
            raise CouldNotLook(f"what answers at {self.name} is not Redis")
        number = int(rest)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"$":
            text = self.file.read(number + 2)
            if len(text) != number + 2:
                raise CouldNotLook(f"Redis at {self.name} stopped in the middle of an answer")
            return text[:-2].decode("utf-8", "replace")
        return [self._answer(depth + 1) for _ in range(number)]


def connect(url: str) -> Redis:
    """Connect to ``redis[s]://[user][:password]@host[:port][/database]`` and log in there. No message holds the password."""
    try:
        parts = urlsplit(url)
        port, database = parts.port or PORT, int(parts.path.strip("/") or 0)
    except ValueError:
        raise CouldNotLook("the address of Redis cannot be read") from None
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise CouldNotLook("the address of Redis is none: redis://user:password@host:port/database")
    redis = Redis(parts.hostname, port, ssl.create_default_context() if parts.scheme == "rediss" else None)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    try:
        if password:
            redis("AUTH", *([user] if user else []), password)
        if database:
            redis("SELECT", database)
    except Refused as error:
        raise CouldNotLook(f"Redis at {redis.name}: {error}") from None
    return redis


@contextmanager
def scratch(program: str, configuration: str, user: str) -> Iterator[str]:
    """Start a server with this configuration file, on no port, in a folder of its own; yield its socket file.

    It listens on a socket file that ``user`` alone reaches and keeps nothing; it is stopped and its folder removed at the end.
    """
    with tempfile.TemporaryDirectory(prefix="tickbox-redis-") as folder:
        owner = pwd.getpwnam(user)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        path = f"{folder}/socket"
        # What would make it meet the server of the file is set aside; everything else is the file's.
        away = ["--port", "0", "--tls-port", "0", "--unixsocket", path, "--unixsocketperm", "700", "--dir", folder, "--save", ""]
        away += ["--appendonly", "no", "--pidfile", f"{folder}/pid", "--logfile", "", "--daemonize", "no", "--supervised", "no"]
        as_owner: dict[str, Any] = {"user": user, "group": owner.pw_gid, "extra_groups": os.getgrouplist(user, owner.pw_gid)}
        process = subprocess.Popen(
            [program, configuration, *away],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **(as_owner if os.geteuid() == 0 else {}),
        )
        try:
            deadline = time.monotonic() + TIMEOUT
            while not _takes_connections(path):
                if process.poll() is not None:
                    said = process.stdout.read().decode("utf-8", "replace").strip().splitlines() if process.stdout else []
                    raise Refused(said[-1][:200] if said else f"exit code {process.returncode}")
                if time.monotonic() > deadline:
                    raise CouldNotLook(f"{program} with {configuration} does not start within {TIMEOUT:g} s")
                time.sleep(0.01)
            yield path
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


def _takes_connections(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as tried:
        return tried.connect_ex(path) == 0


def overfill(server: Redis, prefix: str, expire: int) -> tuple[int, str]:
    """Write past a small limit, as a cache is written; return how many values were evicted, and the error of a refused write.

    ``expire``: seconds after which a value expires; 0 for values that stay.
    """
    server("CONFIG", "SET", "maxmemory", SCRATCH_MEMORY)
    value = secrets.token_bytes(VALUE)
    before = int(server.info().get("evicted_keys", "0"))
    said = ""
    for number in range(MOST):
        try:
            server("SET", f"{prefix}{number}", value, *(("EX", expire) if expire else ()))
        except Refused as error:
            said = str(error)
            break
    return int(server.info().get("evicted_keys", "0")) - before, said

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many requests at once, each over a connection of its own, so that a rate limit is met however slow the site is."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from .assertion import CouldNotLook

# Measured with nginx of two processes: connections that are opened 16 at a time come to both about equally, 8 at a time to one.
CONNECTIONS, AT_ONCE = 400, 16
START = 0.1  # seconds that the threads need to stand ready
TIMEOUT = 30.0  # what passes at once waits in the application
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Asked:
    """One request: the status that came back, 0 where nothing did, and when it was sent and answered (monotonic seconds)."""

    status: int
    sent: float
    answered: float


@dataclass(frozen=True)
class Place:
    """Where a site is asked: ``netloc`` is its name in requests, ``host`` in TLS."""

    address: str
    scheme: str
    netloc: str
    host: str
    port: int


def place(url: str, address: str) -> Place:
    """The site ``url`` at ``address``."""
    try:
        parts = urlsplit(url)
        found = Place(address, parts.scheme, parts.netloc, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0))
    except ValueError:
        raise CouldNotLook(f"url: '{url}' is no address of a site") from None
    if not (found.host and found.port):
        raise CouldNotLook(f"url: '{url}' is no address of a site")
    return found


class _Connection(http.client.HTTPConnection):
    """A connection to an address, with TLS under the site's name where the site has it."""

    def __init__(self, where: Place, context: ssl.SSLContext) -> None:
        super().__init__(where.address, where.port, timeout=TIMEOUT)
        self.where, self.context = where, context

    def connect(self) -> None:
        self.sock = socket.create_connection((self.where.address, self.where.port), timeout=TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.where.scheme == "https":
            self.sock = self.context.wrap_socket(self.sock, server_hostname=self.where.host)

    def closed(self) -> bool:
        """Whether the other side has closed it. Between two requests it says nothing else but what TLS itself needs."""
        self.sock.settimeout(0)
        try:
            return self.sock.recv(1) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        finally:
            self.sock.settimeout(TIMEOUT)


class Crowd:
    """Asks for a path over many connections, which stay open until the end.

    All are opened before anything is asked, and requests leave when they are due: over fewer connections they would wait for the
    answers to those before them, so that a slow site kept the crowd below its limit. They are opened several at a time: a server of
    several processes takes those with different ones only while the first is busy.
    """

    def __init__(self, where: Place, context: ssl.SSLContext) -> None:
        self.where, self.context = where, context
        self.connections: list[_Connection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for connection in self.connections:
            connection.close()

    def ask(self, path: str, due: Sequence[float], headers: Callable[[], Mapping[str, str]] = dict) -> list[Asked]:
        """Send a GET after each of so many seconds. ``headers`` makes those of one request."""
        many = min(CONNECTIONS, len(due))
        self.connections += [_Connection(self.where, self.context) for _ in range(many - len(self.connections))]
        used = self.connections[:many]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(_open, used))
        began = time.monotonic() + START
        with ThreadPoolExecutor(many) as pool:
            found = list(pool.map(lambda number: self._ask(used[number], path, began, due[number::many], headers), range(many)))
        return [found[number % many][number // many] for number in range(len(due))]

    def _ask(
        self, connection: _Connection, path: str, began: float, due: Sequence[float], headers: Callable[[], Mapping[str, str]]
    ) -> list[Asked]:
        answers = []
        for seconds in due:
            given = {"Host": self.where.netloc, **headers()}
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            sent = time.monotonic()
            try:
                connection.request("GET", path, headers=given)
                response = connection.getresponse()
                answered = time.monotonic()
                response.read()
                answers.append(Asked(response.status, sent, answered))
            except (OSError, http.client.HTTPException):
                connection.close()
                answers.append(Asked(0, sent, time.monotonic()))
        return answers


def _open(connection: _Connection) -> None:
    """Connect it, where it is not any more or the other side has closed it meanwhile."""
    try:
        if connection.sock is not None and connection.closed():
            connection.close()
        if connection.sock is None:
            connection.connect()
    except OSError:  # the request says so
        connection.close()

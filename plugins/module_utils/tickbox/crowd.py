# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many requests at once over connections that are kept, so that a rate limit is met even from a slow machine."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from .assertion import CouldNotLook

# Measured with nginx of two processes: 32 connections, 16 at a time, come to both about equally; 8 come to one.
CONNECTIONS, AT_ONCE = 32, 16
TIMEOUT = 10.0
PORTS = {"http": 80, "https": 443}


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


class Crowd:
    """Asks for one path over many connections, which are opened anew each time.

    They are opened together, several at a time: a server of several processes takes those with different ones only while
    the first is busy.
    """

    def __init__(self, where: Place, context: ssl.SSLContext) -> None:
        self.where, self.context = where, context

    def ask(self, path: str, headers: Sequence[Mapping[str, str]]) -> list[int]:
        """Send as many GETs as there are ``headers`` and return their statuses; 0 where nothing came back."""
        connections = [_Connection(self.where, self.context) for _ in range(min(CONNECTIONS, len(headers)))]
        shares = [headers[start :: len(connections)] for start in range(len(connections))]
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(_open, connections))
                found = pool.map(lambda pair: self._ask(pair[0], path, pair[1]), zip(connections, shares, strict=True))
                return [status for statuses in found for status in statuses]
        finally:
            for connection in connections:
                connection.close()

    def _ask(self, connection: _Connection, path: str, headers: Sequence[Mapping[str, str]]) -> list[int]:
        statuses = []
        for own in headers:
            try:
                connection.request("GET", path, headers={"Host": self.where.netloc, **own})
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
            except (OSError, http.client.HTTPException):
                connection.close()
                statuses.append(0)
        return statuses


def _open(connection: _Connection) -> None:
    try:
        connection.connect()
    except OSError:  # the request says so
        connection.close()

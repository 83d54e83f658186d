# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP answers: what came back, how to ask over a unix socket, and whether a JSON body says what it should."""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NO_ANSWER = 0
HTTP_OK = 200
TOO_MANY, UNAVAILABLE = 429, 503
BODILESS = {204, 205, 304}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. Names of headers are in lower case; ``peer`` is the process that listens, where it is known.

    Status 0 is no answer at all; the body then says why.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    peer: int | None = None

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 shows as such instead of stopping the look."""
        return self.body.decode("utf-8", "replace")

    @property
    def outcome(self) -> str:
        """The status for a person."""
        return f"status {self.status}" if self.status != NO_ANSWER else f"no answer ({self.text})"

    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to a socket file, which remembers who listens there."""

    peer: int | None = None

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))
        # The kernel answers with the process that called listen(): nobody else can claim to be it.
        credentials = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self.peer = struct.unpack("3i", credentials)[0]


def ask_unix(
    path: Path,
    target: str,
    timeout: float = 10,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
) -> Answer:
    """Ask whatever listens on the socket file ``path`` for ``target``."""
    connection = _UnixConnection(path, timeout)
    try:
        connection.request(method, target, body=body, headers={**(headers or {}), "Connection": "close"})
        response = connection.getresponse()
        given = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, given, response.read(), connection.peer)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(NO_ANSWER, {}, f"{path}: {error}".encode(), connection.peer)
    finally:
        connection.close()


def json_differences(expected: Any, observed: Any, place: str = "body") -> list[str]:
    """Name where ``observed`` lacks what ``expected`` asks: objects may hold more, everything else must be equal."""
    if isinstance(expected, Mapping):
        if not isinstance(observed, Mapping):
            return [f"{place} is no JSON object"]
        return [
            difference
            for key, value in expected.items()
            for difference in (
                json_differences(value, observed[key], f"{place}.{key}") if key in observed else [f"{place}.{key} is missing"]
            )
        ]
    # True == 1 in Python, not in JSON.
    if expected != observed or isinstance(expected, bool) != isinstance(observed, bool):
        return [f"{place} is {json.dumps(observed)}, not {json.dumps(expected)}"]
    return []

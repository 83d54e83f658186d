# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A visitor who asks a site many things, no faster than the site's rate limits allow. Needs httpx."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import io
import re
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from .answers import HTTP_OK, NO_ANSWER, TOO_MANY, UNAVAILABLE, Answer
from .assertion import CouldNotLook
from .operations import Operation, read_operations
from .site import SITE_SPEC, TIMEOUT, Site, patiently, together

CREDIT = 30  # requests that may go out at once after a silence: every limit has some room for bursts
FURTHEST = 60.0  # seconds to the next turn at most: what an earlier start of this machine left says nothing
PATIENCE = 30.0  # seconds to wait in all for one request that the site refuses as one too many
REFERENCE = re.compile(r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)

# The arguments of every module that asks a site more than a few things.
VISITOR_SPEC: dict[str, Any] = {
    **SITE_SPEC,
    "pace": {"type": "float", "default": 25},
    "bypass_header": {"type": "str", "default": "X-Maintenance-Bypass"},
    "bypass_token": {"type": "str", "no_log": True},
}


@dataclass(frozen=True)
class Request:
    """One thing to ask. ``plain``: over port 80 without TLS; ``raw``: these bytes, as no HTTP library would send them."""

    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    plain: bool = False
    raw: bytes | None = None
    label: str = ""

    @property
    def name(self) -> str:
        """The request for a person."""
        path = self.path if len(self.path) < 80 else f"{self.path[:60]}..."  # noqa: PLR2004
        return self.label or f"{self.method} {'http:' if self.plain else ''}{path}"


@dataclass(frozen=True)
class Seen:
    """A request and what came back."""

    address: str
    request: Request
    answer: Answer

    @property
    def name(self) -> str:
        """The request for a person, with the status."""
        return f"{self.request.name} ({self.answer.status})"


class Visitor:
    """Asks a site. Where an operator has closed it, the operator's token shows what visitors will get once it is open."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        if params["pace"] <= 0:
            raise CouldNotLook(f"pace: {params['pace']} is not above 0")
        self.site = Site(params["url"], params["addresses"], params["ca_path"])
        self.http_port = params.get("http_port", 80)
        self._interval = 1 / params["pace"]
        self._turns = turns_of(self.site)
        self.headers: dict[str, str] = {}
        first = [self.ask(address, Request(), patient=False) for address in self.site.addresses]
        unreachable = [answer.outcome for answer in first if answer.status == NO_ANSWER]
        if unreachable:
            raise CouldNotLook(f"{self.site.url} cannot be asked: {unreachable[0]}")
        if params["bypass_token"] and any(answer.status == UNAVAILABLE for answer in first):
            self.headers = {params["bypass_header"]: params["bypass_token"]}

    def ask(self, address: str, request: Request, patient: bool = True) -> Answer:
        """Send one request in its turn; a ``patient`` one is sent again until the site does not refuse it as one too many."""

        def send() -> Answer:
            self._wait()
            return self._send(address, request)

        return patiently(send, PATIENCE) if patient else send()

    def ask_all(self, requests: Iterable[Request], patient: bool = True) -> list[Seen]:
        """Ask each at each address, several at a time."""
        pairs = [(address, request) for request in requests for address in self.site.addresses]
        return together(lambda pair: Seen(pair[0], pair[1], self.ask(*pair, patient=patient)), pairs)

    def hurry(self, requests: Iterable[Request], addresses: Sequence[str] = ()) -> list[Seen]:
        """Ask each at each address at once, as nobody does who means well."""
        pairs = [(address, request) for request in requests for address in addresses or self.site.addresses]
        return together(lambda pair: Seen(pair[0], pair[1], self._send(*pair)), pairs)

    def operations(self, path: str) -> list[Operation]:
        """The operations of the OpenAPI document that the site serves at ``path``."""
        answer = self.ask(self.site.addresses[0], Request(path))
        document = answer.json()
        if answer.status != HTTP_OK or document is None:
            raise CouldNotLook(f"the OpenAPI document {path}: {answer.outcome}, {'' if document else 'no '}JSON")
        return read_operations(document)

    def _send(self, address: str, request: Request) -> Answer:
        if request.raw is not None:
            return self._send_raw(address, request)
        origin = ("http", self.http_port) if request.plain else None
        return self.site.ask(address, request.path, request.method, {**self.headers, **request.headers}, request.body, origin)

    def _send_raw(self, address: str, request: Request) -> Answer:
        head, end, rest = (request.raw or b"").partition(b"\r\n\r\n")
        own = "".join(f"\r\n{name}: {value}" for name, value in self.headers.items()).encode()
        try:
            with socket.create_connection((address, self.site.port), timeout=TIMEOUT) as connection:
                secured = (
                    self.site.context.wrap_socket(connection, server_hostname=self.site.host)
                    if self.site.scheme == "https"
                    else connection
                )
                with secured:
                    secured.sendall(head + own + end + rest)
                    response = http.client.HTTPResponse(_Replay(secured.makefile("rb")))  # type: ignore[arg-type]
                    response.begin()
                    body = response.read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(NO_ANSWER, {}, f"{address}: {error or type(error).__name__}".encode())
        joined: dict[str, str] = {}
        for name, value in response.getheaders():
            joined[name.lower()] = f"{joined[name.lower()]}, {value}" if name.lower() in joined else value
        return Answer(response.status, joined, body)

    def _wait(self) -> None:
        """Wait for the turn of one request. Looks that go on side by side are one visitor to the site, and share its turns."""
        with self._turns.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            now = time.monotonic()
            turn = max(min(float(file.read() or 0), now + FURTHEST), now - CREDIT * self._interval)
            file.truncate(0)
            file.write(str(turn + self._interval))
        time.sleep(max(0.0, turn - now))


def turns_of(site: Site) -> Path:
    """The file that says when the next request to a site may leave this machine, in the time since it was started."""
    folder = Path("~/.cache/tickbox/turns").expanduser()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / hashlib.sha256(f"{site.scheme}://{site.host}:{site.port} {site.addresses}".encode()).hexdigest()[:32]


class _Replay:
    """What http.client wants of a socket: only its file."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self.file = file

    def makefile(self, _mode: str) -> io.BufferedIOBase:
        return self.file


def refuse_unseen(seen: Iterable[Seen]) -> None:
    """CouldNotLook where nothing came back, or the site went on refusing a patient request as one too many."""
    for one in seen:
        if one.answer.status == NO_ANSWER:
            raise CouldNotLook(f"{one.request.name}: {one.answer.outcome}")
        if one.answer.status == TOO_MANY:
            raise CouldNotLook(f"{one.request.name} was refused as one too many for {PATIENCE:.0f} s")


def references(page: str, at: str) -> list[str]:
    """Paths of the same site that a page names in src and href, without fragments."""
    found: dict[str, None] = {}
    for target in REFERENCE.findall(page):
        try:
            parts = urlsplit(urljoin(f"http://site{at}", target))
        except ValueError:
            continue
        if parts.netloc == "site":
            found[parts.path + (f"?{parts.query}" if parts.query else "")] = None
    return list(found)

# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A site as people reach it: asked under its name, at its addresses, with its certificate verified. Needs httpx."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

try:
    import httpx

    HTTPX = True
except ImportError:  # reported by the module that needs it
    HTTPX = False

from .answers import NO_ANSWER, TOO_MANY, Answer
from .assertion import CouldNotLook

TIMEOUT = 10.0  # seconds for one answer
PARALLEL = 8
PORTS = {"http": 80, "https": 443}

# The arguments by which every module that asks a site names it.
SITE_SPEC: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "ca_path": {"type": "path"},
}

Given = TypeVar("Given")
Made = TypeVar("Made")


class _SharedContext(ssl.SSLContext):
    """For connections of several threads. httpx sets the protocols anew for each, which frees what another's handshake reads."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Nothing: they were set when the context was made."""


def client_context(ca_path: str | None = None) -> ssl.SSLContext:
    """How a client verifies sites: by the CAs of a file, or of this machine. OSError or ssl.SSLError where it is of no use."""
    context = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)
    ssl.SSLContext.set_alpn_protocols(context, ["http/1.1"])
    if ca_path:
        context.load_verify_locations(ca_path)
    else:
        context.load_default_certs()
    return context


class Site:
    """``url`` names the site; it is asked at ``addresses``, or at those that its name resolves to."""

    def __init__(self, url: str, addresses: Sequence[str] = (), ca_path: str | None = None) -> None:
        try:
            parts = urlsplit(url)
            self.host, self.port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
        except ValueError:
            raise CouldNotLook(f"url: '{url}' is no address of a site") from None
        if parts.scheme not in PORTS or not self.host:
            raise CouldNotLook(f"url: '{url}' is no address of a site")
        self.url = url
        self.scheme = parts.scheme
        self.addresses = list(addresses) or self._resolve()
        try:
            self.context = client_context(ca_path)
        except (OSError, ssl.SSLError) as error:
            raise CouldNotLook(f"ca_path: {ca_path} cannot be used: {error}") from None
        # Each request is a visitor of its own. Asked for by a header: told to keep no connection, httpx's pool at times closes one
        # that it has just given to another thread. Proxies of this machine's environment would be asked instead of the site.
        self._client = httpx.Client(verify=self.context, timeout=TIMEOUT, headers={"Connection": "close"}, trust_env=False)

    def ask(
        self,
        address: str,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        origin: tuple[str, int] | None = None,
    ) -> Answer:
        """Send one request and return what came back. ``origin``: another scheme and port than the site's own."""
        scheme, port = origin or (self.scheme, self.port)
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"[{address}]" if ":" in address else address
        content = {"content": body} if isinstance(body, (str, bytes)) else {"json": body} if body is not None else {}
        try:
            answer = self._client.request(
                method,
                f"{scheme}://{place}:{port}{path}",
                headers={"Host": host if port == PORTS[scheme] else f"{host}:{port}", **(headers or {})},
                extensions={"sni_hostname": self.host},
                **content,
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, TypeError) as error:
            return Answer(NO_ANSWER, {}, f"{address}: {error or type(error).__name__}".encode())
        return Answer(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content)

    def certificate(self, address: str) -> Mapping[str, Any]:
        """Return the certificate served there, which was verified for the site's name; ssl.SSLError or OSError where not."""
        with (
            socket.create_connection((address, self.port), timeout=TIMEOUT) as connection,
            self.context.wrap_socket(connection, server_hostname=self.host) as secured,
        ):
            return secured.getpeercert() or {}

    def _resolve(self) -> list[str]:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise CouldNotLook(f"{self.host} has no address: {error}") from None
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def patiently(send: Callable[[], Answer], seconds: float) -> Answer:
    """Send a request again until the site does not refuse it as one too many, for ``seconds`` at most."""
    deadline = time.monotonic() + seconds
    while True:
        answer = send()
        if answer.status != TOO_MANY or time.monotonic() > deadline:
            return answer
        wait = answer.headers.get("retry-after", "")
        time.sleep(min(float(wait) if wait.isdigit() else 1.0, seconds))


def together(ask: Callable[[Given], Made], given: Iterable[Given]) -> list[Made]:
    """Call ``ask`` for each of ``given``, several at a time, and return the results in order."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(ask, given))

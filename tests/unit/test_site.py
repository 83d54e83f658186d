"""A site as many visitors at once ask it."""

import ssl
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler

import httpcore._sync.connection_pool as pool
import pytest
from ansible.module_utils.tickbox.site import Site, client_context, together
from web import Reply, serving


def test_threads_do_not_take_each_others_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    is_queued = pool.PoolRequest.is_queued

    def slowly(request: pool.PoolRequest) -> bool:
        """The moment in which a connection becomes idle that the pool has just held to be busy."""
        time.sleep(0.0005)
        return is_queued(request)

    def respond(_method: str, _path: str, _headers: Mapping[str, str]) -> Reply:
        return 200, {}, "x" * 2000

    monkeypatch.setattr(pool.PoolRequest, "is_queued", slowly)
    monkeypatch.setattr(BaseHTTPRequestHandler, "protocol_version", "HTTP/1.1")
    with serving(respond) as port:
        site = Site(f"http://localhost:{port}", ["127.0.0.1"])
        outcomes = together(lambda _: site.ask("127.0.0.1", "/").outcome, range(600))
    assert set(outcomes) == {"status 200"}


def test_a_context_that_threads_share_is_not_changed_under_them() -> None:
    """As httpx does for each connection, while another thread reads the protocols for its own."""
    context = client_context()
    context.set_alpn_protocols(["h2"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="shop.example.com").do_handshake()
    hello = outgoing.read()
    assert b"http/1.1" in hello
    assert b"\x02h2" not in hello

import pytest
from starlette.requests import HTTPConnection

from interactive_examples.clients import address, is_https


def connection(client, **headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection(
        {"type": "http", "client": client, "headers": raw, "scheme": "http", "path": "/", "server": ("x", 80)}
    )


def test_direct_connections_cannot_choose_their_address():
    direct = connection(("192.0.2.1", 4000), x_forwarded_for="198.51.100.1", x_forwarded_proto="https")
    assert address(direct) == "192.0.2.1"
    assert not is_https(direct)


@pytest.mark.parametrize("client", [None, ("", 0)])
def test_the_proxys_own_entry_counts(client):
    proxied = connection(client, x_forwarded_for="203.0.113.9, 198.51.100.1", x_forwarded_proto="https")
    assert address(proxied) == "198.51.100.1"
    assert is_https(proxied)


def test_without_an_address():
    assert address(connection(None)) == "unknown"

"""Who asks: the address and the scheme, as the proxy in front of this process saw them."""

from starlette.requests import HTTPConnection


def _from_proxy(connection: HTTPConnection, header: str) -> str | None:
    """Over the unix socket only the proxy speaks; of a list the last entry is the proxy's own."""
    if connection.client is not None and connection.client.host:
        return None
    value = connection.headers.get(header, "").rsplit(",", 1)[-1].strip()
    return value or None


def address(connection: HTTPConnection) -> str:
    direct = connection.client.host if connection.client else ""
    return _from_proxy(connection, "x-forwarded-for") or direct or "unknown"


def is_https(connection: HTTPConnection) -> bool:
    return (_from_proxy(connection, "x-forwarded-proto") or connection.url.scheme) == "https"

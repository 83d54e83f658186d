# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks Prometheus, Alertmanager and exporters, from the host that they run on; reads what they answer."""

from __future__ import annotations

import base64
import hashlib
import http.client
import ipaddress
import json
import re
import ssl
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from .answers import HTTP_OK, NO_ANSWER, Answer
from .assertion import CouldNotLook

TIMEOUT = 10.0  # seconds for one answer

Labels = frozenset[tuple[str, str]]
Figures = dict[str, dict[Labels, float]]

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w|y)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


@dataclass(frozen=True)
class Series:
    """One series as Prometheus keeps it: its labels (the name is ``__name__``), and the newest sample (Unix time, value)."""

    labels: Mapping[str, str]
    time: float
    value: float

    @property
    def name(self) -> str:
        return self.labels.get("__name__", "")

    @property
    def instance(self) -> str:
        return self.labels.get("instance", "")

    @property
    def own(self) -> Labels:
        """The labels that whoever was asked gave it."""
        return frozenset((name, value) for name, value in self.labels.items() if name not in {"__name__", "instance", "job"})


class Service:
    """Prometheus, Alertmanager or an exporter at ``url``, asked with a login where there is one.

    A certificate is not verified on the loopback, for which a public one has no name; elsewhere it is.
    """

    def __init__(self, name: str, url: str, user: str = "", password: str = "") -> None:
        try:
            parts = urlsplit(url)
            self.host, self.port = parts.hostname or "", parts.port
        except ValueError:
            raise CouldNotLook(f"{name}: '{url}' is no address") from None
        if parts.scheme not in {"http", "https"} or not self.host:
            raise CouldNotLook(f"{name}: '{url}' is no address")
        self.name = name
        self.secure = parts.scheme == "https"
        self.path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        self.base = parts.path.rstrip("/")
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {login}"} if user else {}

    def request(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET ``path``; status 0 and the reason where nothing answers."""
        connection = self._connection()
        try:
            connection.request("GET", path, headers={**self.headers, **(headers or {}), "Connection": "close"})
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(NO_ANSWER, {}, str(error or type(error).__name__).encode())
        finally:
            connection.close()

    def get(self, path: str, **values: str) -> Any:
        """The JSON that ``path`` answers; of Prometheus' API, what its envelope holds."""
        answer = self.request(f"{self.base}{path}{'?' + urlencode(values) if values else ''}")
        if answer.status != HTTP_OK:
            raise CouldNotLook(f"{self.name} answers {path} with {answer.outcome}")
        found = answer.json()
        if isinstance(found, dict) and "status" in found and "data" in found:
            return found["data"]
        if found is None:
            raise CouldNotLook(f"{self.name} answers {path} with something that is no JSON")
        return found

    def listed(self, path: str, key: str, **values: str) -> list[dict[str, Any]]:
        """The entries that Prometheus' API lists under ``key``."""
        data = self.get(path, **values)
        entries = data.get(key) if isinstance(data, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise CouldNotLook(f"{self.name} answers {path} in a form that cannot be read")
        return entries

    def figures(self, path: str = "") -> Figures:
        """What an exporter shows."""
        answer = self.request(path or self.path)
        if answer.status != HTTP_OK:
            raise CouldNotLook(f"{self.name} shows no figures: {answer.outcome}")
        return read_figures(answer.text)

    def newest(self, selector: str, seconds: float) -> list[Series]:
        """The newest sample of each series that ``selector`` names, out of the last ``seconds``."""
        return read_matrix(self.get("/api/v1/query", query=f"{selector}[{max(1, round(seconds))}s]"))

    def _connection(self) -> http.client.HTTPConnection:
        if not self.secure:
            return http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
        context = ssl.create_default_context()
        if on_loopback(self.host):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(self.host, self.port, timeout=TIMEOUT, context=context)


def on_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def seconds(text: str) -> float:
    """Read a duration as Prometheus writes it: 15s, 1m30s."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise CouldNotLook(f"'{text}' is no duration")
    return float(sum(int(number) * _SECONDS[unit] for number, unit in parts))


def read_figures(text: str) -> Figures:
    """Read the text that an exporter shows; lines that are none are left out."""
    found: Figures = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or line.startswith("#"):
            continue
        name, labels, value = match.groups()
        try:
            found.setdefault(name, {})[frozenset(_LABEL.findall(labels or ""))] = float(value)
        except ValueError:
            continue
    return found


def read_matrix(data: Any) -> list[Series]:
    """Read the result of a query over a range; a form that is not Prometheus' raises CouldNotLook."""
    try:
        return [
            Series({str(key): str(value) for key, value in entry["metric"].items()}, float(time), float(value))
            for entry in data["result"]
            for time, value in entry["values"][-1:]
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CouldNotLook("Prometheus answers a query in a form that cannot be read") from None


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def total(figures: Sequence[Figures], name: str) -> dict[Labels, float]:
    """The figure over several sources, by its labels."""
    found: dict[Labels, float] = {}
    for source in figures:
        for labels, value in source.get(name, {}).items():
            found[labels] = found.get(labels, 0.0) + value
    return found


def configuration_hash(content: bytes) -> float:
    """The number by which Alertmanager names the configuration that it runs with: six bytes of the file's MD5."""
    return float(struct.unpack("<Q", hashlib.md5(content, usedforsecurity=False).digest()[:6] + b"\0\0")[0])

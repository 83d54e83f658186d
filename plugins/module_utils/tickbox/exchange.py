# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The requests by which an application's definition shows each operation, sent as one person's browser would."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from .answers import HTTP_OK, Answer
from .assertion import CouldNotLook

Send = Callable[[str, str, Mapping[str, str], Any], Answer]
COOKIE = re.compile(r"(?:^|,\s*)([^=;,\s]+)=([^;,]*)")
PLACE = re.compile(r"\{([^}]+)\}")

# The form of one such request, for the modules that take them.
REQUEST_SPEC: dict[str, Any] = {
    "operation": {"type": "str", "required": True},
    "path": {"type": "dict"},
    "query": {"type": "dict"},
    "headers": {"type": "dict"},
    "body": {"type": "raw"},
    "status": {"type": "int", "default": 200},
    "keep": {"type": "dict"},
    "session": {"type": "bool", "default": False},
    "inside": {"type": "bool", "default": False},
}


@dataclass
class Exchange:
    """Sends requests and remembers what a browser does: cookies; and what later requests name: the values kept.

    ``send`` takes method, path, headers and body (a string, bytes, or what is sent as JSON). secrets: what stands in a body
    where it says ``{name}``.
    """

    send: Send
    secrets: Mapping[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def ask(self, request: Mapping[str, Any]) -> Answer:
        """Send one request. Raises CouldNotLook where it names a value that no answer gave."""
        method, _, template = request["operation"].partition(" ")
        path = fill(template, {**self.kept, **{name: str(value) for name, value in (request.get("path") or {}).items()}})
        if query := request.get("query"):
            path += "?" + urlencode(query)
        headers = {str(name): str(value) for name, value in (request.get("headers") or {}).items()}
        answer = self.raw(method, path, headers, self._open(request.get("body")))
        for name, place in (request.get("keep") or {}).items():
            value = answer.json()
            for part in str(place).split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
            if value is not None:
                self.kept[name] = str(value)
        return answer

    def _open(self, body: Any) -> Any:
        if isinstance(body, Mapping):
            return {name: self._open(value) for name, value in body.items()}
        if isinstance(body, str) and (found := PLACE.fullmatch(body)):
            return self.secrets.get(found.group(1), body)
        return body

    def raw(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> Answer:
        """Send what may be no proper request, with the cookies that there are."""
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        answer = self.send(method, path, {**cookie, **headers}, body)
        self.cookies.update(COOKIE.findall(answer.headers.get("set-cookie", "")))
        return answer


def fill(template: str, values: Mapping[str, str]) -> str:
    """The path of an operation with its values in place."""
    if lacking := [name for name in PLACE.findall(template) if name not in values]:
        raise CouldNotLook(f"{template}: no value for {', '.join(lacking)}; give it one in path, or keep it from an answer before")
    return PLACE.sub(lambda found: quote(values[found.group(1)], safe=""), template)


def wanted_status(request: Mapping[str, Any]) -> int:
    return int(request.get("status") or HTTP_OK)


def sessions(requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of the requests that open a session."""
    return [request for request in requests if request.get("session")]

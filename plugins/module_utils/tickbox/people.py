# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accounts that a check makes for itself through the application, and removes again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

from .answers import Answer
from .assertion import CouldNotLook
from .authorisation import SUCCESS, filled
from .visitor import Request, Visitor

NAME_BYTES, PASSWORD_BYTES = 5, 18
NEEDED = ("login", "create", "remove")


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in."""

    username: str
    identifier: str
    token: str


class People:
    """Logs in as the administrator, and makes people. ``accounts`` is described in check_authorisation's documentation."""

    def __init__(self, visitor: Visitor, accounts: Mapping[str, Any], administrator_password: str) -> None:
        lacking = [name for name in NEEDED if not isinstance(accounts.get(name), Mapping)]
        if lacking or not (accounts.get("cookie") or accounts.get("field")):
            raise CouldNotLook(f"accounts: {', '.join(lacking) or 'cookie or field'} is not given")
        self._visitor, self._accounts = visitor, accounts
        self._made: list[str] = []
        self._passwords: list[dict[str, str]] = []
        administrator = str(accounts.get("administrator"))
        token = self._log_in({"username": administrator, "password": administrator_password})
        self._administrator = Person(administrator, "", token)

    def newcomer(self) -> Person:
        """Make somebody without any rights, and log in."""
        values = {"username": f"tickbox-{secrets.token_hex(NAME_BYTES)}", "password": secrets.token_urlsafe(PASSWORD_BYTES)}
        made = self.request(filled(self._accounts["create"], values), self._administrator)
        identifier = self.identifier(made)
        self._made.append(identifier)
        self._passwords.append(values)
        return Person(values["username"], identifier, self._log_in(values))

    def closed_token(self) -> str:
        """A token that was good until its session was closed."""
        values = self._passwords[-1]
        token = self._log_in(values)
        self.request(self._accounts["logout"], Person(values["username"], "", token))
        return token

    def credentials(self, token: str | None) -> dict[str, str]:
        """The header that carries a token; none where there is no token."""
        if token is None:
            return {}
        if self._accounts.get("cookie"):
            return {"Cookie": f"{self._accounts['cookie']}={token}"}
        return {self._accounts.get("header", "Authorization"): f"{self._accounts.get('prefix', 'Bearer ')}{token}"}

    def request(self, given: Any, person: Person) -> Answer:
        """Do something as this person, which must succeed."""
        answer = self._ask(given, self.credentials(person.token))
        if answer.status not in SUCCESS:
            raise CouldNotLook(f"{given.get('method', 'GET')} {given.get('path')} as {person.username}: {answer.outcome}")
        return answer

    def identifier(self, made: Answer) -> str:
        """The id of what was made."""
        content = made.json()
        if not isinstance(content, Mapping) or not isinstance(content.get("id"), (str, int)):
            raise CouldNotLook("the answer to what was made has no id")
        return str(content["id"])

    def names(self, answer: Answer, identifier: str, field: str = "id") -> bool:
        """Whether an answer, one record or a list of them, holds the record with this id, in ``field``."""
        content = answer.json()
        records = content if isinstance(content, list) else [content]
        return any(isinstance(record, Mapping) and str(record.get(field)) == identifier for record in records)

    def leave(self) -> list[str]:
        """Remove all who were made; name what could not be removed."""
        left = []
        for identifier in self._made:
            answer = self._ask(filled(self._accounts["remove"], {"id": identifier}), self.credentials(self._administrator.token))
            if answer.status not in SUCCESS:
                left.append(f"the account {identifier} made for this look could not be removed ({answer.outcome})")
        self._made.clear()
        return left

    def _log_in(self, values: Mapping[str, str]) -> str:
        answer = self._ask(filled(self._accounts["login"], values), {})
        if answer.status not in SUCCESS:
            raise CouldNotLook(f"the login of {values.get('username')} was refused ({answer.outcome})")
        token = self._cookie(answer) if self._accounts.get("cookie") else (answer.json() or {}).get(self._accounts["field"])
        if not isinstance(token, str) or not token:
            raise CouldNotLook("the answer to a login has no token")
        return token

    def _cookie(self, answer: Answer) -> str | None:
        try:
            cookies = SimpleCookie(answer.headers.get("set-cookie", ""))
        except CookieError:
            return None
        found = cookies.get(self._accounts["cookie"])
        return found.value if found else None

    def _ask(self, given: Any, credentials: dict[str, str]) -> Answer:
        if not isinstance(given, Mapping) or not isinstance(given.get("path"), str):
            raise CouldNotLook("accounts: a request has no path")
        request = Request(given["path"], str(given.get("method", "GET")).upper(), credentials, given.get("body"))
        return self._visitor.ask(self._visitor.site.addresses[0], request)

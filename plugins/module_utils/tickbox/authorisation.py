# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges who may do what: strangers, people with a token that is none, other people, and ports that are for nobody outside."""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .answers import Answer
from .assertion import CouldNotLook, Verdict, listed, verdict
from .operations import Operation

REFUSED = {401, 403}
ABSENT = {404, 410}
SUCCESS = range(200, 300)
SHORTEST_TOKEN = 8
TOKEN = re.compile(r"[\x21-\x7e]+")
CONNECT_TIMEOUT = 1.5  # seconds; a firewall that drops answers nothing at all
JWT_PARTS = 3


@dataclass(frozen=True)
class Attempt:
    """One request that must be refused. ``by``: who asked; ``accepted``: the statuses that refuse it."""

    operation: str
    by: str
    answer: Answer
    accepted: frozenset[int]


@dataclass(frozen=True)
class Rules:
    """Operations as inventories name them ("GET /path"): for everybody, for administrators, hidden from outside, on one's own."""

    public: Sequence[str]
    administrators: Sequence[str] = ()
    hidden: Sequence[str] = ()
    owned: Sequence[str] = ()

    def guarded(self, operations: Sequence[Operation]) -> list[Operation]:
        """What a stranger must not do: everything that is not said to be for everybody."""
        return [each for each in operations if each.name not in self.public]

    def unowned(self, operations: Sequence[Operation]) -> list[str]:
        """Names of operations on one record of many of which nobody has said whose it is: another user's is not tried there."""
        said = {*self.administrators, *self.hidden, *self.owned}
        return [each.name for each in self.guarded(operations) if "{" in each.name and each.name not in said]

    def unknown(self, operations: Sequence[Operation]) -> list[str]:
        """Names of operations that the application does not have: a renamed one would go unguarded."""
        known = {each.name for each in operations}
        return [name for name in (*self.public, *self.administrators, *self.hidden) if name not in known]


def false_tokens(token: str) -> dict[str, str]:
    """Tokens that the application never gave, made like one that it did. A token that is a JWT is also sent without signature."""
    if len(token) < SHORTEST_TOKEN:
        raise CouldNotLook(f"the application's tokens have {len(token)} characters; at least {SHORTEST_TOKEN} are needed")
    found = {
        "an empty token": "",
        "a forged token": secrets.token_urlsafe(len(token))[: len(token)],
        "a token changed in one place": _changed(token, len(token) // 2),
        "a token cut short": token[:-1],
    }
    parts = token.split(".")
    if len(parts) == JWT_PARTS:
        header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
        found["a token without a signature"] = f"{header}.{parts[1]}."
    return found


def refuse_other_form(expired: str, token: str) -> None:
    """CouldNotLook where a token that is said to have expired does not look like one that the application gives."""
    if not TOKEN.fullmatch(expired) or not len(token) / 2 < len(expired) < 2 * len(token):
        raise CouldNotLook("the expired token does not have the form of the application's tokens")


def filled(template: Any, values: Mapping[str, str]) -> Any:
    """A copy of ``template`` with {name} replaced in its strings by what ``values`` has."""
    if isinstance(template, str):
        for name, value in values.items():
            template = template.replace(f"{{{name}}}", value)
        return template
    if isinstance(template, Mapping):
        return {key: filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, values) for value in template]
    return template


def judge_authorisation(
    attempts: Sequence[Attempt],
    others: Sequence[str],
    ports: Mapping[str, str],
    pages: Mapping[str, Answer],
) -> Verdict:
    """post.security.unauthorized: every attempt was refused, and nothing that is for operators is open to visitors.

    others: what else was found wrong, in words. ports: the result for each address and port. pages: what a page of the
    operators answered to somebody without a login.
    """
    grouped: dict[str, list[str]] = {}
    for attempt in attempts:
        if attempt.answer.status not in attempt.accepted:
            grouped.setdefault(f"{attempt.operation} ({attempt.answer.outcome})", []).append(attempt.by)
    problems = [f"not refused: {operation} with {listed(dict.fromkeys(by))}" for operation, by in grouped.items()]
    problems = [listed(problems, 4)] if problems else []
    problems += others
    open_ports = [where for where, result in ports.items() if result == "open"]
    if open_ports:
        problems.append(f"open to visitors: {listed(open_ports)}")
    problems += [
        f"{url} is open without a login ({answer.outcome})" for url, answer in pages.items() if answer.status not in REFUSED | {0}
    ]
    unseen = [f"{where} ({result})" for where, result in ports.items() if result not in ("open", "closed")]
    if unseen and not problems:
        raise CouldNotLook(f"cannot be reached at all: {listed(unseen)}")
    if not ports and not problems:
        raise CouldNotLook("no port was tried: hosts or ports names none")
    names = len({attempt.operation for attempt in attempts})
    if not attempts:
        problems.append("no operation is guarded")
    return verdict(
        problems,
        f"{len(attempts)} attempts on {names} operations refused, {len(ports)} ports closed",
        expected={"refused with": sorted(REFUSED)},
        observed={"attempts": len(attempts), "ports": len(ports), "pages": {url: answer.status for url, answer in pages.items()}},
        evidence=sorted({f"{attempt.operation} with {attempt.by}: {attempt.answer.status}" for attempt in attempts}),
    )


def knock(address: str, port: int) -> str:
    """Whether a port takes connections: open, closed, or why that cannot be said."""
    try:
        with socket.create_connection((address, port), timeout=CONNECT_TIMEOUT):
            return "open"
    except (ConnectionRefusedError, TimeoutError, ConnectionResetError):
        return "closed"
    except OSError as error:
        return str(error)


def _changed(token: str, place: int) -> str:
    other = "A" if token[place] != "A" else "B"
    return f"{token[:place]}{other}{token[place + 1 :]}"

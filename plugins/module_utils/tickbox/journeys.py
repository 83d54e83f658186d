# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads journeys: what an application's definition has a browser do on its pages, and what must be seen there."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .assertion import CouldNotLook

PLACEHOLDER = re.compile(r"<<([a-z_]+)(?:\|([a-z]+))?>>")
# How a value is written inside of something else: a JSON string is one in Python and JavaScript too.
WRITTEN: dict[str | None, Callable[[str], str]] = {None: str, "json": json.dumps, "url": lambda value: quote(value, safe="")}
# Values that a page can show only after it has computed them.
COMPUTED = ("product", "exit_code")

STATES = ("visible", "hidden", "enabled", "disabled", "filled")
DEEPEST = 10  # named steps within named steps; more is a circle

# What each kind of step takes: its main argument, those that it needs, those that it may have.
STEPS: dict[str, tuple[str, set[str], set[str]]] = {
    "open": ("path", {"path"}, {"status"}),
    "click": ("at", {"at"}, set()),
    "fill": ("", {"into", "text"}, set()),
    "type": ("", {"into", "text"}, set()),
    "press": ("key", {"key"}, set()),
    "reload": ("", set(), set()),
    "sees": ("at", {"at"}, {"text", "contains", "lacks", "matches", "count", "least", "state"}),
    "copied": ("text", {"text"}, set()),
}
WHOLE = {"status", "count", "least"}


@dataclass(frozen=True)
class Step:
    """One thing to do or to see. ``where`` names it for a person."""

    kind: str
    arguments: Mapping[str, Any]
    where: str


class Values:
    """What placeholders stand for: figures of this journey alone, and the secrets given."""

    def __init__(self, secret: Mapping[str, Any], **more: str) -> None:
        a, b = (secrets.randbelow(90_000) + 10_000 for _ in range(2))
        self.secret = {name: str(value) for name, value in secret.items()}
        self.known = {
            "nonce": secrets.token_hex(6),
            "a": str(a),
            "b": str(b),
            "product": str(a * b),
            "exit_code": str(secrets.randbelow(90) + 10),
            **self.secret,
            **more,
        }

    def fill_in(self, value: Any) -> Any:
        """Replace the placeholders in a string, or in the strings of a list or mapping."""
        if isinstance(value, str):
            return PLACEHOLDER.sub(self._replace, value)
        if isinstance(value, Mapping):
            return {key: self.fill_in(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.fill_in(entry) for entry in value]
        return value

    def mask(self, text: str) -> str:
        """The text without the secrets."""
        for name, value in self.secret.items():
            if value:
                text = text.replace(value, f"<{name}>")
        return text

    def _replace(self, match: re.Match[str]) -> str:
        name, written = match.groups()
        if name not in self.known:
            raise CouldNotLook(f"app_journeys: nothing is known to put for {match.group()}")
        if written not in WRITTEN:
            raise CouldNotLook(f"app_journeys: {match.group()}: there is json and url, no {written}")
        return WRITTEN[written](self.known[name])


@dataclass(frozen=True)
class Part:
    """One part of the definition, with its place in it; what it lacks is named by that place."""

    content: Mapping[str, Any]
    named: Mapping[str, Any]
    where: str

    def steps(self, name: str, required: bool = True) -> list[Step]:
        """The steps that stand under ``name``, named ones put in place."""
        given = self.content.get(name)
        place = f"{self.where}.{name}"
        if given is None and not required:
            return []
        if not isinstance(given, list) or (required and not given):
            raise CouldNotLook(f"{place} is no list of steps")
        return list(_expanded(given, self.named, place, 0))

    def parts(self, name: str) -> list[Part]:
        """The mappings of the list under ``name``, of which there must be one at least."""
        given = self.content.get(name)
        if not isinstance(given, list) or not given or not all(isinstance(entry, Mapping) for entry in given):
            raise CouldNotLook(f"{self.where}.{name} is no list of mappings")
        return [
            Part(entry, self.named, f"{self.where}.{name}[{entry.get('name') or number}]") for number, entry in enumerate(given)
        ]

    def part(self, name: str) -> Part:
        """The mapping under ``name``."""
        given = self.content.get(name)
        if not isinstance(given, Mapping):
            raise CouldNotLook(f"{self.where}.{name} is missing" if given is None else f"{self.where}.{name} is no mapping")
        return Part(given, self.named, f"{self.where}.{name}")

    def text(self, name: str, default: str | None = None) -> str:
        """The string under ``name``."""
        given = self.content.get(name, default)
        if not isinstance(given, str) or not given:
            raise CouldNotLook(f"{self.where}.{name} is no text")
        return given

    def texts(self, name: str, required: bool = True) -> list[str]:
        """The strings under ``name``."""
        given = self.content.get(name, None if required else [])
        if not isinstance(given, list) or not all(isinstance(entry, str) and entry for entry in given):
            raise CouldNotLook(f"{self.where}.{name} is no list of texts")
        if required and not given:
            raise CouldNotLook(f"{self.where}.{name} is empty")
        return given

    def number(self, name: str, least: float, default: float | None = None) -> float:
        """The number under ``name``, which must not be below ``least``."""
        given = self.content.get(name, default)
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not given >= least:
            raise CouldNotLook(f"{self.where}.{name} is no number of at least {least:g}")
        return given


def whole_definition(journeys: Any, name: str) -> Part:
    """The part ``name`` of ``app_journeys``."""
    if not isinstance(journeys, Mapping):
        raise CouldNotLook("app_journeys is no mapping")
    named = journeys.get("steps", {})
    if not isinstance(named, Mapping):
        raise CouldNotLook("app_journeys.steps is no mapping of named lists of steps")
    return Part(journeys, named, "app_journeys").part(name)


def looks(steps: Sequence[Step]) -> list[Step]:
    """The steps with which a list of steps begins and that only look."""
    leading = []
    for step in steps:
        if step.kind not in ("sees", "copied"):
            break
        leading.append(step)
    return leading


def wants(steps: Sequence[Step], placeholders: Sequence[str]) -> bool:
    """Whether some step must see one of the placeholders: as the whole of a text or within it, not as what is lacking."""
    names = {f"<<{name}>>" for name in placeholders}
    return any(
        name in str(step.arguments.get(key, ""))
        for step in steps
        if step.kind in ("sees", "copied")
        for key in ("text", "contains", "matches")
        for name in names
    )


def _expanded(given: Sequence[Any], named: Mapping[str, Any], place: str, depth: int) -> Iterator[Step]:
    for number, entry in enumerate(given):
        where = f"{place}[{number}]"
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise CouldNotLook(f"{where} is no step: a step is one word with what belongs to it")
        ((kind, arguments),) = entry.items()
        if kind == "do":
            steps = named.get(arguments) if isinstance(arguments, str) else None
            if not isinstance(steps, list):
                raise CouldNotLook(f"{where}: app_journeys.steps has no '{arguments}'")
            if depth >= DEEPEST:
                raise CouldNotLook(f"{where}: '{arguments}' leads in a circle")
            yield from _expanded(steps, named, where, depth + 1)
        else:
            yield _step(kind, arguments, where)


def _step(kind: Any, arguments: Any, where: str) -> Step:
    if not isinstance(kind, str) or kind not in STEPS:
        raise CouldNotLook(f"{where}: '{kind}' is no kind of step ({', '.join(STEPS)})")
    main, needed, possible = STEPS[kind]
    if arguments is None or arguments is True:
        arguments = {}
    elif not isinstance(arguments, Mapping):
        arguments = {main: arguments}
    lacking, unknown = needed - set(arguments), {str(name) for name in arguments} - needed - possible
    if lacking:
        raise CouldNotLook(f"{where}: {kind} lacks {', '.join(sorted(lacking))}")
    if unknown:
        raise CouldNotLook(f"{where}: {kind} takes no '{', '.join(sorted(unknown))}'")
    for name, value in arguments.items():
        wanted: type | tuple[type, ...] = int if name in WHOLE else str
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise CouldNotLook(f"{where}: {kind}.{name} is no {'whole number' if name in WHOLE else 'text'}")
    if kind == "sees":
        if arguments.get("state", "visible") not in STATES:
            raise CouldNotLook(f"{where}: there is no state '{arguments['state']}' ({', '.join(STATES)})")
        try:
            re.compile(arguments.get("matches", ""))
        except re.error:
            raise CouldNotLook(f"{where}: '{arguments['matches']}' is no regular expression") from None
    return Step(kind, dict(arguments), where)

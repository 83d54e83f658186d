# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operations of an OpenAPI document, each with a path that can be asked without harm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .assertion import CouldNotLook

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# Identifiers that no record has: whatever is asked by mistake, nothing is changed or shown.
ABSENT_ID = 2147483646  # the last but one of 32 bits
ABSENT_NAME = "tickbox-none"
PARAMETER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Operation:
    """One operation. ``template``: its path in the document; ``path``: the same with values in place of parameters."""

    method: str
    template: str
    path: str

    @property
    def name(self) -> str:
        """The operation as inventories name it."""
        return f"{self.method} {self.template}"


def read_operations(document: Any) -> list[Operation]:
    """Return the operations of a document in its order; CouldNotLook where it has none or is no OpenAPI document."""
    paths = document.get("paths") if isinstance(document, Mapping) else None
    if not isinstance(paths, Mapping):
        raise CouldNotLook("the OpenAPI document has no paths")
    found = []
    for template, methods in paths.items():
        if not (isinstance(template, str) and template.startswith("/") and isinstance(methods, Mapping)):
            raise CouldNotLook(f"the OpenAPI document has no valid path '{str(template)[:80]}'")
        for method, operation in methods.items():
            if method in METHODS:
                parameters = [*_parameters(methods), *_parameters(operation)]
                found.append(Operation(method.upper(), template, sample_path(template, parameters)))
    if not found:
        raise CouldNotLook("the OpenAPI document has no operation")
    return found


def named(names: Iterable[str]) -> list[Operation]:
    """The operations that an inventory names by method and path; CouldNotLook where one is neither."""
    found = []
    for name in names:
        method, _, template = name.partition(" ")
        if method.lower() not in METHODS or not template.startswith("/"):
            raise CouldNotLook(f"operations: '{name}' is no method and path")
        found.append(Operation(method, template, sample_path(template, [])))
    return found


def sample_path(template: str, parameters: Iterable[Mapping[str, Any]]) -> str:
    """Put a value that names nothing in the place of each parameter of a path."""
    schemas = {entry.get("name"): entry.get("schema") for entry in parameters if entry.get("in") == "path"}

    def value(match: re.Match[str]) -> str:
        schema = schemas.get(match[1])
        numeric = isinstance(schema, Mapping) and schema.get("type") in ("integer", "number")
        return quote(str(ABSENT_ID if numeric else ABSENT_NAME), safe="")

    return PARAMETER.sub(value, template)


def _parameters(holder: Any) -> list[Mapping[str, Any]]:
    listed = holder.get("parameters") if isinstance(holder, Mapping) else None
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []

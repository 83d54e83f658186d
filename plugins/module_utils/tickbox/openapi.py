# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""OpenAPI documents: their operations, whether they are valid, what an answer must look like, what a request may hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

try:
    from openapi_schema_validator import OAS30Validator, OAS31Validator, oas30_format_checker, oas31_format_checker
    from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

    OPENAPI = True
except ImportError:  # reported by the module that needs it
    OPENAPI = False

from .answers import BODILESS, Answer
from .assertion import CouldNotLook, listed

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json")
NUMBERS = {"integer", "number"}
MOST_LEVELS = 20  # of schemas within schemas


class Api:
    """An OpenAPI document of version 3.0 or 3.1. Raises CouldNotLook for what is none."""

    def __init__(self, document: Any) -> None:
        version = document.get("openapi") if isinstance(document, Mapping) else None
        if not isinstance(version, str) or not version.startswith(("3.0", "3.1")):
            raise CouldNotLook(f"what should be the OpenAPI document (3.0 or 3.1) is none: its version is {version!r}")
        paths = document.get("paths")
        if not isinstance(paths, Mapping) or not all(isinstance(path, Mapping) for path in paths.values()):
            raise CouldNotLook("the OpenAPI document has no paths")
        self.document: Mapping[str, Any] = document
        self.modern = version.startswith("3.1")
        self.operations: dict[str, Mapping[str, Any]] = {
            f"{method.upper()} {path}": operation
            for path, found in paths.items()
            for method, operation in found.items()
            if method.upper() in METHODS and isinstance(operation, Mapping)
        }

    def invalid(self) -> list[str]:
        """What the specification forbids in this document; nothing where it is valid."""
        validator = (OpenAPIV31SpecValidator if self.modern else OpenAPIV30SpecValidator)(self.document)
        try:
            return [_one_line(f"{'/'.join(str(part) for part in e.path)}: {e.message}") for e in validator.iter_errors()][:10]
        except Exception as error:  # the validator's own, for references that lead nowhere
            return [_one_line(f"{type(error).__name__}: {error}")]

    def resolved(self, schema: Any) -> Mapping[str, Any]:
        """A schema, parameter or answer itself where it is a reference to one."""
        for _ in range(MOST_LEVELS):
            if not isinstance(schema, Mapping):
                break
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return schema
            schema = self.document
            for part in reference.removeprefix("#/").split("/"):
                schema = schema.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(schema, Mapping) else None
        raise CouldNotLook("the OpenAPI document has a reference that leads nowhere")

    def faults(self, schema: Any, value: Any) -> list[str]:
        """Where a value does not fit a schema."""
        kind, formats = (OAS31Validator, oas31_format_checker) if self.modern else (OAS30Validator, oas30_format_checker)
        whole = {**schema, "components": self.document.get("components", {})}
        found = kind(whole, format_checker=formats).iter_errors(value)
        return [_one_line(f"{'.'.join(str(part) for part in ('body', *e.absolute_path))}: {e.message}") for e in found]

    def parameters(self, name: str) -> list[Mapping[str, Any]]:
        """The parameters of an operation, those of its path included."""
        path = name.partition(" ")[2]
        given = [*self.document["paths"][path].get("parameters", []), *self.operations[name].get("parameters", [])]
        return list({(one.get("name"), one.get("in")): one for one in map(self.resolved, given)}.values())

    def body_schema(self, name: str) -> Mapping[str, Any] | None:
        """The schema of an operation's JSON body; None where it takes none."""
        content = self.resolved(self.operations[name].get("requestBody", {})).get("content", {})
        return next((media.get("schema", {}) for kind, media in content.items() if JSON_TYPE.match(kind)), None)

    def answer_problems(self, name: str, answer: Answer) -> list[str]:
        """Name what an answer to an operation has that its description has not, and the other way round."""
        responses = self.operations[name].get("responses", {})
        keys = (str(answer.status), f"{answer.status // 100}XX", "default")
        described = next((responses[key] for key in keys if key in responses), None)
        if described is None:
            return [f"{answer.outcome} is not described"]
        content = self.resolved(described).get("content", {})
        if not content or answer.status in BODILESS:
            return ["it has a body, which is not described"] if answer.body else []
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in content:
            return [f"its type is {kind or 'not said'}, not {listed(content)}"]
        return self._body_problems(
            answer, content[kind].get("schema") if JSON_TYPE.match(kind) else None, bool(JSON_TYPE.match(kind))
        )

    def _body_problems(self, answer: Answer, schema: Mapping[str, Any] | None, is_json: bool) -> list[str]:
        if not answer.body.strip():
            return ["its body is empty"]
        if not is_json:
            return []
        value = answer.json()
        if value is None and answer.body.strip() != b"null":
            return ["its body is not JSON"]
        return self.faults(schema, value) if schema else ["its body has no schema to fit"]

    def unbounded(self, name: str) -> list[str]:
        """Where an operation takes more than it can need: text of any length, numbers of any size, fields of any name."""
        found = []
        for parameter in self.parameters(name):
            if parameter.get("in") in {"path", "query"}:
                found += list(self._unbounded(parameter.get("schema", {}), f"{parameter['in']}.{parameter.get('name')}"))
        schema = self.body_schema(name)
        return found + (list(self._unbounded(schema, "body")) if schema is not None else [])

    def _unbounded(self, schema: Any, place: str, level: int = 0) -> Iterator[str]:
        schema = self.resolved(schema)
        if level > MOST_LEVELS or "enum" in schema or "const" in schema:
            return
        choices = [one for key in ("anyOf", "oneOf") for one in schema.get(key, [])]
        if choices:
            for one in choices:
                yield from self._unbounded(one, place, level + 1)
            return
        if parts := schema.get("allOf"):
            schema = {key: value for part in parts for key, value in self.resolved(part).items()} | dict(schema)
        given = schema.get("type")
        kinds = set(given if isinstance(given, list) else [given]) - {"null", "boolean"}
        if "string" in kinds and "maxLength" not in schema and schema.get("format") not in {"uuid", "date", "date-time", "time"}:
            yield f"{place} has no longest length"
        if kinds & NUMBERS and not (
            {"maximum", "exclusiveMaximum"} & set(schema) and {"minimum", "exclusiveMinimum"} & set(schema)
        ):
            yield f"{place} has no smallest or largest value"
        if "array" in kinds:
            if "maxItems" not in schema:
                yield f"{place} has no longest length"
            yield from self._unbounded(schema.get("items", {}), f"{place}[]", level + 1)
        if "object" in kinds:
            if schema.get("additionalProperties", True) is not False:
                yield f"{place} takes fields of any name"
            for name, property_ in schema.get("properties", {}).items():
                yield from self._unbounded(property_, f"{place}.{name}", level + 1)
        if kinds == {None}:
            yield f"{place} takes anything"


def _one_line(text: str) -> str:
    """Messages quote what they were given."""
    return " ".join(text.split())[:200]


def interface_of(text: str | None) -> tuple[Api, list[str]]:
    """What an application's code says of itself, as JSON: ``openapi`` and ``routes``. Raises CouldNotLook."""
    try:
        said = json.loads(text or "")
        routes = [str(route) for route in said["routes"]]
        document = said["openapi"]
    except (ValueError, KeyError, TypeError):
        raise CouldNotLook("the application's code does not say its routes: what it printed is not {openapi, routes}") from None
    return Api(document), routes

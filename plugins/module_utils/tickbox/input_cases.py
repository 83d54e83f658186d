# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests that an application must refuse, made from its OpenAPI document. Needs schemathesis for those that nobody thought of."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

try:
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis.errors import Unsatisfiable

    SCHEMATHESIS = True
except ImportError:  # reported by the module that needs it
    SCHEMATHESIS = False

from .assertion import CouldNotLook
from .input_validation import BODY, CANARY, JUNK, METHOD, PATH, QUERY, REFUSED, SLEEP
from .openapi import METHODS, Api

JSON_BODY = {"Content-Type": "application/json"}
CANARIES = (
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    f"1; SELECT pg_sleep({SLEEP})--",
    f"' || (SELECT pg_sleep({SLEEP})) || '",
    '" OR ""="',
    "admin'--",
    "1 UNION SELECT NULL,version()--",
)
NO_PARAMETERS = ("5" + "0" * 21, "-1", "0", "1.5", "NaN", "null", "true", "[]", "Ünï", "a" * 3000, "%00", "%ff")
WRONG_TYPES: tuple[Any, ...] = (None, True, 7, -1.5, "text", "5", [], ["text"], {}, {"$ne": None})
NESTED = 100_000  # levels of an array: more than a parser that calls itself survives
HUGE = 500_000  # characters
LARGEST = 16_384  # bytes of a generated body
SHORT = 100  # characters: generated texts need not be as long as the application allows
Case = dict[str, Any]


class Cases:
    """The cases for one operation. ``example``: a request that the operation takes."""

    def __init__(self, api: Api, name: str, example: Mapping[str, Any]) -> None:
        self.api = api
        self.name = name
        self.method, _, self.template = name.partition(" ")
        self.example = example
        self.values = {key: str(value) for key, value in (example.get("path") or {}).items()}
        self.schema = api.body_schema(name)
        self.parameters = [one for one in api.parameters(name) if one.get("in") in {PATH, QUERY}]

    def all(self) -> Iterator[Case]:
        if self.schema is not None:
            yield from self._bodies()
        for parameter in self.parameters:
            yield from self._parameters(parameter)
        if self.schema is None and not self.parameters:
            for canary in CANARIES[:3]:
                yield self._case(JUNK, "an unknown parameter with SQL", query=f"?tickbox={quote(canary)}", admits=True)
            if self.method not in {"GET", "HEAD"}:
                yield self._case(JUNK, "a body that nobody asked for", body=b"\xff{", headers=JSON_BODY, admits=True)

    def _case(
        self,
        kind: str,
        what: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        path: str | None = None,
        query: str = "",
        admits: bool = False,
        **more: Any,
    ) -> Case:
        encoded = {} if body is None else {"body": base64.b64encode(body).decode()}
        given_headers = dict(self.example.get("headers") or {}) | dict(headers or {})
        return {
            "operation": self.name,
            "kind": kind,
            "what": what,
            "method": self.method,
            "path": path if path is not None else self.template,
            "query": query,
            "values": self.values,
            "headers": {str(key): str(value) for key, value in given_headers.items()},
            "admits": admits,
            **encoded,
            **more,
        }

    def _bodies(self) -> Iterator[Case]:
        schema = self.schema or {}
        base = self.example.get("body")
        if faults := self.api.faults(schema, base):
            raise CouldNotLook(f"{self.name}: the body of its example request does not fit the OpenAPI document: {faults[0]}")
        whole = json.dumps(base)

        def raw(what: str, body: bytes, headers: Mapping[str, str] | None = None, **more: Any) -> Case:
            return self._case(BODY, what, body=body, headers=JSON_BODY if headers is None else headers, **more)

        yield raw("no body", b"")
        yield raw("a body cut short", whole.encode()[:-2])
        yield raw("a body that is no JSON", b"language=python")
        yield raw("a body with bytes that are no UTF-8", whole.encode().replace(b'"', b'"\xff\xfe', 1))
        yield raw("a compressed body", b"\x1f\x8b\x08\x00garbage", JSON_BODY | {"Content-Encoding": "gzip"})
        yield raw("a deeply nested body", b"", times={"before": "", "text": "[", "count": NESTED, "after": ""})
        yield raw("a form", b"a=b&c=d", {"Content-Type": "application/x-www-form-urlencoded"})
        yield raw("XML", b"<a>b</a>", {"Content-Type": "application/xml"})
        yield raw("JSON sent as text", whole.encode(), {"Content-Type": "text/plain"})
        for value in WRONG_TYPES:
            if self.api.faults(schema, value):
                yield raw(f"{json.dumps(value)} as the body", json.dumps(value).encode())
        yield from self._fields(self.api.resolved(schema), base, "body", lambda value: value)

    def _fields(self, schema: Mapping[str, Any], base: Any, place: str, around: Any) -> Iterator[Case]:
        """Each field of an object wrong in its ways; ``around`` puts an object into the whole body."""
        if not isinstance(base, Mapping):
            return

        def changed(what: str, name: str, value: Any, **more: Any) -> Case:
            body = json.dumps(around({**base, name: value})).encode()
            return self._case(more.pop("kind", BODY), f"{place}.{name}: {what}", body=body, headers=JSON_BODY, **more)

        yield changed("a field that nobody asked for", "tickbox_unknown", "1")
        for name, given_schema in schema.get("properties", {}).items():
            inner = self.api.resolved(given_schema)
            if name in schema.get("required", []):
                body = json.dumps(around({key: value for key, value in base.items() if key != name})).encode()
                yield self._case(BODY, f"{place}.{name}: left out", body=body, headers=JSON_BODY)
            for value in WRONG_TYPES:
                if self.api.faults(inner, value):
                    yield changed(f"{json.dumps(value)}", name, value)
            yield from self._edges(inner, changed, name)
            if isinstance(base.get(name), Mapping):
                yield from self._fields(
                    inner, base[name], f"{place}.{name}", lambda value, name=name: around({**base, name: value})
                )

    def _edges(self, schema: Mapping[str, Any], changed: Any, name: str) -> Iterator[Case]:
        kinds = [self.api.resolved(one) for key in ("anyOf", "oneOf") for one in schema.get(key, [])] or [schema]
        for kind in kinds:
            if kind.get("type") == "string":
                yield from self._texts(kind, changed, name)
            for end, step in (("minimum", -1), ("maximum", 1)):
                if isinstance(kind.get(end), (int, float)):
                    yield changed(f"beyond its {end}", name, kind[end] + step)
            if kind.get("type") in {"integer", "number"}:
                for text in ("1e999", "NaN", str(2**63), "-" + "9" * 400):
                    case = changed(text[:8], name, "@number@")
                    body = base64.b64decode(case["body"]).replace(b'"@number@"', text.encode())
                    yield case | {"body": base64.b64encode(body).decode()}

    def _texts(self, schema: Mapping[str, Any], changed: Any, name: str) -> Iterator[Case]:
        # No database of text takes these two, whatever the document says.
        yield changed("a NUL character", name, "a\0b")
        yield changed("half of a surrogate pair", name, "a\ud800b")
        longest = schema.get("maxLength")
        if isinstance(longest, int):
            yield changed(f"{longest + 1} characters", name, "a" * (longest + 1))
            case = changed(f"{HUGE} characters", name, "@text@")
            before, after = base64.b64decode(case.pop("body")).decode().split("@text@")
            yield case | {"times": {"before": before, "text": "a", "count": HUGE, "after": after}}
        if schema.get("minLength"):
            yield changed("empty", name, "")
        for canary in CANARIES:
            admits = not self.api.faults(schema, canary)
            yield changed(f"SQL ({canary})", name, canary, admits=admits, kind=CANARY if admits else BODY)

    def _parameters(self, parameter: Mapping[str, Any]) -> Iterator[Case]:
        name, place, schema = parameter["name"], parameter["in"], self.api.resolved(parameter.get("schema", {}))
        for text in (*CANARIES, *NO_PARAMETERS):
            raw = text in {"%00", "%ff"}
            value = unquote(text, errors="replace") if raw else text
            admits = value != "\0" and not self._parameter_faults(schema, value)
            what = f"{place}.{name}: {text[:40]}"
            encoded = text if raw else quote(text, safe="")
            kind = CANARY if admits else place
            # Values that the schema admits say something only where they are attacks.
            if admits and text not in CANARIES:
                continue
            if place == PATH:
                yield self._case(kind, what, path=self.template.replace(f"{{{name}}}", encoded), admits=admits, **self._body())
            else:
                yield self._case(kind, what, query=f"?{quote(name)}={encoded}", admits=admits, **self._body())

    def _body(self) -> dict[str, Any]:
        body = self.example.get("body")
        return {} if body is None else {"body": json.dumps(body).encode(), "headers": JSON_BODY}

    def _parameter_faults(self, schema: Mapping[str, Any], value: str) -> bool:
        """Whether a text, as it stands in an address, is not what the schema admits."""
        kinds = [self.api.resolved(one) for key in ("anyOf", "oneOf") for one in schema.get(key, [])] or [schema]
        return all(self._kind_faults(kind, value) for kind in kinds)

    def _kind_faults(self, schema: Mapping[str, Any], value: str) -> bool:
        kind = schema.get("type")
        if kind == "integer":
            return not re.fullmatch(r"[+-]?\d+", value) or bool(self.api.faults(schema, int(value)))
        if kind == "number":
            return not re.fullmatch(r"[+-]?\d+(\.\d+)?", value) or bool(self.api.faults(schema, float(value)))
        if kind == "boolean":
            return value.lower() not in {"true", "false", "0", "1", "on", "off", "yes", "no", "t", "f", "y", "n"}
        return bool(self.api.faults(schema, value))

    def refused(self) -> Case:
        """The example itself, as a request that must be refused whatever the document says."""
        body, query = self.example.get("body"), urlencode(self.example.get("query") or {})
        sent: dict[str, Any] = {} if body is None else {"body": json.dumps(body).encode(), "headers": JSON_BODY}
        what = query if body is None and query else json.dumps(self.example.get("path") if body is None else body)
        return self._case(REFUSED, f"must be refused: {what[:SHORT]}", query=f"?{query}" if query else "", **sent)

    def generated(self, count: int, seeded: int) -> list[Case]:
        """What schemathesis makes of the operation; only what the document surely does not admit."""
        found: list[Any] = []
        quiet: dict[str, Any] = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}
        operation = schemathesis.openapi.from_dict(without_security(self.api.document))[self.template][self.method]

        @seed(seeded)
        @settings(max_examples=count, phases=[Phase.generate], **quiet)
        @given(operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
        def collect(case: Any) -> None:
            found.append(case)

        with suppress(Unsatisfiable):
            collect()
        return [case for one in found if (case := self._from_generated(one)) is not None]

    def _from_generated(self, made: Any) -> Case | None:
        faulty = [str(place.value) for place, part in made.meta.components.items() if part.mode.is_negative]
        path = {name: unquote(str(value)) for name, value in (made.path_parameters or {}).items()}
        if any(value in {"", ".", ".."} or "/" in value for value in path.values()):
            return None  # another path, perhaps another operation's
        wrong = [
            one["in"]
            for one in self.parameters
            if one["in"] == PATH and self._parameter_faults(self.api.resolved(one.get("schema", {})), path.get(one["name"], ""))
        ]
        body, more = self._generated_body(made)
        if body is not None and len(body) > LARGEST:
            return None
        if BODY in faulty and self.schema is not None and self._surely_faulty(body):
            return self._case(PATH if wrong else BODY, "generated body", path=self._placed(path), body=body or b"", headers=more)
        if wrong:
            return self._case(PATH, "generated path", path=self._placed(path), body=body, headers=more)
        return None

    def _placed(self, path: Mapping[str, str]) -> str:
        placed = self.template
        for name, value in path.items():
            placed = placed.replace(f"{{{name}}}", quote(value.encode("utf-8", "surrogatepass"), safe=""))
        return placed

    @staticmethod
    def _generated_body(made: Any) -> tuple[bytes | None, dict[str, str]]:
        if type(made.body).__name__ == "NotSet":
            return None, {}
        body = made.body if isinstance(made.body, bytes) else json.dumps(made.body).encode()
        return body, {"Content-Type": made.media_type or "application/json"}

    def _surely_faulty(self, body: bytes | None) -> bool:
        try:
            value = json.loads(body or b"")
        except (ValueError, RecursionError):
            return True
        return bool(self.api.faults(self.schema or {}, value))


def without_security(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as for one who is logged in, and with short texts, which are faster to make."""
    plain = copy.deepcopy(dict(document))
    plain.pop("security", None)
    plain.get("components", {}).pop("securitySchemes", None)
    for path in plain["paths"].values():
        for method, operation in path.items():
            if method.upper() in METHODS:
                operation.pop("security", None)
    _shorten(plain)
    return plain


def _shorten(node: Any) -> None:
    if isinstance(node, dict):
        if isinstance(node.get("maxLength"), int):
            node["maxLength"] = max(min(node["maxLength"], SHORT), int(node.get("minLength", 0)))
        for value in node.values():
            _shorten(value)
    elif isinstance(node, list):
        for value in node:
            _shorten(value)


def wrong_methods(api: Api) -> Iterator[Case]:
    """For each path a method that it does not have."""
    for path in api.document["paths"]:
        there = {name.partition(" ")[0] for name in api.operations if name.partition(" ")[2] == path}
        method = next((one for one in ("PUT", "PATCH", "DELETE", "POST") if one not in there), None)
        if method:
            first = next(name for name in api.operations if name.partition(" ")[2] == path)
            place = re.sub(r"\{[^}]*\}", "1", path)
            yield {
                "operation": first,
                "kind": METHOD,
                "what": f"{method} instead",
                "method": method,
                "path": place,
                "query": "",
                "values": {},
                "headers": {},
                "admits": False,
            }


def kept_generated(cases: Cases, count: int, seeded: int, folder: Path | None) -> list[Case]:
    """What is generated for an operation: seconds of work, which come to the same wherever all that it depends on is the same."""
    if folder is None:
        return cases.generated(count, seeded)
    example = {name: value for name, value in cases.example.items() if name != "body"}
    tools = [version("schemathesis"), version("hypothesis"), version("jsonschema"), Path(__file__).read_text()]
    made_from = json.dumps([cases.api.document, cases.name, example, count, seeded, *tools], sort_keys=True, default=str)
    file = folder / f"{hashlib.sha256(made_from.encode()).hexdigest()}.json"
    with suppress(OSError, ValueError):
        found: list[Case] = json.loads(file.read_text())
        return found
    made = cases.generated(count, seeded)
    folder.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps(made))
    new.replace(file)
    return made


def make(
    api: Api,
    requests: Sequence[Mapping[str, Any]],
    refused: Sequence[Mapping[str, Any]],
    count: int,
    seeded: int,
    folder: Path | None = None,
) -> list[Case]:
    """All cases for all operations, each once. ``count``: generated for each operation. Raises CouldNotLook.

    refused: requests that must be refused whatever the document says, as a validator that the code lost is not in it either.
    folder: where generated ones are kept.
    """
    examples = {str(request["operation"]): request for request in reversed(requests)}
    if lacking := sorted(set(api.operations) - set(examples)):
        raise CouldNotLook(f"app_api_requests has no request for {', '.join(lacking)}")
    if unknown := sorted({str(request["operation"]) for request in refused} - set(api.operations)):
        raise CouldNotLook(f"app_api_refused names {', '.join(unknown)}, which the OpenAPI document does not have")
    made: list[Case] = [*wrong_methods(api)]
    made += [Cases(api, name, {**examples[name], **request}).refused() for request in refused for name in [request["operation"]]]
    for name in api.operations:
        cases = Cases(api, name, examples[name])
        made += cases.all()
        if cases.schema is not None or cases.parameters:
            made += kept_generated(cases, count, seeded, folder)
    return list({json.dumps(case | {"what": ""}, sort_keys=True): case for case in reversed(made)}.values())[::-1]

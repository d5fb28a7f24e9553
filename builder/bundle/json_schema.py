"""The author's JSON Schemas of requests and responses: read strictly, checked to be schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder.bundle.document import KeyPath, show_path

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DATA_KEYWORDS = frozenset({"enum", "const", "default", "examples"})
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaFault:
    """What is wrong with a schema, and where in it."""

    fact: str
    path: KeyPath = ()
    line: int | None = None
    want: str | None = None
    got: str | None = None


def read_json(content: bytes) -> Any | SchemaFault:
    """Read strict JSON: UTF-8, no key twice, no NaN or infinity."""
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_refuse)
    except UnicodeDecodeError:
        return SchemaFault(fact="file is not UTF-8 text", want="UTF-8")
    except json.JSONDecodeError as error:
        return SchemaFault(fact=f"not valid JSON: {error.msg.lower()}", line=error.lineno)
    except ValueError as error:
        return SchemaFault(fact=f"not valid JSON: {error}")
    except RecursionError:
        return SchemaFault(fact="not valid JSON: nested too deeply")


def check_schema(schema: Any, *, of_record: bool) -> Iterator[SchemaFault]:
    """Yield every reason a value is not a JSON Schema (2020-12) the image can check records or bodies with."""
    if not isinstance(schema, Mapping):
        yield SchemaFault(fact="a schema is a mapping", want="an object", got=json.dumps(schema)[:80])
        return
    dialect = schema.get("$schema", DIALECT)
    if str(dialect).removesuffix("#") != DIALECT:
        yield SchemaFault(fact="schema is of another dialect", path=("$schema",), want=DIALECT, got=str(dialect))
        return
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - takes long to load, and most schemas were seen before

    try:
        errors = list(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema))
        parts = list(subschemas(schema))
    except RecursionError:
        yield SchemaFault(fact="schema is nested too deeply")
        return
    for error in errors:
        path: KeyPath = tuple(error.absolute_path)
        yield SchemaFault(fact=f"not a JSON Schema: {error.message[:160]}", path=path)
    if errors:
        return
    for path, part in parts:
        yield from _part_faults(path, part, schema)
    kind = schema.get("type")
    if of_record and kind is not None and kind != "object":
        fact = "a schema with scope record describes an object of features"
        yield SchemaFault(fact=fact, path=("type",), want="object, or scope: body", got=json.dumps(kind))


def subschemas(schema: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Yield a schema and every schema in it, but not the data of ``enum``, ``const``, ``default``, ``examples``."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from subschemas(item, (*path, index))
    elif isinstance(schema, Mapping):
        yield path, schema
        for key, value in schema.items():
            if key in _NAMED_SCHEMAS and isinstance(value, Mapping):
                for name, inner in value.items():
                    yield from subschemas(inner, (*path, key, name))
            elif key not in _DATA_KEYWORDS and isinstance(value, (Mapping, list)):
                yield from subschemas(value, (*path, key))


def _part_faults(path: KeyPath, part: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[SchemaFault]:
    patterns = [((*path, "pattern"), part["pattern"])] if "pattern" in part else []
    patterns += [((*path, "patternProperties", name), name) for name in part.get("patternProperties", {})]
    for place, pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            yield SchemaFault(fact=f"pattern is not a regular expression: {error}", path=place, got=pattern)
    for keyword in ("$ref", "$dynamicRef"):
        target = part.get(keyword)
        if target is None:
            continue
        place = (*path, keyword)
        if not target.startswith("#"):
            fact = "schema refers to another document, which the image will not have"
            yield SchemaFault(fact=fact, path=place, want="a reference within it, such as #/$defs/item", got=target)
        elif not _resolves(target[1:], root):
            yield SchemaFault(fact="schema refers to a part it does not have", path=place, got=target)


def _resolves(pointer: str, root: Mapping[str, Any]) -> bool:
    """Tell whether a JSON pointer (RFC 6901), or an anchor, leads somewhere in the schema."""
    if pointer and not pointer.startswith("/"):
        return any(pointer in (part.get("$anchor"), part.get("$dynamicAnchor")) for _, part in subschemas(root))
    value: Any = root
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return False
    return True


def describe(fault: SchemaFault, name: str) -> str:
    """Return where in the file a fault is."""
    place = f"{name}:{fault.line}" if fault.line else name
    return f"{place} {show_path(fault.path)}" if fault.path else place


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        msg = f"key '{twice}' is given twice"
        raise ValueError(msg)
    return out


def _refuse(constant: str) -> None:
    msg = f"{constant} is not a JSON number"
    raise ValueError(msg)

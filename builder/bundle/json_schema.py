"""The author's JSON Schemas of requests and responses: read strictly, checked to be schemas."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from builder.bundle.document import KeyPath, show_path
from builder.bundle.faults import closest

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

DIALECT = "https://json-schema.org/draft/2020-12/schema"

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_OTHER_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "float": "number", "double": "number", "decimal": "number", "int": "integer", "long": "integer",
        "str": "string", "text": "string", "date": "string", "bool": "boolean", "dict": "object", "map": "object",
        "list": "array", "tuple": "array", "none": "null",
    }
)  # fmt: skip
"""What other languages call the types."""
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "object": "an object", "array": "an array", "string": "text", "number": "a number", "integer": "a whole number",
        "boolean": "true or false", "null": "null",
    }
)  # fmt: skip
_KEYWORDS = (
    "$anchor", "$comment", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "$schema", "$vocabulary",
    "additionalProperties", "allOf", "anyOf", "const", "contains", "contentEncoding", "contentMediaType",
    "contentSchema", "default", "definitions", "dependencies", "dependentRequired", "dependentSchemas", "deprecated",
    "description", "else", "enum", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "if", "items",
    "maxContains", "maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength",
    "minProperties", "minimum", "multipleOf", "not", "oneOf", "pattern", "patternProperties", "prefixItems",
    "properties", "propertyNames", "readOnly", "required", "then", "title", "type", "unevaluatedItems",
    "unevaluatedProperties", "uniqueItems", "writeOnly",
)  # fmt: skip
_OF_OPENAPI = frozenset({"example"})
_NEARLY = 0.82
"""How alike a key and a keyword are spelled, when one is taken for the other."""
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
    yield from map(_explained, errors)
    if errors:
        return
    for path, part in parts:
        yield from _part_faults(path, part, schema)
    kind = schema.get("type")
    if of_record and kind is not None and kind != "object":
        fact = "a schema with scope record describes an object of features"
        yield SchemaFault(fact=fact, path=("type",), want="object, or scope: body", got=json.dumps(kind))


def _explained(error: ValidationError) -> SchemaFault:
    """Return what a schema does against the schema of schemas, in words."""
    path: KeyPath = tuple(error.absolute_path)
    value: Any = error.instance
    got = json.dumps(value, ensure_ascii=False)[:80]
    keyword = next((part for part in reversed(path) if isinstance(part, str)), "a schema")
    if keyword == "type" and not isinstance(value, Mapping):
        wrong = next((one for one in value if one not in TYPES), "") if isinstance(value, list) else value
        meant = _OTHER_WORDS.get(str(wrong).lower()) or closest(str(wrong), TYPES)
        fact = f"not a JSON Schema: {json.dumps(wrong)[:80]} is no type"
        fact += f"; did you mean '{meant}'?" if meant and isinstance(wrong, str) else ""
        return SchemaFault(fact=fact, path=path, want=", ".join(TYPES), got=got)
    if error.validator == "type":
        kinds: Any = error.validator_value
        words = " or ".join(_WORDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
        return SchemaFault(fact=f"not a JSON Schema: {keyword} must be {words}", path=path, want=words, got=got)
    return SchemaFault(fact=f"not a JSON Schema: {error.message[:160]}", path=path)


def misspelt_keywords(schema: Mapping[str, Any], path: KeyPath = ()) -> Iterator[SchemaFault]:
    """Yield every key of a schema that is no keyword, and so does nothing, but is spelled nearly as one."""
    for key, value in schema.items():
        if key not in _KEYWORDS:
            meant = next(iter(difflib.get_close_matches(key, _KEYWORDS, n=1, cutoff=_NEARLY)), None)
            meant = meant or next((one for one in _KEYWORDS if one.lower() == key.lower().replace("_", "")), None)
            if meant and key not in _OF_OPENAPI and meant not in schema:
                fact = f"'{key}' is no keyword of JSON Schema and does nothing; did you mean '{meant}'?"
                yield SchemaFault(fact=fact, path=(*path, key))
        elif key in _NAMED_SCHEMAS and isinstance(value, Mapping):
            for name, inner in value.items():
                if isinstance(inner, Mapping):
                    yield from misspelt_keywords(inner, (*path, key, name))
        elif key not in _DATA_KEYWORDS:
            parts = enumerate(value) if isinstance(value, list) else [(None, value)]
            for index, inner in parts:
                if isinstance(inner, Mapping):
                    yield from misspelt_keywords(inner, (*path, key) if index is None else (*path, key, index))


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

"""Read and check a body in one go, for record schemas that are plain enough; anything doubtful is left to the slow way.

The schema becomes a type of msgspec's, whose decoder takes a body only if it is one record that fits. What it does not
take is not refused here: it is read again as JSON, and judged by the JSON Schema validator, which also says what is
wrong. So this may only be too strict, never too lax; a property test holds the two to each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

Row = tuple[Any, ...]
ReadRow = Callable[[bytes], "Row | None"]
ABOUT = frozenset({"$schema", "$id", "$comment", "title", "description", "examples", "default", "deprecated"})
"""Keywords that judge nothing."""
OF_RECORDS = ABOUT | {"type", "properties", "required", "additionalProperties"}
BOUNDS = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}
EXACT = 1 << 53
"""Bounds beyond this are not the same number as a float."""


class DoubtfulError(Exception):
    """The schema says something that is not translated."""


def make_reader(schema: Mapping[str, Any], columns: Sequence[str]) -> ReadRow | None:
    """Return what makes a body the values of ``columns``, or None of it when in doubt; None for other schemas."""
    try:
        kinds = find_kinds(schema)
        if sorted(kinds) != sorted(columns) or not columns:
            return None
        fields = [(f"f{number}", kinds[name]) for number, name in enumerate(columns)]
        names = {f"f{number}": name for number, name in enumerate(columns)}
        record = msgspec.defstruct("Record", fields, forbid_unknown_fields=True, rename=names, gc=False)
        decode = msgspec.json.Decoder(record).decode
    except (DoubtfulError, TypeError, ValueError):
        return None
    take = msgspec.structs.astuple

    def read(body: bytes) -> Row | None:
        try:
            return take(decode(body))
        except (ValueError, RecursionError):
            return None

    return read


def find_kinds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type of each property, or raise :class:`DoubtfulError`; every property must be required."""
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict) or not schema.keys() <= OF_RECORDS:
        raise DoubtfulError
    if set(schema.get("required") or ()) != set(properties):
        raise DoubtfulError
    return {name: find_kind(part) for name, part in properties.items()}


def find_kind(part: Any) -> Any:
    """Return the type of one property, or raise :class:`DoubtfulError`."""
    if not isinstance(part, dict):
        raise DoubtfulError
    given = part.get("type")
    words = [given] if isinstance(given, str) else given
    rules = part.keys() - ABOUT - {"type"}
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise DoubtfulError
    kinds = [_find_kind(word, {rule: part[rule] for rule in rules}, only=len(words) == 1) for word in words]
    joined = kinds[0]
    for kind in kinds[1:]:
        joined |= kind
    return joined


def _find_kind(word: str, rules: Mapping[str, Any], *, only: bool) -> Any:
    match word:
        case "string" if only and rules.keys() == {"enum"} and _is_texts(rules["enum"]):
            return Literal[tuple(rules["enum"])]
        case "string" if not rules:
            return str
        case "boolean" if not rules:
            return bool
        case "null" if not rules.keys() - BOUNDS.keys():
            return type(None)  # bounds are for numbers only
        case "integer" if not rules.keys() - BOUNDS.keys():
            return _bind(int, rules)
        case "number" if not rules.keys() - BOUNDS.keys():
            return _bind(int, rules) | _bind(float, rules)
        case _:
            raise DoubtfulError


def _is_texts(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(value, str) for value in values)


def _bind(kind: type, rules: Mapping[str, Any]) -> Any:
    """Return a number type within bounds; a bound that is not whole is rounded inwards for integers."""
    limits: dict[str, Any] = {}
    for rule, limit in rules.items():
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not abs(limit) <= EXACT:
            raise DoubtfulError
        inner = limit
        if kind is int and limit != int(limit):
            inner = math.ceil(limit) if "inimum" in rule else math.floor(limit)
            limits["ge" if "inimum" in rule else "le"] = inner
        else:
            limits[BOUNDS[rule]] = kind(inner)
    if ("ge" in limits and "gt" in limits) or ("le" in limits and "lt" in limits):
        raise DoubtfulError
    return Annotated[kind, msgspec.Meta(**limits)] if limits else kind

"""From cells of CSV to the values a schema asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

WORDS = {"true": True, "false": False}


class Columns:
    """How the cells of one file become records."""

    def __init__(self, header: Sequence[str], schema: Mapping[str, Any] | None) -> None:
        properties = (schema or {}).get("properties", {})
        self.names = [name.strip() for name in header]
        self._readers = [make_reader(properties.get(name), schema is not None) for name in self.names]

    def read(self, cells: Sequence[str]) -> dict[str, Any]:
        """Return a record; a cell that does not read as its type is left as text, which the schema then refuses."""
        record: dict[str, Any] = {}
        for name, reader, cell in zip(self.names, self._readers, cells, strict=True):
            value = reader(cell)
            if value is not ABSENT:
                record[name] = value
        return record


ABSENT: Any = object()
"""What an empty cell is where neither null nor text is allowed: no field at all."""


def make_reader(schema: Any, known: bool) -> Callable[[str], Any]:
    """Return how a cell of one column is read."""
    types = find_types(schema)
    if not types:
        return read_text_or_number if not known else read_any
    empty: Any = None if "null" in types else "" if "string" in types else ABSENT
    numbers = types & {"number", "integer"}

    def read(cell: str) -> Any:
        text = cell.strip()
        if not text:
            return empty if not (cell and "string" in types) else cell
        if numbers and (number := read_number(text)) is not None:
            return number
        if "boolean" in types and text.lower() in WORDS:
            return WORDS[text.lower()]
        if types & {"object", "array"} and text[0] in "[{":
            try:
                return msgspec.json.decode(text)
            except msgspec.DecodeError:
                return cell
        return cell

    return read


def find_types(schema: Any) -> frozenset[str]:
    """Return the JSON types a property may have, as far as its schema says so plainly."""
    if not isinstance(schema, Mapping):
        return frozenset()
    told = schema.get("type")
    if isinstance(told, str):
        return frozenset({told})
    if isinstance(told, list):
        return frozenset(told)
    if "const" in schema or "enum" in schema:
        return frozenset(map(name_type, schema.get("enum", [schema.get("const")])))
    return frozenset().union(*(find_types(each) for key in ("anyOf", "oneOf") for each in schema.get(key, ())))


def name_type(value: Any) -> str:
    """Return the JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def read_number(text: str) -> int | float | None:
    """Return the number a text is in JSON's own grammar or nearly so (+1, .5, 01); nothing else, NaN neither."""
    try:
        return int(text) if "_" not in text else None
    except ValueError:
        pass
    try:
        number = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_text_or_number(cell: str) -> Any:
    """Read a cell of which nothing is known: empty is null."""
    text = cell.strip()
    if not text:
        return None
    number = read_number(text)
    return number if number is not None else WORDS.get(text.lower(), cell)


def read_any(cell: str) -> Any:
    """Read a cell of a column whose type the schema leaves open."""
    return read_text_or_number(cell)

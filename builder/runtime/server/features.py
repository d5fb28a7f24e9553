"""What the request schema says of each feature, and values of columns, rows and cells turned into records by it.

Formats that carry tables cannot say everything JSON can: a cell of CSV is text, a column of numbers has one type, and
no table tells a value that is missing from one that is null. Numbers are changed only where nothing is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..bundle import Bundle

DEEPEST = 16
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
WHOLE = re.compile(r"[-+]?\d+", re.ASCII)
CANONICAL = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
"""A number as JSON writes it; 007 is none, and so is left as text where the schema does not ask for a number."""
UNSPEAKABLE = {"nan": "nan", "inf": "inf", "infinity": "inf"}


@dataclass(frozen=True, slots=True)
class Feature:
    """One property of a record. ``types`` are those of JSON Schema; none when the schema leaves them open."""

    name: str
    types: frozenset[str] = frozenset()
    required: bool = False

    @property
    def nullable(self) -> bool:
        """Whether null is among its values."""
        return "null" in self.types or not self.types

    @property
    def is_whole(self) -> bool:
        """Whether its numbers are integers."""
        return "integer" in self.types and "number" not in self.types


def find_features(bundle: Bundle) -> tuple[Feature, ...]:
    """Return the features a record schema names, in the author's order."""
    schema = bundle.request_schema
    if schema is None or bundle.schema_scope != "record":
        return ()
    required = set(schema.get("required") or ())
    return tuple(
        Feature(name, frozenset(find_types(part, schema)), name in required)
        for name, part in (schema.get("properties") or {}).items()
    )


def find_types(part: Any, root: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield the JSON types a value may have; nothing when the schema leaves them open."""
    part = follow(part, root)
    if not isinstance(part, Mapping) or depth > DEEPEST:
        return
    if "type" in part:
        yield from [part["type"]] if isinstance(part["type"], str) else part["type"]
        return
    if "enum" in part or "const" in part:
        yield from map(name_type, part["enum"] if "enum" in part else [part["const"]])
        return
    if "allOf" in part:
        each = [found for inner in part["allOf"] if (found := set(find_types(inner, root, depth + 1)))]
        yield from set.intersection(*each) if each else ()
        return
    for word in ("anyOf", "oneOf"):
        each = [set(find_types(inner, root, depth + 1)) for inner in part.get(word) or ()]
        if each and all(each):
            yield from set.union(*each)
            return


def follow(part: Any, root: Mapping[str, Any]) -> Any:
    """Return what a reference within the schema stands for; the part itself when it is none."""
    for _ in range(DEEPEST):
        reference = part.get("$ref") if isinstance(part, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return part
        here: Any = root
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            here = here.get(key) if isinstance(here, Mapping) else None
        part = here
    return None


def name_type(value: Any) -> str:
    """Return the JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def settle(value: Any, feature: Feature | None) -> Any:
    """Return a column's value as the schema wants it: a whole number that came as a fraction is a whole one again."""
    if type(value) is float and feature is not None and feature.is_whole and value.is_integer():
        return int(value)
    return value


def read_cell(text: str, feature: Feature | None) -> Any:
    """Return what a cell of CSV stands for; text that is not what the schema wants is left for the schema to refuse."""
    types = feature.types if feature is not None else frozenset()
    if not text:
        return "" if "string" in types and "null" not in types else None
    bare = text.strip()
    if types & {"array", "object"} and bare[:1] in {"[", "{"}:
        try:
            return json.loads(bare)
        except (ValueError, RecursionError):
            return text
    if (not types or "boolean" in types) and bare.lower() in {"true", "false"}:
        return bare.lower() == "true"
    if not types or "string" in types:
        numeric = not types or bool(types & {"number", "integer"})
        return read_number(bare) if numeric and CANONICAL.fullmatch(bare) else text
    if types & {"number", "integer"}:
        number = read_number(bare)
        return text if number is None else settle(number, feature)
    return text


def read_number(text: str) -> int | float | None:
    """Return the number a text stands for, NaN and infinity included; nothing when it stands for none."""
    if WHOLE.fullmatch(text) and len(text) <= 4000:
        return int(text)
    if NUMBER.fullmatch(text):
        return float(text)
    name = UNSPEAKABLE.get(text.lstrip("+-").lower())
    return None if name is None else float(text[0] + name if text[0] in "+-" else name)


def make_records(
    names: Sequence[str], rows: Iterable[Sequence[Any]], features: Mapping[str, Feature]
) -> list[dict[str, Any]]:
    """Return the records of a table, in which null means that there is no value.

    It is kept where the schema takes null and where the value is required, so that its absence is told; else the
    record does not have the field.
    """
    known = [features.get(name) for name in names]
    drops = frozenset(
        name
        for name, feature in zip(names, known, strict=True)
        if feature is not None and not feature.nullable and not feature.required
    )
    whole = [index for index, feature in enumerate(known) if feature is not None and feature.is_whole]
    records = []
    for row in rows:
        record = dict(zip(names, row, strict=True))
        for index in whole:
            record[names[index]] = settle(row[index], known[index])
        if drops:
            record = {name: value for name, value in record.items() if value is not None or name not in drops}
        records.append(record)
    return records

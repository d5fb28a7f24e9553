"""What the request schema says of the features of a record: their order, their kinds, and which may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

INTEGER, NUMBER, BOOLEAN, STRING, OTHER = "integer", "number", "boolean", "string", "other"
WRAPPERS = ("records", "instances")
"""An object with one of these and nothing else holds many records."""
DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature. ``kind`` is one of the words above; arrays, objects and mixtures are ``other``."""

    name: str
    kind: str = OTHER
    may_miss: bool = True
    """True when a record may leave it out, or carry null."""


def read_features(schema: Mapping[str, Any] | None, scope: str = "record") -> tuple[Feature, ...]:
    """Return the features in the order the author wrote them; nothing where the schema does not name any."""
    if schema is None:
        return ()
    record = _follow(schema, schema)
    if scope != "record":
        record = _find_record(record, schema)
    required = set(record.get("required") or ())
    return tuple(
        Feature(name, *_judge(part, schema, is_required=name in required))
        for name, part in (record.get("properties") or {}).items()
    )


def _find_record(body: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the schema of a whole body says of one record."""
    properties = body.get("properties") or {}
    if len(properties) == 1 and next(iter(properties)) in WRAPPERS:
        body = _follow(next(iter(properties.values())), root)
    return _follow(body["items"], root) if isinstance(body.get("items"), Mapping) else body


def _judge(part: Any, root: Mapping[str, Any], *, is_required: bool) -> tuple[str, bool]:
    kinds = set(_find_types(part, root, 0))
    may_miss = not is_required or "null" in kinds or not kinds
    kinds.discard("null")
    if kinds == {INTEGER, NUMBER}:
        kinds = {NUMBER}
    kind = next(iter(kinds)) if len(kinds) == 1 else OTHER
    return (kind if kind in (INTEGER, NUMBER, BOOLEAN, STRING) else OTHER), may_miss


def _find_types(part: Any, root: Mapping[str, Any], depth: int) -> Iterable[str]:
    """Yield the JSON types a value may have; nothing when the schema leaves them open."""
    if not isinstance(part, Mapping) or depth > DEEPEST:
        return
    part = _follow(part, root)
    given = part.get("type")
    if given is not None:
        yield from [given] if isinstance(given, str) else given
        return
    values = part["enum"] if "enum" in part else [part["const"]] if "const" in part else ()
    yield from (_name_type(value) for value in values)
    for word in ("anyOf", "oneOf"):
        found = [set(_find_types(each, root, depth + 1)) for each in part.get(word) or ()]
        if all(found):
            yield from set().union(*found)
    if len(part.get("allOf") or ()) == 1:
        yield from _find_types(part["allOf"][0], root, depth + 1)


def _name_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return BOOLEAN
        case int():
            return INTEGER
        case float():
            return NUMBER
        case str():
            return STRING
        case _:
            return "object"


def _follow(part: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference within the schema points at."""
    for _ in range(DEEPEST):
        if not isinstance(part, Mapping):
            return {}
        reference = part.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#"):
            return part
        part = _find_pointer(reference[1:], root)
    return {}


def _find_pointer(pointer: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            found = found.get(name) if isinstance(found, Mapping) else None
    return found

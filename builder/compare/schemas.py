"""Whether a changed JSON Schema breaks those who hold to the old one (JSON Schema 2020-12, § "Validation")."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_ANNOTATIONS = frozenset(
    {
        "$anchor",
        "$comment",
        "$defs",
        "$id",
        "$schema",
        "default",
        "definitions",
        "deprecated",
        "description",
        "example",
        "examples",
        "readOnly",
        "title",
        "writeOnly",
    }
)
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
_DEEPEST = 64


class Direction(StrEnum):
    """Who writes what the schema describes."""

    REQUEST = "request"
    """Callers do: what they send today must be accepted tomorrow."""
    RESPONSE = "response"
    """The image does: what it sends tomorrow must be what callers can read today."""


class Effect(StrEnum):
    """What a change does to the set of accepted values."""

    NARROWED = "narrowed"
    WIDENED = "widened"
    EXTENDED = "extended"
    """Something new that nobody relied upon."""
    CHANGED = "changed"
    """Neither can be told, or both."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaChange:
    """One change at one place of a schema; ``path`` is a path in the values it describes, such as ``$.age``."""

    path: str
    text: str
    effect: Effect
    is_breaking: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"path": self.path, "change": self.text, "effect": str(self.effect), "breaking": self.is_breaking}


def compare_schemas(old: Any, new: Any, direction: Direction) -> tuple[SchemaChange, ...]:
    """Return every change, in the order of the old schema. No schema at all accepts everything."""
    one, other = ({} if old is None else old), ({} if new is None else new)
    breaking = {Effect.CHANGED, Effect.NARROWED if direction is Direction.REQUEST else Effect.WIDENED}
    return tuple(
        SchemaChange(path=path, text=text, effect=effect, is_breaking=effect in breaking or text.startswith(_GONE))
        for path, text, effect in _Pair(one, other).changes("$", one, other, 0)
    )


_GONE = "property removed"
"""Whoever wrote or read it loses it, whatever the schema still lets through."""

_Found = tuple[str, str, Effect]


class _Pair:
    """Two whole schemas, within which references are followed."""

    def __init__(self, old: Any, new: Any) -> None:
        self._old = old
        self._new = new

    def changes(self, path: str, old: Any, new: Any, depth: int) -> Iterator[_Found]:
        """Yield where two schemas differ."""
        if depth > _DEEPEST or json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True) == "{}":
            return
        one, other = _resolved(old, self._old), _resolved(new, self._new)
        if isinstance(one, bool) or isinstance(other, bool):
            if one is not other:
                effect = Effect.NARROWED if other is False or one is True else Effect.WIDENED
                yield path, f"schema {_shown(one)} → {_shown(other)}", effect
            return
        yield from _types(path, one, other)
        yield from _values(path, one, other)
        yield from _bounds(path, one, other)
        yield from self._properties(path, one, other, depth)
        yield from self._items(path, one, other, depth)
        yield from _rest(path, one, other)

    def _properties(self, path: str, old: Mapping[str, Any], new: Mapping[str, Any], depth: int) -> Iterator[_Found]:
        before, after = old.get("properties") or {}, new.get("properties") or {}
        needed, needs = set(old.get("required") or ()), set(new.get("required") or ())
        open_before, open_after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        for name in [*before, *(name for name in after if name not in before)]:
            at = f"{path}.{name}"
            if name not in after:
                yield at, _GONE, Effect.NARROWED if open_after is False else Effect.WIDENED
            elif name not in before:
                if name in needs:
                    yield at, "required property added", Effect.CHANGED if open_before is False else Effect.NARROWED
                else:
                    yield at, "optional property added", Effect.WIDENED if open_before is False else Effect.EXTENDED
            else:
                yield from self.changes(at, before[name], after[name], depth + 1)
        for name in sorted(needs - needed):
            if name in before or name not in after:
                yield f"{path}.{name}", "now required", Effect.NARROWED
        for name in sorted(needed - needs):
            if name in after:
                yield f"{path}.{name}", "no longer required", Effect.WIDENED
        if open_before != open_after:
            yield from self._additional(path, open_before, open_after, depth)

    def _additional(self, path: str, before: Any, after: Any, depth: int) -> Iterator[_Found]:
        at = f"{path}.*"
        if after is False:
            yield at, "further properties are refused", Effect.NARROWED
        elif before is False:
            yield at, "further properties are accepted", Effect.WIDENED
        else:
            yield from self.changes(at, before, after, depth + 1)

    def _items(self, path: str, old: Mapping[str, Any], new: Mapping[str, Any], depth: int) -> Iterator[_Found]:
        if "items" in old or "items" in new:
            yield from self.changes(f"{path}[]", old.get("items", True), new.get("items", True), depth + 1)


def _resolved(schema: Any, root: Any, hops: int = 0) -> Any:
    """Follow a reference within the same document; ``true`` and ``{}`` are the same."""
    if schema is True:
        return {}
    if isinstance(schema, Mapping) and isinstance(reference := schema.get("$ref"), str) and hops < _DEEPEST:
        target: Any = root
        if not reference.startswith("#"):
            return schema
        for part in [part.replace("~1", "/").replace("~0", "~") for part in reference[1:].split("/") if part]:
            if not isinstance(target, Mapping) or part not in target:
                return schema
            target = target[part]
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        found = _resolved(target, root, hops + 1)
        return {**found, **beside} if isinstance(found, Mapping) else found
    return schema


def _types(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Found]:
    one, other = _type_set(old), _type_set(new)
    if one == other:
        return
    text = f"type {_shown(old.get('type', 'any'))} → {_shown(new.get('type', 'any'))}"
    yield path, text, _effect(loses=bool(one - other), gains=bool(other - one))


def _type_set(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the types a schema lets through; a number may be an integer."""
    named = schema.get("type")
    found = set(_TYPES if named is None else [named] if isinstance(named, str) else named)
    return frozenset(found | {"integer"} if "number" in found else found)


def _values(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Found]:
    one, other = _enumerated(old), _enumerated(new)
    if one == other:
        return
    if one is None or other is None:
        shown = _shown(list(map(json.loads, sorted(other or one or ()))))
        text = f"only {shown} from now on" if one is None else f"no longer only {shown}"
        yield path, text, Effect.NARROWED if one is None else Effect.WIDENED
        return
    for value in sorted(one - other):
        yield path, f"value {value} removed", Effect.NARROWED
    for value in sorted(other - one):
        yield path, f"value {value} added", Effect.WIDENED


def _enumerated(schema: Mapping[str, Any]) -> frozenset[str] | None:
    if "const" in schema:
        return frozenset({json.dumps(schema["const"], sort_keys=True)})
    return frozenset(json.dumps(one, sort_keys=True) for one in schema["enum"]) if "enum" in schema else None


def _bounds(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Found]:
    for keys, sign in ((_LOWER, 1), (_UPPER, -1)):
        for key in keys:
            before, after = old.get(key), new.get(key)
            if before == after:
                continue
            text = f"{key} {_shown(before)} → {_shown(after)}"
            if before is None or after is None:
                yield path, text, Effect.NARROWED if before is None else Effect.WIDENED
            else:
                yield path, text, Effect.NARROWED if (after - before) * sign > 0 else Effect.WIDENED
    unique = bool(old.get("uniqueItems")), bool(new.get("uniqueItems"))
    if unique[0] != unique[1]:
        text = "items must differ" if unique[1] else "items need no longer differ"
        yield path, text, Effect.NARROWED if unique[1] else Effect.WIDENED


def _rest(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Found]:
    """Yield keywords that are compared as they are: adding one narrows, dropping one widens."""
    known = {"type", "enum", "const", "properties", "required", "additionalProperties", "items", "uniqueItems"}
    skipped = known | _ANNOTATIONS | set(_LOWER) | set(_UPPER)
    for key in [*old, *(key for key in new if key not in old)]:
        if key in skipped or old.get(key) == new.get(key):
            continue
        effect = Effect.CHANGED
        if key not in old or key not in new:
            effect = Effect.NARROWED if key not in old else Effect.WIDENED
        yield path, f"{key} {_shown(old.get(key))} → {_shown(new.get(key))}", effect


def _effect(*, loses: bool, gains: bool) -> Effect:
    if loses and gains:
        return Effect.CHANGED
    return Effect.NARROWED if loses else Effect.WIDENED


def _shown(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)

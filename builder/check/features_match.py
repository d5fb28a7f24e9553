"""The fields of the request schema against the features a model file says it was trained on."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder.bundle.json_schema import subschemas
from builder.bundle.model import Bundle, SchemaScope
from builder.check.intake import WRAPPERS
from builder.check.schema_parts import find_items, follow, is_array
from builder.check.trees import parse_source

_GENERIC = re.compile(r"(?:f|x|column_?|feature_?|col_?|var_?)?\d+|Column_\d+", re.IGNORECASE)
_RENAMING = frozenset({"rename", "columns", "lower", "upper", "get_dummies", "set_axis", "add_prefix", "add_suffix"})
_CLOSE = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordFields:
    """What a record holds by the schema."""

    named: tuple[str, ...]
    required: frozenset[str]
    is_closed: bool
    """True when nothing else may come."""


def record_fields(bundle: Bundle) -> RecordFields | None:
    """Return the fields of one record; None without a schema, or when its form leaves them open."""
    schema = bundle.schemas.request
    if schema is None:
        return None
    part = _record_part(schema, bundle.schemas.scope)
    if not isinstance(part, Mapping) or not isinstance(part.get("properties"), Mapping):
        return None
    if any(word in part for word in ("allOf", "anyOf", "oneOf", "patternProperties", "$ref")):
        return None
    return RecordFields(
        named=tuple(part["properties"]),
        required=frozenset(part.get("required", ())),
        is_closed=part.get("additionalProperties") is False,
    )


def _record_part(schema: Mapping[str, Any], scope: SchemaScope) -> Any:
    part = follow(schema, schema)
    if scope is SchemaScope.RECORD or not isinstance(part, Mapping):
        return part
    if is_array(part, schema):
        return follow(find_items(part, schema), schema)
    properties = part.get("properties", {})
    for name in WRAPPERS:
        if name in properties and len(properties) == 1:
            return follow(find_items(properties[name], schema), schema)
    return part


def all_names(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return every property a schema names, at any depth."""
    return frozenset(name for _, part in subschemas(schema) for name in part.get("properties", ()))


def are_generic(names: Iterable[str]) -> bool:
    """Tell whether names were made by a library and not by a person: ``f0``, ``Column_3``."""
    return all(_GENERIC.fullmatch(name) for name in names)


def words_of_code(sources: Mapping[str, bytes]) -> tuple[frozenset[str], bool]:
    """Return every text literal of the code, and whether it renames columns in bulk or cannot be read."""
    words: set[str] = set()
    for content in sources.values():
        try:
            tree = parse_source(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return frozenset(), True
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value)
            elif isinstance(node, ast.keyword) and node.arg:
                words.add(node.arg)
            elif isinstance(node, ast.Attribute) and node.attr in _RENAMING:
                return frozenset(words), True
    return frozenset(words), False


def pair_renamed(missing: Iterable[str], extra: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield features with the field that was probably meant to be them, each once."""
    left = list(extra)
    for name in missing:
        plain = {_plain(other): other for other in left}
        found = plain.get(_plain(name))
        if found is None:
            close = difflib.get_close_matches(name, left, n=1, cutoff=_CLOSE)
            found = close[0] if close else None
        if found is not None:
            left.remove(found)
            yield name, found


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()

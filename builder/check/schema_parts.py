"""Walking a JSON Schema by keys and items, as far as ``properties``, ``items`` and ``$ref`` alone decide."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

_DEPTH = 16
_UNDECIDED = (
    "allOf", "anyOf", "oneOf", "not", "if", "patternProperties", "unevaluatedProperties", "$dynamicRef",
    "dependentSchemas",
)  # fmt: skip


class Presence(StrEnum):
    """Whether data that satisfies a schema has a key."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    UNNAMED = "unnamed"
    """The schema does not name it, and allows whatever it does not name."""
    NEVER = "never"
    UNDECIDED = "undecided"


def follow(part: Any, root: Mapping[str, Any]) -> Any:
    """Return what ``$ref`` leads to within the document; None when it leads nowhere or around in a circle."""
    for _ in range(_DEPTH):
        target = part.get("$ref") if isinstance(part, Mapping) else None
        if not isinstance(target, str) or target == "#":
            return root if target == "#" else part
        if not target.startswith("#/"):
            return None
        part = root
        for token in target[2:].split("/"):
            key = token.replace("~1", "/").replace("~0", "~")
            part = part.get(key) if isinstance(part, Mapping) else None
    return None


def find_property(part: Any, root: Mapping[str, Any], key: str) -> tuple[Presence, Mapping[str, Any]]:
    """Return whether a key is there, and the part of the schema that describes its value."""
    part = follow(part, root)
    if not isinstance(part, Mapping) or "properties" not in part or any(word in part for word in _UNDECIDED):
        return Presence.UNDECIDED, {}
    properties = part["properties"]
    if key in properties:
        inner = properties[key]
        presence = Presence.REQUIRED if key in part.get("required", ()) else Presence.OPTIONAL
        return presence, inner if isinstance(inner, Mapping) else {}
    extra = part.get("additionalProperties", True)
    if extra is False:
        return Presence.NEVER, {}
    return Presence.UNNAMED, extra if isinstance(extra, Mapping) else {}


def find_items(part: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part that describes the items of an array; empty when it says nothing."""
    part = follow(part, root)
    items = part.get("items") if isinstance(part, Mapping) and "prefixItems" not in part else None
    return items if isinstance(items, Mapping) else {}


def is_array(part: Any, root: Mapping[str, Any]) -> bool:
    """Tell whether a part describes an array and nothing else."""
    part = follow(part, root)
    return isinstance(part, Mapping) and part.get("type") == "array"

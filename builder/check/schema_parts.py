"""Walking a JSON Schema by keys and items, as far as ``properties``, ``items`` and ``$ref`` alone decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundKey:
    """What a schema says of a key."""

    presence: Presence
    part: Mapping[str, Any] = field(default_factory=dict)
    """What describes its value."""
    named: tuple[str, ...] = ()
    """Every key the schema names there."""

    @property
    def is_named(self) -> bool:
        """True when the schema names the key."""
        return self.presence in (Presence.REQUIRED, Presence.OPTIONAL)


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


def find_property(part: Any, root: Mapping[str, Any], key: str) -> FoundKey:
    """Return what a schema says of a key of the objects it describes."""
    part = follow(part, root)
    if not isinstance(part, Mapping) or "properties" not in part or any(word in part for word in _UNDECIDED):
        return FoundKey(presence=Presence.UNDECIDED)
    properties = part["properties"]
    named = tuple(properties)
    if key in properties:
        inner = properties[key]
        presence = Presence.REQUIRED if key in part.get("required", ()) else Presence.OPTIONAL
        return FoundKey(presence=presence, part=inner if isinstance(inner, Mapping) else {}, named=named)
    extra = part.get("additionalProperties", True)
    presence = Presence.NEVER if extra is False else Presence.UNNAMED
    return FoundKey(presence=presence, part=extra if isinstance(extra, Mapping) else {}, named=named)


def find_items(part: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part that describes the items of an array; empty when it says nothing."""
    part = follow(part, root)
    items = part.get("items") if isinstance(part, Mapping) and "prefixItems" not in part else None
    return items if isinstance(items, Mapping) else {}


def is_array(part: Any, root: Mapping[str, Any]) -> bool:
    """Tell whether a part describes an array and nothing else."""
    part = follow(part, root)
    return isinstance(part, Mapping) and part.get("type") == "array"

"""pyarrow's data types in pickles: what may be said of them, and how the arrays of each are laid out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

from builder.check.pickle_grants import Table, is_coded, is_made_by, is_plain, is_text, makers, words
from builder.check.pickle_values import Instance, Mapping, Value

_TYPES: Final = words(
    "timestamp duration time32 time64 decimal32 decimal64 decimal128 decimal256 binary dictionary list_ large_list "
    "list_view large_list_view struct map_ field run_end_encoded"
)
_TYPE_MAKERS: Final = frozenset(f"pyarrow.lib.{name}" for name in (*_TYPES, "type_for_alias"))
_ALIAS: Final = re.compile(r"[a-z][a-z0-9_]*(?:\[[a-z]+\])?")
_MOST_TYPES: Final = 200
"""Types one is made of: a struct of a hundred columns has two hundred."""
_DEEPEST: Final = 16
"""A list of structs is four deep: its field, and those of the struct, count too."""


def is_type(value: Value) -> bool:
    """Tell whether a value is one of pyarrow's types."""
    return is_made_by(value, _TYPE_MAKERS)


def _alias(instance: Instance) -> str | None:
    args = instance.args
    if len(args) == 1 and is_text(args[0]) and _ALIAS.fullmatch(str(args[0])) and instance.kwargs is None:
        return None
    return "it may only be given the name of a type"


def _arrow_type(instance: Instance) -> str | None:
    if instance.kwargs is not None or not all(_is_type_part(value, 0) for value in instance.args):
        return "it may only be given constants and other types of pyarrow"
    # Types are let go of one by one on the machine's stack, and compared and shown in all the ways down.
    return (
        None
        if _count(instance) <= _MOST_TYPES
        else f"it is made of more than {_MOST_TYPES} types, or they lie deeper than {_DEEPEST} in each other"
    )


def _is_type_part(value: Value, depth: int) -> bool:
    if is_plain(value) or is_coded(value) or is_type(value):
        return True
    if depth == 2:
        return False
    if isinstance(value, Mapping):
        return all(_is_type_part(part, depth + 1) for pair in value.pairs for part in pair)
    return isinstance(value, (list, tuple)) and all(_is_type_part(part, depth + 1) for part in value)


def _count(kind: Instance) -> int:
    """Return of how many types a type is made, each as often as it is met; one too many when they are too deep."""
    count, level = 0, [kind]
    for _ in range(_DEEPEST):
        count += len(level)
        if not level or count > _MOST_TYPES:
            return count
        inner = (part for value in level for argument in value.args for part in _listed(argument))
        parts = list(islice(inner, 5 * _MOST_TYPES))  # four of a field: name, type, nullable, metadata
        if len(parts) == 5 * _MOST_TYPES:
            break
        level = [part for part in parts if is_type(part)]
    return _MOST_TYPES + 1 if level else count


def _listed(value: Value) -> list[Value] | tuple[Value, ...]:
    return value if isinstance(value, (list, tuple)) else (value,)


# Layouts


@dataclass(frozen=True, slots=True)
class Layout:
    """What an array of a type consists of; two of the same layout are of the same type, but for names."""

    kind: str
    """``null``, ``bits``, ``items``, ``text``, ``bytes``, ``lists``, ``groups``, ``struct`` or ``dictionary``."""
    width: int = 0
    """Bytes of an item, or of an offset; of ``groups``, how many there are in each."""
    name: str = ""
    children: tuple[Layout, ...] = ()


_ITEMS: Final = {
    **dict.fromkeys(("int8", "uint8"), 1),
    **dict.fromkeys(("int16", "uint16", "halffloat", "float16"), 2),
    **dict.fromkeys(("int32", "uint32", "float", "float32", "date32", "date32[day]", "time32[s]", "time32[ms]"), 4),
    **dict.fromkeys(("int64", "uint64", "double", "float64", "date64", "date64[ms]", "time64[us]", "time64[ns]"), 8),
    **{f"{name}[{unit}]": 8 for name in ("timestamp", "duration") for unit in ("s", "ms", "us", "ns")},
    "month_day_nano_interval": 16,
}
_ALIASES: Final = {
    "null": Layout("null"),
    "bool": Layout("bits"),
    "string": Layout("text", 4),
    "utf8": Layout("text", 4),
    "large_string": Layout("text", 8),
    "large_utf8": Layout("text", 8),
    "binary": Layout("bytes", 4),
    "large_binary": Layout("bytes", 8),
    **{name: Layout("items", width, name) for name, width in _ITEMS.items()},
}
_WIDTHS: Final = {
    "timestamp": 8, "duration": 8, "time32": 4, "time64": 8, "decimal32": 4, "decimal64": 8, "decimal128": 16,
    "decimal256": 32,
}  # fmt: skip


def layout_of(kind: Value, depth: int = 0) -> Layout | None:
    """Return how arrays of a type are laid out; None where nobody knows here."""
    if depth == _DEEPEST or not is_type(kind) or not isinstance(kind, Instance):
        return None
    if not depth and _count(kind) > _MOST_TYPES:
        return None
    name, args = kind.path.rpartition(".")[2], kind.args
    if name == "type_for_alias":
        return _ALIASES.get(str(args[0])) if len(args) == 1 and is_text(args[0]) else None
    if name in _WIDTHS:
        return Layout("items", _WIDTHS[name], name)
    if name == "binary":
        is_fixed = len(args) == 1 and type(args[0]) is int and args[0] >= 0
        return Layout("items", args[0], name) if is_fixed else None
    parts = args[0] if name == "struct" and len(args) == 1 else args[:1] if name != "map_" else args[:2]
    if name == "dictionary":
        parts = args[:2]
    if not isinstance(parts, (list, tuple)):
        return None
    children = [_child(part, depth) for part in parts]
    known = tuple(child for child in children if child is not None)
    return _nested(name, args, known) if len(known) == len(children) else None


def _nested(name: str, args: tuple[Value, ...], children: tuple[Layout, ...]) -> Layout | None:
    match name, len(children):
        case "struct", _:
            return Layout("struct", children=children)
        case "dictionary", 2 if children[0].name.lstrip("u").startswith("int"):
            return Layout("dictionary", children[0].width, children[0].name, children[1:])
        case "map_", 2:
            return Layout("lists", 4, children=(Layout("struct", children=children),))
        case "large_list", 1 if len(args) == 1:
            return Layout("lists", 8, children=children)
        case "list_", 1 if len(args) == 1 or args[1] == -1:
            return Layout("lists", 4, children=children)
        case "list_", 1 if len(args) == 2 and type(args[1]) is int and args[1] >= 0:
            return Layout("groups", args[1], children=children)
    return None


def _child(value: Value, depth: int) -> Layout | None:
    """``field(name, type, nullable, metadata)``, or a type alone."""
    if is_made_by(value, frozenset({"pyarrow.lib.field"})):
        value = value.args[1] if len(value.args) > 1 else None
    return layout_of(value, depth + 1)


ARROW_TYPES: Final[Table] = makers("pyarrow.lib", "type_for_alias", _alias) | makers(
    "pyarrow.lib", " ".join(_TYPES), _arrow_type
)
"""By module and name."""

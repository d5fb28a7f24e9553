"""What is in the arrays of a pickle: their shapes and bytes, in each of the ways that numpy and joblib write them."""

from __future__ import annotations

import math
import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from operator import le
from typing import Final, Literal

from builder.check.pickle_arrays import ItemType, OddArrayError, item_type
from builder.check.pickle_grants import is_coded, is_text
from builder.check.pickle_values import Array, Bytes, Instance, Mapping, OldText, Value

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """An array's content."""

    typestr: str
    shape: Shape
    content: bytes
    kind: Value = None
    """Its data type, as it was pickled."""

    def integers(self) -> Sequence[int]:
        """Return whole numbers, in the order they lie in; none when they are no whole numbers."""
        code = _INTEGERS.get(self.typestr[1:])
        if code is None:
            return []
        numbers = array(code, self.content)
        if self.typestr[0] in "<>" and self.typestr[0] != _NATIVE:
            numbers.byteswap()
        return numbers

    def columns(self, *names: str) -> list[Sequence[int]]:
        """Return the whole numbers of fields of all items; none of a field that is not there."""
        fields = fields_of(self.kind)
        return [self._column(fields.get(name)) for name in names]

    def _column(self, field: Field | None) -> Sequence[int]:
        code = None if field is None else _INTEGERS.get(field.typestr[1:])
        size = int(self.typestr[2:] or 0)
        if field is None or code is None or not size:
            return []
        width = struct.calcsize(code)
        order = ">" if field.typestr[0] == ">" else "<"
        if size % width == 0 and field.offset % width == 0 and order == _NATIVE:
            # Most are laid out like this, and trees are large.
            return memoryview(self.content).cast(code)[field.offset // width :: size // width].tolist()
        layout = struct.Struct(f"{order}{field.offset}x{code}{size - field.offset - width}x")
        return [value for (value,) in layout.iter_unpack(self.content)]


_Code = Literal["b", "B", "h", "H", "i", "I", "q", "Q"]
_INTEGERS: Final[dict[str, _Code]] = {
    "i1": "b", "u1": "B", "b1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q",
}  # fmt: skip


_NATIVE: Final = "<" if sys.byteorder == "little" else ">"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a data type."""

    typestr: str
    offset: int


def fields_of(kind: Value) -> dict[str, Field]:
    """Return the fields of a pickled data type, in their order; none when it has none."""
    state = kind.states[0] if isinstance(kind, Instance) and len(kind.states) == 1 else None
    if not isinstance(state, tuple) or len(state) < 5 or not isinstance(state[4], Mapping):
        return {}
    found = {}
    for name, entry in state[4].pairs:
        if not is_text(name) or not isinstance(entry, tuple) or len(entry) < 2 or type(entry[1]) is not int:
            return {}
        try:
            found[str(name)] = Field(item_type(entry[0]).typestr, entry[1])
        except OddArrayError:
            return {}
    return found


def numbers_of(value: Value) -> Numbers | None:
    """Return the content of a numeric array; None when it is not all there."""
    described = _described(value)
    if described is None:
        return None
    item, shape, content, kind = described
    raw = content_of(content)
    if item.has_objects or raw is None or len(raw) != math.prod(shape) * item.size:
        return None
    return Numbers(item.typestr, shape, raw, kind)


def shape_of(value: Value) -> Shape | None:
    """Return the shape of an array of numpy's; None of anything else."""
    described = _described(value)
    return None if described is None else described[1]


def are_floats(value: Value, shape: Shape) -> bool:
    """Tell whether a value is an array of doubles, of exactly this shape."""
    found = numbers_of(value)
    return found is not None and (found.typestr, found.shape) == ("<f8", shape)


def are_within(value: Value, shape: Shape | None, lowest: int, end: int, *, rising: bool = False) -> bool:
    """Tell whether whole numbers are all from the lowest up to below the end, and as many as a shape says.

    Rising ones begin with the lowest, and none is below the one before it.
    """
    found = numbers_of(value)
    if found is None or (shape is not None and found.shape != shape):
        return False
    numbers = found.integers()
    if len(numbers) != math.prod(found.shape) or (numbers and (min(numbers) < lowest or max(numbers) >= end)):
        return False
    return not rising or (bool(numbers) and numbers[0] == lowest and all(starmap(le, pairwise(numbers))))


def items_of(value: Value) -> list[Value]:
    """Return what is in a list, or in an array of objects; nothing of anything else."""
    if isinstance(value, Array):
        return [] if value.items is None else items_of(value.items)
    if isinstance(value, Instance):
        described = _described(value)
        value = None if described is None else described[2]
    return value if isinstance(value, list) else []


def find_odd_array(state: Value) -> str | None:
    """Tell whether an array's state has not as many items as its shape says: numpy reads past a list's end."""
    described = _of_state(state)
    if described is None:
        return "its state is not that of an array"
    item, shape, content, _ = described
    if item.has_objects:
        is_whole = isinstance(content, list) and len(content) == math.prod(shape)
    else:
        is_whole = size_of(content) == math.prod(shape) * item.size
    return None if is_whole else "its state has more or fewer items than its shape says"


def size_of(value: Value) -> int | None:
    """Return how many bytes there are, without a copy of them; None of anything else."""
    if isinstance(value, Bytes):
        return len(value)
    content = content_of(value)
    return None if content is None else len(content)


def content_of(value: Value) -> bytes | None:
    """Return bytes in any of the ways they are pickled; None of anything else."""
    if isinstance(value, Bytes):
        return value.content()
    if isinstance(value, OldText):
        return value.content
    if is_coded(value) and value.args and is_text(value.args[0]):
        try:
            return str(value.args[0]).encode("latin-1")
        except UnicodeEncodeError:
            return None
    if isinstance(value, Instance) and value.path in ("builtins.bytes", "builtins.bytearray") and not value.states:
        if not value.args:
            return b""
        return (
            None if isinstance(value.args[0], Instance) and not is_coded(value.args[0]) else content_of(value.args[0])
        )
    return None


_Described = tuple[ItemType, Shape, Value, Value]
"""The type of items, the shape, what holds the items, and the pickled data type."""


def _described(value: Value) -> _Described | None:
    if isinstance(value, Array):
        # An array of objects is what the pickle beside the opcodes says, whatever shape was announced.
        return _plain(value.kind, value.shape, value.content) if value.content is not None else _described(value.items)
    if not isinstance(value, Instance) or not isinstance(value.args, tuple):
        return None
    name = value.path.rpartition(".")[2]
    if name == "_frombuffer" and len(value.args) == 4:
        return _plain(value.args[1], value.args[2], value.args[0])
    if name in ("_reconstruct", "_mareconstruct") and len(value.states) == 1:
        return _of_state(value.states[0])
    return None


def _of_state(state: Value) -> _Described | None:
    """``(version, shape, dtype, is_fortran, content)``, and of masked arrays two more."""
    if not isinstance(state, tuple) or len(state) not in (5, 7):
        return None
    _, shape, kind, _, content = state[:5]
    return _plain(kind, shape, content)


def _plain(kind: Value, shape: Value, content: Value) -> _Described | None:
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        return None
    try:
        return item_type(kind), shape, content, kind
    except OddArrayError:
        return None

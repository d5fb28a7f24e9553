"""The state of SciPy's k-d trees: nodes refer to each other by number, and loading one writes where they point.

The compiled code checks none of these numbers, so they are checked here.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from builder.check.pickle_arrays import OddArrayError, item_type
from builder.check.pickle_grants import is_coded, is_text
from builder.check.pickle_values import Array, Bytes, Instance, Value

_NODE: Final = struct.Struct("<qqdqqQQqq")
"""ckdtreenode: split axis, children, split, first and last point, two pointers, two numbers of nodes."""
_ODD: Final = "its state is not that of a k-d tree whose nodes and points are all there"


@dataclass(frozen=True, slots=True)
class Numbers:
    """An array's content."""

    typestr: str
    shape: tuple[int, ...]
    content: bytes


def numbers_of(value: Value) -> Numbers | None:
    """Return the content of a numeric array in any of the ways it is pickled; None when it is not all there."""
    try:
        found = _numbers_of(value)
    except OddArrayError:
        return None
    if found is None or not all(type(size) is int and size >= 0 for size in found.shape):
        return None
    width = int(found.typestr[2:] or 1)
    return found if len(found.content) == math.prod(found.shape) * width else None


def _numbers_of(value: Value) -> Numbers | None:
    if isinstance(value, Array):
        return None if value.content is None else Numbers(value.typestr, value.shape, value.content.content())
    if not isinstance(value, Instance) or not isinstance(value.args, tuple):
        return None
    name = value.path.rpartition(".")[2]
    if name == "_frombuffer" and len(value.args) == 4:
        content, kind, shape, _ = value.args
    elif name == "_reconstruct" and len(value.states) == 1:
        state = value.states[0]
        if not isinstance(state, tuple) or len(state) != 5:
            return None
        _, shape, kind, _, content = state
    else:
        return None
    item = item_type(kind)
    raw = _raw(content)
    if item.has_objects or raw is None or not isinstance(shape, tuple):
        return None
    return Numbers(item.typestr, shape, raw)


def _raw(value: Value) -> bytes | None:
    if isinstance(value, Bytes):
        return value.content()
    if is_coded(value) and value.args and is_text(value.args[0]):
        try:
            return str(value.args[0]).encode("latin-1")
        except UnicodeEncodeError:
            return None
    return None


def find_odd_tree(state: Value) -> str | None:
    """Tell whether a state is not exactly what ``cKDTree`` writes."""
    if not isinstance(state, tuple) or len(state) != 10:
        return _ODD
    nodes, points, count, axes, leaf, *bounds = state
    tree, data = numbers_of(nodes), numbers_of(points)
    highest, lowest, indices = (numbers_of(bound) for bound in bounds[:3])
    if tree is None or data is None or highest is None or lowest is None or indices is None:
        return _ODD
    sizes = (count, axes, leaf)
    is_whole = (
        all(type(size) is int and size > 0 for size in (axes, leaf))
        and type(count) is int
        and data == Numbers("<f8", (count, axes), data.content)
        and all(bound.typestr == "<f8" and bound.shape == (axes,) for bound in (highest, lowest))
        and indices.typestr == "<i8"
        and indices.shape == (count,)
        and tree.typestr == "|S1"
        and _is_box(bounds[3], (axes,))
        and _is_box(bounds[4], (2 * axes,))
    )
    if not is_whole or not all(0 <= index < count for index in array("q", indices.content)):
        return _ODD
    return None if all(_nodes(tree.content, *sizes[:2])) else _ODD


def _is_box(value: Value, shape: tuple[int, ...]) -> bool:
    """Tell whether a box is none, or has its sizes."""
    if value is None:
        return True
    found = numbers_of(value)
    return found is not None and found.typestr == "<f8" and found.shape == shape


def _nodes(content: bytes, count: int, axes: int) -> Iterator[bool]:
    """Tell of each node whether what it refers to is there; its two halves always come after it."""
    if not content or len(content) % _NODE.size:
        yield False
        return
    total = len(content) // _NODE.size
    for at, (axis, children, _, first, last, _, _, less, greater) in enumerate(_NODE.iter_unpack(content)):
        yield 0 <= first <= last <= count and children == last - first
        yield axis == -1 or (0 <= axis < axes and at < less < total and at < greater < total)

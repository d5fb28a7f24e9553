"""pandas' blocks: which columns of a frame each holds. Compiled code writes down where they are, wherever that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from builder.check.pickle_contents import numbers_of
from builder.check.pickle_extents import INDEXES, extent_of, len_of
from builder.check.pickle_grants import Table, Use, grants, is_made_by, is_plain, makers, pairs
from builder.check.pickle_values import Instance, Value

_BLOCKS: Final = frozenset({"pandas._libs.internals._unpickle_block", "pandas.core.internals.blocks.new_block"})
_MANAGERS: Final = "BlockManager SingleBlockManager"
_SLICE: Final = "builtins.slice"
_PLACEMENT: Final = "pandas._libs.internals.BlockPlacement"
_MOST: Final = 1 << 24
"""Columns a frame may have, unless they are all in one block."""


def _places(value: Value) -> Sequence[int] | None:
    """Return which columns, or of a series which rows, a block holds."""
    if is_made_by(value, frozenset({_PLACEMENT})):
        value = value.args[0] if len(value.args) == 1 else None
    if type(value) is int:
        return range(value, value + 1)
    if is_made_by(value, frozenset({_SLICE})):
        bounds: tuple[Value, ...] = value.args
        if len(bounds) != 3 or not all(type(bound) is int for bound in bounds) or not bounds[2]:
            return None
        return range(*bounds)
    found = numbers_of(value)
    if found is None or len(found.shape) != 1:
        return None
    numbers = found.integers()
    return numbers if len(numbers) == found.shape[0] else None


def _count(places: Sequence[int]) -> int:
    return len_of(places) if isinstance(places, range) else len(places)


def _find_odd_block(values: Value, places: Sequence[int] | None, dimensions: Value) -> str | None:
    """Tell whether a block does not have a row of values for each of its places."""
    shape = extent_of(values)
    if shape is None:
        return "nobody can tell how many values it has"
    if places is None or type(dimensions) is not int or not 1 <= dimensions <= 2 or len(shape) > dimensions:
        return "it may only make a block of an array and of places"
    # Arrays of pandas' own have one dimension, and then a block is one column.
    rows = shape[0] if len(shape) == dimensions else 1
    return None if rows == _count(places) else "its values are more or fewer than its places"


def _block(instance: Instance) -> str | None:
    args = instance.args
    if len(args) != 3 or instance.kwargs is not None:
        return "it may only make a block of an array"
    return _find_odd_block(args[0], _places(args[1]), args[2])


def _place(instance: Instance) -> str | None:
    if len(instance.args) == 1 and _places(instance.args[0]) is not None:
        return None
    return "it may only be given a slice or numbers"


def _manager(instance: Instance) -> str | None:
    """Blocks and axes; without them it is made first, and given its state after."""
    args = instance.args
    if not args and instance.kwargs is None:
        return None
    if len(args) not in (2, 3) or instance.kwargs is not None or not all(is_plain(value) for value in args[2:]):
        return "it may only be given blocks and indexes"
    blocks = args[0] if isinstance(args[0], (list, tuple)) else (args[0],)
    axes = args[1] if isinstance(args[1], (list, tuple)) else (args[1],)
    if not all(is_made_by(block, _BLOCKS) and block.args[2:] == (len(axes),) for block in blocks):
        return "it may only be given blocks and indexes"
    return _find_odd_frame([(block.args[0], block.args[1]) for block in blocks], axes)


def _managed(state: Value) -> str | None:
    """``(axes, values, items, {"0.14.1": {"axes": …, "blocks": [{"values": …, "mgr_locs": …}]}})``."""
    newest = pairs(state[3]) if isinstance(state, tuple) and len(state) == 4 else None
    held = None if newest is None else pairs(newest["0.14.1"][-1]) if list(newest) == ["0.14.1"] else None
    if held is None or held.keys() != {"axes", "blocks"} or not isinstance(held["blocks"][-1], list):
        return "its state is not one of blocks and indexes"
    blocks: list[tuple[Value, Value]] = []
    for block in held["blocks"][-1]:
        parts = pairs(block)
        if parts is None or parts.keys() != {"values", "mgr_locs"}:
            return "its state is not one of blocks and indexes"
        blocks.append((parts["values"][-1], parts["mgr_locs"][-1]))
    axes = held["axes"][-1]
    if not isinstance(axes, list):
        return "its state is not one of blocks and indexes"
    for values, places in blocks:
        wrong = _find_odd_block(values, _places(places), len(axes))
        if wrong is not None:
            return wrong
    return _find_odd_frame(blocks, axes)


def _find_odd_frame(blocks: list[tuple[Value, Value]], axes: Sequence[Value]) -> str | None:
    """Tell whether blocks do not hold each column once, or not as many rows as there are."""
    if not 1 <= len(axes) <= 2 or not all(is_made_by(axis, INDEXES) for axis in axes):
        return "it may only be given blocks and indexes"
    sizes = [(extent_of(axis) or (None,))[0] for axis in axes]
    if None in sizes:
        return "nobody can tell how long its indexes are"
    for values, _ in blocks:
        shape = extent_of(values) or ()
        if shape[-1:] != (sizes[-1],):
            return "its values are more or fewer than its indexes say"
    places = [_places(place) for _, place in blocks]
    if _are_all(places, sizes[0] or 0):
        return None
    return "its blocks do not hold each of its columns once"


def _are_all(blocks: Sequence[Sequence[int] | None], total: int) -> bool:
    """Tell whether places are all the numbers below a total, each once."""
    if len(blocks) == 1 and blocks[0] == range(total):
        return True
    if total > _MOST or any(places is None or _count(places) > total for places in blocks):
        return False
    seen = bytearray(total)
    for places in blocks:
        for place in places or ():
            if not 0 <= place < total or seen[place]:
                return False
            seen[place] = 1
    return all(seen)


BLOCKS: Final[Table] = (
    grants("pandas.core.internals.managers", _MANAGERS, Use.CALLED, _manager, _managed)
    | makers("pandas._libs.internals", "_unpickle_block", _block)
    | makers("pandas.core.internals.blocks", "new_block", _block)
    | grants("pandas._libs.internals", "BlockPlacement", Use.CALLED, _place)
)
"""By module and name."""

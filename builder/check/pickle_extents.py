"""How long what pandas keeps its columns and indexes in is; compiled code takes that for granted."""

from __future__ import annotations

from typing import Final

from builder.check.pickle_contents import Shape, numbers_of, shape_of
from builder.check.pickle_grants import singles
from builder.check.pickle_values import Instance, Mapping, Value

INDEX_MAKERS: Final = {
    "pandas.core.indexes.base": "_new_Index",
    "pandas.core.indexes.datetimes": "_new_DatetimeIndex",
    "pandas.core.indexes.timedeltas": "_new_TimedeltaIndex",
    "pandas.core.indexes.interval": "_new_IntervalIndex",
    "pandas.core.indexes.period": "_new_PeriodIndex",
}
"""What makes indexes, by its module."""
INDEXES: Final = frozenset(f"{module}.{name}" for module, name in INDEX_MAKERS.items())
"""The same as paths."""
_BACKED: Final = "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked"
_HOLDS: Final = ("_pa_array", "_ndarray", "_codes", "_data", "_left")
"""Where arrays of pandas keep what is in them, the first that is there."""
_BESIDE: Final = {"_data": "_mask", "_left": "_right"}
"""What must be as long as that."""
_DEEPEST: Final = 8


def extent_of(value: Value, depth: int = 0) -> Shape | None:
    """Return the shape of an array of numpy's or pandas', or of an index; None where it cannot be told."""
    if depth == _DEEPEST:
        return None
    if not isinstance(value, Instance):
        return shape_of(value)
    if value.path in INDEXES:
        size = _index_length(value.args[1] if len(value.args) == 2 else None, depth)
        return None if size is None else (size,)
    if value.path == "pyarrow.lib._restore_array":
        described: Value = value.args[0] if value.args else None
        is_whole = isinstance(described, tuple) and len(described) == 7 and type(described[1]) is int
        return (described[1],) if is_whole else None
    if value.path == _BACKED:
        return _backed(value, depth)
    return shape_of(value) if value.path.startswith("numpy.") else _held(value, depth)


def _held(array: Instance, depth: int) -> Shape | None:
    """Return the shape of an array of pandas' that was given a dict, or a tuple with one."""
    found = array.attributes
    if "_sparse_index" in found:
        return _sparse(found["_sparse_index"], found.get("_sparse_values"))
    key = next((key for key in _HOLDS if key in found), None)
    if key is None:
        return None
    shape = extent_of(found[key], depth + 1)
    beside = found.get(_BESIDE.get(key, ""))
    if beside is not None and extent_of(beside, depth + 1) != shape:
        return None
    return _of_codes(found[key], found.get("_dtype"), depth) if key == "_codes" else shape


def _backed(array: Instance, depth: int) -> Shape | None:
    """``(dtype, values)`` and often a dict, in one order or the other, or a dict alone."""
    state = array.states[0] if len(array.states) == 1 else None
    if isinstance(state, Mapping):
        return _held(array, depth)
    parts = state if isinstance(state, tuple) else ()
    values = next((part for part in parts if extent_of(part, depth + 1) is not None), None)
    dtype = next((part for part in parts if isinstance(part, Instance) and part is not values), None)
    return _of_codes(values, dtype, depth) if _is_categories(dtype) else extent_of(values, depth + 1)


def _is_categories(dtype: Value) -> bool:
    return isinstance(dtype, Instance) and dtype.path.rpartition(".")[2] == "CategoricalDtype"


def _of_codes(codes: Value, dtype: Value, depth: int) -> Shape | None:
    """Return the shape of a column of categories: each is the number of one that is there, or -1."""
    found = numbers_of(codes)
    if found is None or not isinstance(dtype, Instance):
        return None
    categories = dtype.attributes.get("categories")
    count = 0 if categories is None else (extent_of(categories, depth + 1) or (None,))[0]
    numbers = found.integers()
    is_within = count is not None and (not numbers or (min(numbers) >= -1 and max(numbers) < count))
    return found.shape if is_within and len(numbers) == found.shape[0] else None


def _sparse(index: Value, values: Value) -> Shape | None:
    """``IntIndex(length, indices)`` or ``BlockIndex(length, starts, lengths)``, and a value for each place."""
    if not isinstance(index, Instance) or len(index.args) not in (2, 3):
        return None
    last = numbers_of(index.args[-1])
    if last is None or type(index.args[0]) is not int:
        return None
    count = last.shape[0] if len(index.args) == 2 else sum(last.integers())
    return (index.args[0],) if shape_of(values) == (count,) else None


def _index_length(given: Value, depth: int) -> int | None:
    made = singles(given)
    if made is None:
        return None
    if "start" in made or "stop" in made:
        bounds: tuple[Value, ...] = (made.get("start"), made.get("stop"), made.get("step", 1))
        is_range = all(type(bound) is int for bound in bounds) and bounds[2] != 0
        return len_of(range(*bounds)) if is_range else None
    if "codes" in made:
        first = made["codes"][0] if isinstance(made["codes"], (list, tuple)) and made["codes"] else None
    else:
        first = made.get("data", made.get("left"))
    if isinstance(first, list):
        return len(first)
    shape = extent_of(first, depth + 1)
    return shape[0] if shape is not None and len(shape) == 1 else None


def len_of(numbers: range) -> int:
    """Return how many numbers there are, of any number of them."""
    return max(0, (numbers.stop - numbers.start + numbers.step - (1 if numbers.step > 0 else -1)) // numbers.step)

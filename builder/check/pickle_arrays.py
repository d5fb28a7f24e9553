"""numpy arrays in pickles: their data types as the state describes them, and what joblib writes beside opcodes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from builder.check.pickle_values import Global, Instance, Mapping, OldText, Value


class OddArrayError(ValueError):
    """An array's description is not one that numpy and joblib write."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemType:
    """A numpy data type: how many bytes an item takes, and whether items are Python objects."""

    typestr: str
    """With byte order: ``<f8``, ``|O8``, ``<U10``."""
    size: int
    has_objects: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayPlan:
    """What follows a NumpyArrayWrapper in the stream."""

    typestr: str
    shape: tuple[int, ...]
    size: int
    """Raw bytes, without the padding; unused when the items are objects, which are a pickle of their own."""
    has_objects: bool
    is_padded: bool
    kind: Value
    """The data type, as it was pickled."""


WRAPPER: Final = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_ARRAYS: Final = frozenset({"ndarray", "matrix", "memmap"})
_TYPESTR: Final = re.compile(r"([biufcmMOSUV?])([0-9]{0,9})")
_SIZES: Final = {
    "b": ("1",),
    "i": ("1", "2", "4", "8"),
    "u": ("1", "2", "4", "8"),
    "f": ("2", "4", "8", "12", "16"),
    "c": ("8", "16", "24", "32"),
    "m": ("8",),
    "M": ("8",),
    "O": ("8",),
}
"""Bytes an item may have, by its kind; text and raw items may have any, but say how many."""
_DEEPEST: Final = 16


def is_array_wrapper(instance: Instance) -> bool:
    """Tell whether joblib's loader would read an array after giving this object its state."""
    callee = instance.callee
    if isinstance(callee, Global) and callee.module == "copyreg" and instance.args:
        callee = instance.args[0]
    return isinstance(callee, Global) and (callee.module, callee.name) == WRAPPER


def is_array_reader(value: Value) -> bool:
    """Tell whether joblib's loader would read an array where an object of this is given its state."""
    if isinstance(value, Instance):
        return not value.states and is_array_wrapper(value)
    return isinstance(value, Global) and value.module.startswith("joblib.")


def plan_array(wrapper: Instance) -> ArrayPlan:
    """Return what follows a wrapper, as joblib's NumpyArrayWrapper.read_array reads it; or an OddArrayError."""
    if len(wrapper.states) != 1 or not isinstance(wrapper.states[0], Mapping) or wrapper.filled:
        raise OddArrayError("an array's description is set in an unusual way")
    state = wrapper.states[0].texts()
    if len(state) != len(wrapper.states[0].pairs):
        raise OddArrayError("an array's description has unusual keys")
    subclass, shape, order = state.get("subclass"), state.get("shape"), state.get("order")
    if not isinstance(subclass, Global) or subclass.name.rpartition(".")[2] not in _ARRAYS:
        raise OddArrayError("an array is of a class that joblib does not write")
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise OddArrayError("an array's shape is not a tuple of sizes")
    if _text(order) not in ("C", "F"):
        raise OddArrayError("an array's order is neither C nor F")
    alignment = state.get("numpy_array_alignment_bytes")
    if alignment is not None and type(alignment) is not int:
        raise OddArrayError("an array's alignment is not a number")
    item = item_type(state.get("dtype"))
    count = 1
    for size in shape:
        count *= size
    return ArrayPlan(
        typestr=item.typestr,
        shape=shape,
        size=count * item.size,
        has_objects=item.has_objects,
        is_padded=alignment is not None,
        kind=state.get("dtype"),
    )


def item_type(value: Value, depth: int = 0) -> ItemType:
    """Read a pickled ``numpy.dtype``: its constructor's text and its state (numpy, arraydescr_setstate)."""
    if not isinstance(value, Instance) or value.path != "numpy.dtype" or not value.args or depth > _DEEPEST:
        raise OddArrayError("a data type is not a pickled numpy.dtype")
    match = _TYPESTR.fullmatch(_text(value.args[0]) or "")
    if match is None or len(value.states) > 1:
        raise OddArrayError("a data type is not written as numpy writes it")
    kind, digits = match.groups()
    kind, digits = ("b", "1") if kind == "?" and not digits else (kind, digits)
    if digits not in _SIZES.get(kind, (digits or None,)):
        raise OddArrayError("a data type has a size that numpy has not")
    size = int(digits) * (4 if kind == "U" else 1)
    state = value.states[0] if value.states else None
    if state is None:
        if kind == "V":
            raise OddArrayError("a data type with fields has none")
        return ItemType(typestr=f"{_order('', kind, size)}{kind}{digits}", size=size, has_objects=kind == "O")
    if not isinstance(state, tuple) or len(state) not in (8, 9) or state[0] not in (3, 4):
        raise OddArrayError("a data type's state is not as numpy writes it")
    _, endian, sub, names, fields, elsize, _, flags = state[:8]
    if elsize not in ((-1, size) if kind in "SUV" else (-1,)) or type(flags) is not int:
        raise OddArrayError("a data type's size contradicts its name")
    if kind == "V":
        has_objects = _fields_have_objects(sub, names, fields, size, depth)
    else:
        has_objects = kind == "O"
        if sub is not None or names is not None or fields is not None:
            raise OddArrayError("a plain data type has fields")
    if bool(flags & 1) != has_objects:
        raise OddArrayError("a data type's flags contradict what it holds")
    return ItemType(
        typestr=f"{_order(_text(endian) or '', kind, size)}{kind}{digits}", size=size, has_objects=has_objects
    )


def find_odd_type(target: Instance) -> str | None:
    """What arrays are made of must say of itself what numpy would."""
    try:
        item_type(target)
    except OddArrayError as error:
        return str(error)
    return None


def _fields_have_objects(sub: Value, names: Value, fields: Value, size: int, depth: int) -> bool:
    found: list[ItemType] = []
    if sub is not None:
        if not isinstance(sub, tuple) or len(sub) != 2:
            raise OddArrayError("a data type's repeated item is not as numpy writes it")
        found.append(item_type(sub[0], depth + 1))
    if fields is not None:
        if not isinstance(fields, Mapping) or not isinstance(names, tuple) or len(fields.pairs) > 1 << 16:
            raise OddArrayError("a data type's fields are not as numpy writes them")
        for _, entry in fields.pairs:
            if not isinstance(entry, tuple) or len(entry) not in (2, 3):
                raise OddArrayError("a data type's fields are not as numpy writes them")
            found.append(item_type(entry[0], depth + 1))
            if type(entry[1]) is not int or not 0 <= entry[1] <= size - found[-1].size:
                raise OddArrayError("a data type's field lies outside of it")
    return any(entry.has_objects for entry in found)


def _order(endian: str, kind: str, size: int) -> str:
    if kind in "bSVO" or (size == 1 and kind in "iu"):
        return "|"
    return endian if endian in "<>" and endian else "<"


def _text(value: Value) -> str | None:
    if isinstance(value, OldText):
        return str(value)
    return value if isinstance(value, str) else None

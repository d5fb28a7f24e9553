"""What may be done with a global, and the checks of arguments that several tables share.

Three things can be done with a global, each more than the one before: name it as a value (``NAMED``), make an object of
it without calling it (``MADE``: ``cls.__new__(cls, …)``, then a state), and call it (``CALLED``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from builder.check.pickle_values import Array, Bytes, Collection, Global, Instance, Mapping, OldText, Value


class Use(IntEnum):
    """What may be done with a global; each includes the ones before."""

    NAMED = 1
    MADE = 2
    CALLED = 3


Check = Callable[[Instance], str | None]
"""Says what is wrong with the arguments of a call, or None."""

StateCheck = Callable[[Value], str | None]
"""Says what is wrong with the state that BUILD gives, or None."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be done with one global."""

    use: Use
    check: Check | None = None
    state: StateCheck | None = None
    built: Check | None = None
    """Says what is wrong with an object that has been given its state."""
    is_value: bool = True
    """Whether it may also be stored; not so of functions that make objects, which others could call with anything."""
    quirks: frozenset[str] = frozenset()
    """Methods of a class that nobody vouches for, and that run when an object of it is filled or hashed."""


Table = dict[tuple[str, str], Grant]
"""Grants by module and name."""


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


def grants(
    module: str,
    names: str,
    use: Use,
    check: Check | None = None,
    state: StateCheck | None = None,
    *,
    built: Check | None = None,
) -> Table:
    """Return the same grant for several names of one module."""
    return {(module, name): Grant(use, check, state, built) for name in names.split()}


def makers(module: str, names: str, check: Check | None = None, state: StateCheck | None = None) -> Table:
    """Return the grant of functions that pickles call to make objects, and that no model keeps."""
    return {(module, name): Grant(Use.CALLED, check, state, is_value=False) for name in names.split()}


# Values


def is_text(value: Value) -> bool:
    """Tell whether a value is text, of Python 2 or 3."""
    return isinstance(value, (str, OldText))


def is_plain(value: Value) -> bool:
    """Tell whether a value is a constant."""
    return value is None or isinstance(value, (str, bool, int, float, OldText, Bytes))


def is_coded(value: Value) -> bool:
    """Tell whether a value is bytes as protocols below 3 write them."""
    return isinstance(value, Instance) and str(value.callee) == "_codecs.encode"


def is_of(value: Value, root: str, names: frozenset[str]) -> bool:
    """Tell whether a value is a global of one of these names below a top-level module."""
    return isinstance(value, Global) and value.module.partition(".")[0] == root and value.name in names


def is_made_by(value: Value, paths: frozenset[str]) -> bool:
    """Tell whether a value is what calling or making one of these gave."""
    return isinstance(value, Instance) and value.path in paths


_DEEPEST: Final = 6
_KNOWN: Final = words(
    "numpy pandas pyarrow datetime decimal fractions uuid pytz dateutil zoneinfo builtins collections _codecs"
)


def is_known(value: Value, depth: int = 0) -> bool:
    """Tell whether a value is data: constants, arrays and frames, and plain containers of them, not too deep.

    Functions that look at what they are given (its length, its items, ``__array__``) run methods of it, so they may not
    be given objects of just any class.
    """
    if is_plain(value) or isinstance(value, Array):
        return True
    if isinstance(value, Global):
        return _is_known_name(value)
    if isinstance(value, Instance):
        return _is_known_name(value.callee) or _is_known_path(value.path)
    if depth == _DEEPEST:
        return False
    if isinstance(value, (list, tuple)):
        return all(is_known(part, depth + 1) for part in value)
    if isinstance(value, Mapping):
        return all(is_known(part, depth + 1) for pair in value.pairs for part in pair)
    return isinstance(value, Collection) and all(is_known(part, depth + 1) for part in value.items)


def _is_known_name(value: Value) -> bool:
    return isinstance(value, Global) and _is_known_path(value.module)


def _is_known_path(path: str) -> bool:
    return path.partition(".")[0] in _KNOWN


# Checks


def plain(instance: Instance) -> str | None:
    """Only constants."""
    if instance.kwargs is None and all(is_plain(value) for value in instance.args):
        return None
    return "it may only be given constants"


def lookup(instance: Instance) -> str | None:
    """Only one constant: with more, an enumeration would make another."""
    return plain(instance) or (None if len(instance.args) == 1 else "it may only look one of its constants up")


def data(instance: Instance) -> str | None:
    """Only constants, and plain containers, whatever is in them."""
    if instance.kwargs is None and all(
        is_plain(value) or is_coded(value) or isinstance(value, (list, tuple, Mapping, Collection))
        for value in instance.args
    ):
        return None
    return "it may only be given plain data"


def known(instance: Instance) -> str | None:
    """Only data, and objects of the libraries that arrays and frames are made of."""
    if instance.kwargs is None and is_known(instance.args):
        return None
    return "it may only be given numbers, text, arrays and what frames are made of"


def class_first(instance: Instance) -> str | None:
    """A class comes first; whether it may be made is the allowance's to say."""
    return None if instance.args and isinstance(instance.args[0], Global) else "its class is not a constant"


def cython(instance: Instance) -> str | None:
    """Cython's ``__pyx_unpickle_X(type, checksum, state)`` makes an object of exactly that type."""
    return class_first(instance)


def pairs(state: Value) -> dict[str, list[Value]] | None:
    """Return what a state that is one plain dict sets, by key, each value that is set; None when it is none."""
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key, _ in state.pairs):
        return None
    found: dict[str, list[Value]] = {}
    for key, value in state.pairs:
        found.setdefault(key, []).append(value)
    return found


def singles(state: Value) -> dict[str, Value] | None:
    """Return what a state that is one plain dict sets, each once; None when it is none, or sets anything twice."""
    found = pairs(state)
    if found is None or any(len(values) != 1 for values in found.values()):
        return None
    return {key: values[0] for key, values in found.items()}

"""How deep objects of a pickle lie in each other: what Python does with them goes down to the last without a limit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from builder.check.pickle_values import Array, Collection, Instance, Mapping, Persistent, Value, parts_of

DEEPEST: Final = 2_000
"""Python's own pickler gives up after 1,000 steps down, which are at most some 1,500 here. Hashing a tuple, and letting
go of an array of objects, go down on the stack of the machine, which ends at some thousands."""
_HOLDERS: Final = frozenset({list, tuple, Mapping, Collection, Instance, Array, Persistent})


def is_too_deep(values: Iterable[Value]) -> bool:
    """Tell whether objects lie in each other deeper than any pickler of Python's writes them; circles count once."""
    depths: dict[int, int] = {}
    waiting = [value for value in values if type(value) in _HOLDERS]
    while waiting:
        current = waiting[-1]
        known = depths.get(id(current))
        if known is None:
            depths[id(current)] = 0  # not known yet: first what is in it
            waiting.extend(part for part in _held(current) if id(part) not in depths)
            continue
        waiting.pop()
        if not known:
            depth = 1 + max((depths[id(part)] for part in _held(current)), default=0)
            if depth > DEEPEST:
                return True
            depths[id(current)] = depth
    return False


def is_holder(value: Value) -> bool:
    """Tell whether other values may lie in a value."""
    return type(value) in _HOLDERS


def _held(value: Value) -> list[Value]:
    return [part for part in parts_of(value) if type(part) in _HOLDERS]

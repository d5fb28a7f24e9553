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
    opened: dict[int, list[Value]] = {}
    waiting = [value for value in values if type(value) in _HOLDERS]
    while waiting:
        current = waiting[-1]
        held = opened.pop(id(current), None)
        if held is None:
            if id(current) in depths:
                waiting.pop()
                continue
            depths[id(current)] = 1
            held = [part for part in parts_of(current) if type(part) in _HOLDERS]
            unknown = [part for part in held if id(part) not in depths]
            if unknown:
                opened[id(current)] = held  # first what is in it
                waiting += unknown
                continue
        waiting.pop()
        if held:
            depth = 1 + max([depths[id(part)] for part in held])
            if depth > DEEPEST:
                return True
            depths[id(current)] = depth
    return False


def is_holder(value: Value) -> bool:
    """Tell whether other values may lie in a value."""
    return type(value) in _HOLDERS

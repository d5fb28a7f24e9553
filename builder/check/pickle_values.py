"""What a pickle builds, as the machine sees it: text and numbers as they are, everything else as a description.

``None``, ``bool``, ``int``, ``float``, ``str``, ``tuple`` and ``list`` stand for themselves. Nothing here is ever
hashed or compared deeply, so that a hostile depth of nesting costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Any

Value = Any
"""One of the types named above, or one of the classes below."""

Buffer = bytes | mmap
"""What a pickle is read from."""


class Mapping:
    """A dict, as pairs in the order they were stored; a later pair wins."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        self.pairs: list[tuple[Value, Value]] = []

    def get(self, key: str) -> Value:
        """Return the value of a text key, or None."""
        for candidate, value in reversed(self.pairs):
            if isinstance(candidate, str) and candidate == key:
                return value
        return None

    def texts(self) -> dict[str, Value]:
        """Return the pairs whose key is text."""
        return {key: value for key, value in self.pairs if isinstance(key, str)}


class Collection:
    """A set or a frozenset."""

    __slots__ = ("items",)

    def __init__(self, items: list[Value] | None = None) -> None:
        self.items: list[Value] = items if items is not None else []


@dataclass(frozen=True, slots=True, eq=False)
class Bytes:
    """A bytes or bytearray object: where it lies in the stream, not a copy of it."""

    buffer: Buffer
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def content(self) -> bytes:
        """Return the bytes themselves."""
        return bytes(self.buffer[self.start : self.end])


@dataclass(frozen=True, slots=True, eq=False)
class OldText:
    """A Python 2 string: text or bytes, as the loader chooses; so it never names anything."""

    content: bytes

    def __str__(self) -> str:
        return self.content.decode("latin-1")


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """A module's attribute, as ``find_class`` will be asked for it."""

    module: str
    name: str
    offset: int

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Persistent:
    """An object that the loader brings from outside of the pickle."""

    key: Value
    offset: int


class Instance:
    """What calling or constructing gave. ``states`` are the arguments of BUILD, ``filled`` what was put into it."""

    __slots__ = ("answers", "args", "callee", "filled", "is_call", "is_given", "kwargs", "offset", "states")

    def __init__(self, callee: Value, args: tuple[Value, ...], kwargs: Value, offset: int, *, is_call: bool) -> None:
        self.callee = callee
        self.args = args
        self.kwargs = kwargs
        self.offset = offset
        self.is_call = is_call
        self.answers: bool | None = None
        """Whether its items stand in for its methods, once that was looked at."""
        self.is_given = False
        """True once it was judged as a part of something else."""
        self.states: list[Value] = []
        self.filled: list[Value] = []

    @property
    def path(self) -> str:
        """The class it is of, as far as the pickle says: through ``copyreg`` helpers, the class they are given."""
        callee = self.callee
        if isinstance(callee, Global) and callee.module == "copyreg" and self.args:
            callee = self.args[0]
        return str(callee) if isinstance(callee, Global) else ""

    @property
    def attributes(self) -> dict[str, Value]:
        """What BUILD stored under text keys; for a pair ``(dict, slots)``, both."""
        found: dict[str, Value] = {}
        for state in self.states:
            for part in state if isinstance(state, tuple) else (state,):
                if isinstance(part, Mapping):
                    found.update(part.texts())
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """A numpy array that joblib wrote beside the opcodes; objects are in ``items``, numbers and text in ``content``."""

    typestr: str
    shape: tuple[int, ...]
    content: Bytes | None
    items: Value = None
    kind: Value = None
    """Its data type, as it was pickled."""


def walk(value: Value) -> Iterator[Value]:
    """Yield a value and everything reachable from it, each object once, outer before inner."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, (list, tuple, Mapping, Collection, Instance, Array, Persistent)):
            yield current
            continue
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting.extend(reversed(parts_of(current)))


def parts_of(value: Value) -> list[Value]:
    """Return what lies in a value that holds others."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, Mapping):
        return [part for pair in value.pairs for part in pair]
    if isinstance(value, Collection):
        return value.items
    if isinstance(value, Instance):
        return [value.callee, value.args, value.kwargs, *value.states, *value.filled]
    if isinstance(value, Persistent):
        return [value.key]
    return [value.items]


def note_given(value: Value) -> None:
    """Note of objects that they are a part of something that was judged."""
    if isinstance(value, Mapping):
        value = [part for _, part in value.pairs]
    for part in value if isinstance(value, (tuple, list)) else (value,):
        if isinstance(part, Instance):
            part.is_given = True

"""Pickles put together from descriptions of what they would call; nothing is ever loaded."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pickle_makers import program, stack_global, text


@dataclass(frozen=True)
class Name:
    """A global."""

    module: str
    name: str

    def __call__(self, *args: Any) -> Made:
        """Describe a call of it by REDUCE."""
        return Made(self, args, b"R")

    def new(self, *args: Any) -> Made:
        """Describe the making of an object of it by NEWOBJ."""
        return Made(self, args, b"\x81")


@dataclass(frozen=True)
class Made:
    """What a call gives, and the states BUILD gives it."""

    callee: Any
    args: Any
    opcode: bytes
    states: tuple[Any, ...] = ()

    def __call__(self, *args: Any) -> Made:
        """Describe a call of what it is."""
        return Made(self, args, b"R")

    def build(self, state: Any) -> Made:
        """Describe a state it is given."""
        return Made(self.callee, self.args, self.opcode, (*self.states, state))


@dataclass(frozen=True)
class Raw:
    """Opcodes as they are."""

    code: bytes


def name(path: str) -> Name:
    """Return the global of a dotted path."""
    module, _, last = path.rpartition(".")
    return Name(module, last)


def assemble(value: Any) -> bytes:
    """Return the opcodes that leave a described value on the stack."""
    match value:
        case Raw():
            return value.code
        case Name():
            return stack_global(value.module, value.name)
        case Made():
            states = b"".join(assemble(state) + b"b" for state in value.states)
            return assemble(value.callee) + assemble(tuple(value.args)) + value.opcode + states
        case None | True | False:
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        case int():
            return b"\x8a\x08" + struct.pack("<q", value)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return text(value)
        case bytes():
            return b"B" + struct.pack("<I", len(value)) + value
        case tuple():
            return b"(" + b"".join(map(assemble, value)) + b"t"
        case list():
            return b"](" + b"".join(map(assemble, value)) + b"e"
        case dict():
            return b"}(" + b"".join(assemble(part) for pair in value.items() for part in pair) + b"u"
    raise TypeError(type(value))


def pickled(value: Any) -> bytes:
    """Return a whole pickle of a described value."""
    return program(assemble(value))


def array(*numbers: float, kind: str = "f8") -> Made:
    """Describe an array as numpy pickles it in protocol 5."""
    layout = _CODES[kind]
    return frombuffer(struct.pack(f"<{len(numbers)}{layout}", *numbers), kind, (len(numbers),))


def frombuffer(content: bytes, kind: str, shape: tuple[int, ...]) -> Made:
    """Describe an array by its bytes."""
    return name("numpy._core.numeric._frombuffer")(content, plain_type(kind), shape, "C")


def plain_type(kind: str, order: str = "<") -> Made:
    """Describe a data type."""
    state = (3, "|" if kind.startswith("S") else order, None, None, None, *((1, 1) if kind == "S1" else (-1, -1)), 0)
    return name("numpy.dtype")(kind, False, True).build(state)


_CODES = {"f8": "d", "i8": "q", "i4": "i", "u4": "I", "u1": "B"}


def records(fields: dict[str, str], rows: Sequence[tuple[float, ...]], order: str = "<") -> Made:
    """Describe an array of records as numpy pickles it in protocol 5, one field behind the other."""
    layout = struct.Struct(order + "".join(_CODES[kind] for kind in fields.values()))
    offset, described = 0, {}
    for field, kind in fields.items():
        described[field] = (plain_type(kind, order), offset)
        offset += int(kind[1:])
    state = (3, "|", None, tuple(fields), described, offset, 1, 16)
    dtype = name("numpy.dtype")(f"V{offset}", False, True).build(state)
    content = b"".join(layout.pack(*row) for row in rows)
    return name("numpy._core.numeric._frombuffer")(content, dtype, (len(rows),), "C")


def reconstructed(content: bytes | list[Any], kind: str, shape: tuple[int, ...]) -> Made:
    """Describe an array as numpy pickles it in protocols below 5, and arrays of objects in all."""
    order, flags = ("|", 63) if kind == "O8" else ("<", 0)
    dtype = name("numpy.dtype")(kind, False, True).build((3, order, None, None, None, -1, -1, flags))
    made = name("numpy._core.multiarray._reconstruct")(name("numpy.ndarray"), (0,), b"b")
    return made.build((1, shape, dtype, False, content))

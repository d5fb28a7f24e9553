"""What a pickle or joblib file holds, told from its opcodes: a tree of plain values and of nodes that name classes.

Nothing is imported, called or unpickled: a class is only its name, and arrays of numbers are stepped over.
"""

from __future__ import annotations

import bz2
import io
import lzma
import pickletools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIMIT = 256 << 20
"""A file that is larger, or inflates to more, is read only that far."""
MAX_OPCODES = 5_000_000
SMALL = 4096
"""Arrays of more items are stepped over."""


@dataclass(frozen=True, slots=True)
class Name:
    """A global the pickle refers to: ``module.name``."""

    text: str


@dataclass(slots=True)
class Node:
    """An object the pickle would make: its class, what the class is called with, and the state it is given."""

    cls: str
    arguments: Any = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)

    @property
    def attributes(self) -> dict[Any, Any]:
        """Its attributes, where the state is a dict."""
        if isinstance(self.state, dict):
            return self.state
        if isinstance(self.state, tuple) and len(self.state) == 2:  # (dict, slots)
            return {**(self.state[0] or {}), **(self.state[1] or {})} if _are_dicts(self.state) else {}
        return {}


class _Mark:
    pass


class _Ended(Exception):  # noqa: N818 - it is no error
    """The stream cannot be read further."""


def read_pickle(path: Path) -> Any | None:
    """Return the tree of a pickle or joblib file, or None when it is none or is damaged."""
    try:
        with path.open("rb") as file:
            content = _inflated(file.read(LIMIT))
    except OSError:
        return None
    return parse_pickle(content)


def parse_pickle(content: bytes) -> Any | None:
    """Return the tree of pickled bytes, or None when they cannot be read to the end."""
    try:
        return _Reader(io.BytesIO(content)).read()
    except (_Ended, RecursionError, OverflowError, ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error):
        return None


def walk(value: Any) -> Iterator[Node]:
    """Yield every node in a tree, each once, outermost first."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, (Node, dict, list, tuple, set)):
            if id(one) in seen:
                continue
            seen.add(id(one))
        if isinstance(one, Node):
            yield one
            waiting += [one.arguments, one.state, one.items]
        elif isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple, set)):
            waiting += list(one)


def array_items(value: Any) -> list[Any] | None:
    """Return the items of a small numpy array, flat, or of a list; None for anything else, and for large arrays."""
    if isinstance(value, list):
        return value
    if not isinstance(value, Node):
        return None
    if value.cls.endswith("NumpyArrayWrapper"):
        return array_items(value.items[0]) if value.items else None
    if value.cls.endswith("multiarray._reconstruct") and isinstance(value.state, tuple) and len(value.state) == 5:
        _, shape, dtype, _, content = value.state
        return content if isinstance(content, list) else _numbers(content, dtype, _count(shape))
    if value.cls.endswith("numeric._frombuffer") and len(value.arguments) >= 3:
        content, dtype, shape = value.arguments[:3]
        return _numbers(content, dtype, _count(shape))
    return None


_STRUCTS = {"f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


def _count(shape: Any) -> int:
    count = 1
    for length in shape if isinstance(shape, tuple) else ():
        count *= length
    return count


def _numbers(content: Any, dtype: Any, count: int) -> list[Any] | None:
    """Return the items of a little-endian array of numbers, booleans or text."""
    kind = dtype.arguments[0] if isinstance(dtype, Node) and dtype.arguments else None
    if isinstance(content, Node) and content.arguments:  # bytearray(b"…"), or text encoded as latin-1 by protocol 2
        content = content.arguments[0]
    if isinstance(content, str):
        content = content.encode("latin-1", "replace")
    if not isinstance(kind, str) or not isinstance(content, (bytes, bytearray)) or count > SMALL:
        return None
    kind = kind.lstrip("<=|")
    if kind in _STRUCTS:
        return list(struct.unpack(f"<{count}{_STRUCTS[kind]}", content))
    if kind in ("b1", "?"):
        return [bool(byte) for byte in content]
    if kind.startswith("U") and kind[1:].isdigit():
        width = int(kind[1:]) * 4
        return [
            content[start : start + width].decode("utf-32-le", "replace").rstrip("\0")
            for start in range(0, count * width, width)
        ]
    return None


def _are_dicts(pair: tuple[Any, ...]) -> bool:
    return all(part is None or isinstance(part, dict) for part in pair)


class _Reader:
    """One stream. joblib puts the bytes of an array right behind the opcode that completes its wrapper."""

    def __init__(self, file: io.BytesIO, budget: list[int] | None = None) -> None:
        self.file = file
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.budget = budget if budget is not None else [MAX_OPCODES]

    def read(self) -> Any:
        for opcode, argument, _ in pickletools.genops(self.file):
            self.budget[0] -= 1
            if self.budget[0] < 0:
                raise _Ended
            if opcode.name == "STOP":
                return self.stack.pop()
            self._apply(opcode.name, argument)
        raise _Ended

    def _apply(self, name: str, argument: Any) -> None:  # noqa: PLR0915 - one case for each opcode
        push, pop = self.stack.append, self.stack.pop
        match name:
            case "PROTO" | "FRAME":
                pass
            case "NONE":
                push(None)
            case "NEWTRUE":
                push(True)
            case "NEWFALSE":
                push(False)
            case "EMPTY_TUPLE":
                push(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                taken = tuple(self.stack[-count:])
                del self.stack[-count:]
                push(taken)
            case "TUPLE":
                push(tuple(self._to_mark()))
            case "EMPTY_LIST":
                push([])
            case "LIST":
                push(self._to_mark())
            case "EMPTY_DICT":
                push({})
            case "DICT":
                push(_pairs(self._to_mark()))
            case "EMPTY_SET":
                push([])
            case "FROZENSET":
                push(self._to_mark())
            case "MARK":
                push(_Mark())
            case "APPEND":
                item = pop()
                _extend(self.stack[-1], [item])
            case "APPENDS" | "ADDITEMS":
                items = self._to_mark()
                _extend(self.stack[-1], items)
            case "SETITEM":
                value, key = pop(), pop()
                _update(self.stack[-1], [key, value])
            case "SETITEMS":
                items = self._to_mark()
                _update(self.stack[-1], items)
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[int(argument)] = self.stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                push(self.memo[int(argument)])
            case "DUP":
                push(self.stack[-1])
            case "POP":
                pop()
            case "POP_MARK":
                self._to_mark()
            case "GLOBAL":
                push(Name(str(argument).replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                attribute, module = pop(), pop()
                push(Name(f"{module}.{attribute}"))
            case "INST":
                push(Node(str(argument).replace(" ", ".", 1), tuple(self._to_mark())))
            case "OBJ":
                cls, *arguments = self._to_mark()
                push(_made(cls, tuple(arguments)))
            case "REDUCE" | "NEWOBJ":
                arguments, cls = pop(), pop()
                push(_made(cls, arguments))
            case "NEWOBJ_EX":
                _, arguments, cls = pop(), pop(), pop()
                push(_made(cls, arguments))
            case "BUILD":
                state = pop()
                self._build(state)
            case "BINPERSID":
                push(Node("persistent", (pop(),)))
            case "PERSID":
                push(Node("persistent", (argument,)))
            case "EXT1" | "EXT2" | "EXT4" | "NEXT_BUFFER":
                push(None)
            case "READONLY_BUFFER":
                pass
            case _:
                push(argument)  # A number, text or bytes.

    def _to_mark(self) -> list[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[index], _Mark):
                items = self.stack[index + 1 :]
                del self.stack[index:]
                return items
        raise _Ended

    def _build(self, state: Any) -> None:
        node = self.stack[-1]
        if not isinstance(node, Node):
            return
        node.state = state
        if node.cls.endswith("NumpyArrayWrapper"):
            self._array(node)

    def _array(self, node: Node) -> None:
        """Step over an array's bytes; an array of objects is a pickle of its own and is read."""
        wrapper = node.attributes
        dtype = wrapper.get("dtype")
        kind = dtype.arguments[0] if isinstance(dtype, Node) and dtype.arguments else None
        if not isinstance(kind, str):
            raise _Ended
        if kind.startswith("O"):
            node.items.append(_Reader(self.file, self.budget).read())
            return
        count = _count(wrapper.get("shape"))
        size = count * int(kind.lstrip("fiubcSUVmM<>=|") or 0) * (4 if kind.lstrip("<>=|").startswith("U") else 1)
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            padding = self.file.read(1)
            self.file.seek(padding[0], io.SEEK_CUR)
        if count > SMALL:
            self.file.seek(size, io.SEEK_CUR)
        else:
            items = _numbers(self.file.read(size), dtype, count)
            node.items += [] if items is None else [items]


def _made(cls: Any, arguments: Any) -> Any:
    name = cls.text if isinstance(cls, Name) else "unknown"
    if name in ("copyreg._reconstructor", "copy_reg._reconstructor") and arguments and isinstance(arguments[0], Name):
        return Node(arguments[0].text)
    return Node(name, arguments)


def _pairs(items: list[Any]) -> dict[Any, Any]:
    out: dict[Any, Any] = {}
    _update(out, items)
    return out


def _update(target: Any, items: list[Any]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if isinstance(target, dict):
            try:
                target[key] = value
            except TypeError:
                target[repr(key)] = value
        elif isinstance(target, Node):
            target.items.append((key, value))


def _extend(target: Any, items: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(items)
    elif isinstance(target, Node):
        target.items.extend(items)


def _inflated(content: bytes) -> bytes:
    """Return what a file holds, for the compressors joblib knows and Python has."""
    try:
        if content[:1] == b"\x78":
            return zlib.decompressobj().decompress(content, LIMIT)
        if content[:2] == b"\x1f\x8b":
            return zlib.decompressobj(wbits=31).decompress(content, LIMIT)
        if content[:3] == b"BZh":
            return bz2.BZ2Decompressor().decompress(content, LIMIT)
        if content[:6] == b"\xfd7zXZ\x00" or content[:3] == b"\x5d\x00\x00":
            return lzma.LZMADecompressor().decompress(content, LIMIT)
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return b""
    return content

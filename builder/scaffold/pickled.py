"""What a pickle or joblib file holds, as the check's pickle machine describes it. Nothing is imported or unpickled."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builder.check import pickle_machine
from builder.check.pickle_values import Array, Bytes, Instance, walk

LIMIT = 512 << 20
"""A file that is larger, or inflates to more, is not read."""
SMALL = 4096
"""Arrays of more items are not looked at."""

_STRUCTS = {
    "f4": "f",
    "f8": "d",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
}
_RECONSTRUCT = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_FROM_BUFFER = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")


def read_pickle(path: Path) -> Any | None:
    """Return what a pickle or joblib file would build, or None when it is none, is damaged, or is too large."""
    try:
        if path.stat().st_size > LIMIT:
            return None
        content = _inflated(path.read_bytes())
    except OSError:
        return None
    reading = pickle_machine.read_pickle(content, has_arrays=True)
    if reading.fault is None:
        return reading.value
    reading = pickle_machine.read_pickle(content)
    return reading.value if reading.fault is None else None


def instances(value: Any) -> Iterator[Instance]:
    """Yield every object in what a pickle would build, each once, the outermost first."""
    return (one for one in walk(value) if isinstance(one, Instance))


def array_items(value: Any) -> list[Any] | None:
    """Return the items of a small numpy array, flat, or of a list; None for anything else, and for large arrays."""
    if isinstance(value, list):
        return value
    if isinstance(value, Array):
        if value.content is None:
            return array_items(value.items)
        return _numbers(value.content, value.typestr, _count(value.shape))
    if not isinstance(value, Instance):
        return None
    if (
        value.path in _RECONSTRUCT
        and value.states
        and isinstance(value.states[-1], tuple)
        and len(value.states[-1]) == 5
    ):
        _, shape, dtype, _, content = value.states[-1]
        return content if isinstance(content, list) else _numbers(content, _typestr(dtype), _count(shape))
    if value.path in _FROM_BUFFER and len(value.args) >= 3:
        content, dtype, shape = value.args[:3]
        return _numbers(content, _typestr(dtype), _count(shape))
    return None


def _typestr(dtype: Any) -> str:
    """Return a data type's text; little-endian is taken for granted unless its state says otherwise."""
    if not isinstance(dtype, Instance) or not dtype.args or not isinstance(dtype.args[0], str):
        return ""
    state = dtype.states[-1] if dtype.states else ()
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "<"
    return f"{'>' if order == '>' else ''}{dtype.args[0]}"


def _count(shape: Any) -> int:
    count = 1
    for length in shape if isinstance(shape, tuple) else ():
        count *= length if isinstance(length, int) else 0
    return count


def _numbers(content: Any, typestr: str, count: int) -> list[Any] | None:
    """Return the items of a little-endian array of numbers, booleans or text."""
    if isinstance(content, Instance) and content.args:  # bytearray(b"…"), or bytes written as text by protocol 2
        content = content.args[0]
    raw = content.content() if isinstance(content, Bytes) else None
    if isinstance(content, str):
        raw = content.encode("latin-1", "replace")
    kind = typestr.lstrip("<=|")
    if raw is None or count > SMALL:
        return None
    try:
        if kind in _STRUCTS:
            return list(struct.unpack(f"<{count}{_STRUCTS[kind]}", raw))
        if kind in ("b1", "?"):
            return [bool(byte) for byte in raw[:count]]
        if kind.startswith("U") and kind[1:].isdigit():
            width = int(kind[1:]) * 4
            starts = range(0, count * width, width)
            return [raw[start : start + width].decode("utf-32-le").rstrip("\0") for start in starts]
    except (struct.error, UnicodeDecodeError):
        return None
    return None


def _inflated(content: bytes) -> bytes:
    """Return what a file holds, for the compressors joblib knows and Python has; nothing where it is too much."""
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

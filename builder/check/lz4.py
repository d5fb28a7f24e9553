"""LZ4 frames, read in Python: joblib writes them, and the library for them is not one this project needs otherwise."""

from __future__ import annotations


class Lz4Error(Exception):
    """The data is no whole LZ4 frame."""


_MAGIC = 0x184D2204


def decompress_lz4(data: bytes, limit: int) -> bytes:
    """Return what one or more LZ4 frames hold (LZ4 Frame Format 1.6). Checksums are passed over, not checked."""
    out = bytearray()
    position = 0
    while position < len(data):
        position = _frame(data, position, out, limit)
    return bytes(out)


def _frame(data: bytes, position: int, out: bytearray, limit: int) -> int:
    if _number(data, position, 4) != _MAGIC:
        raise Lz4Error("there is something that is no LZ4 frame")
    flags = _number(data, position + 4, 1)
    if flags >> 6 != 1 or flags & 0b11:
        raise Lz4Error("the frame's header is not one of version 1, without a dictionary")
    position += 6 + (8 if flags & 0x08 else 0) + 1
    start = len(out)
    is_independent = bool(flags & 0x20)
    while True:
        size = _number(data, position, 4)
        position += 4
        if size == 0:
            break
        stored, size = bool(size & 0x80000000), size & 0x7FFFFFFF
        if position + size > len(data):
            raise Lz4Error("it is truncated")
        if stored:
            out += data[position : position + size]
        else:
            _block(data[position : position + size], out, floor=len(out) if is_independent else start, limit=limit)
        if len(out) > limit:
            raise Lz4Error("it expands to more than can be looked at")
        position += size + (4 if flags & 0x10 else 0)
    position += 4 if flags & 0x04 else 0
    if position > len(data):
        raise Lz4Error("it is truncated")
    return position


def _block(data: bytes, out: bytearray, *, floor: int, limit: int) -> None:
    """Decode one block; matches reach back to ``floor`` at most (LZ4 Block Format)."""
    position, end = 0, len(data)
    while position < end:
        token = data[position]
        length, position = _length(data, position + 1, end, token >> 4)
        if position + length > end:
            raise Lz4Error("a literal reaches over its block")
        out += data[position : position + length]
        position += length
        if position == end:
            return
        distance = _number(data, position, 2)
        length, position = _length(data, position + 2, end, token & 15)
        length += 4
        if not 0 < distance <= len(out) - floor:
            raise Lz4Error("a match reaches back too far")
        if len(out) + length > limit:
            raise Lz4Error("it expands to more than can be looked at")
        pattern = bytes(out[len(out) - distance : len(out) - distance + min(length, distance)])
        out += (pattern * (length // len(pattern) + 1))[:length]


def _length(data: bytes, position: int, end: int, length: int) -> tuple[int, int]:
    if length < 15:
        return length, position
    while True:
        if position >= end:
            raise Lz4Error("a length reaches over its block")
        more = data[position]
        position += 1
        length += more
        if more != 255:
            return length, position


def _number(data: bytes, position: int, size: int) -> int:
    part = data[position : position + size]
    if len(part) < size:
        raise Lz4Error("it is truncated")
    return int.from_bytes(part, "little")

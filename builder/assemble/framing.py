"""Gzip framing (docs/reference/layers.md § 4): a layer is a row of gzip members (RFC 1952).

No byte depends on the host's zlib: stored blocks are written here, deflate streams of wheels are taken over as they
are, and what is compressed here goes through one release of libdeflate.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import deflate

HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Deflate, no name, no time, unknown system (RFC 1952 § 2.3)."""

ENCODER = f"libdeflate-{deflate.__version__}-6"
"""What compressed the bytes that were compressed here."""

_LEVEL = 6
_BLOCK = 65535
_LAST_BLOCK = b"\x01\x00\x00\xff\xff"


def trailer(crc32: int, size: int) -> bytes:
    """Return what ends a member: the CRC-32 of the content and its size modulo 2³²."""
    return struct.pack("<II", crc32, size & 0xFFFFFFFF)


def deflated_member(data: bytes | bytearray | memoryview) -> bytes:
    """Return a member that holds ``data`` compressed."""
    raw = deflate.deflate_compress(data, _LEVEL)
    return b"".join((HEADER, raw, trailer(deflate.crc32(data), len(data))))


def stored_member(data: bytes | bytearray | memoryview) -> bytes:
    """Return a member that holds ``data`` as it is."""
    return b"".join((HEADER, *stored_blocks(memoryview(data)), _LAST_BLOCK, trailer(deflate.crc32(data), len(data))))


def stored_blocks(data: memoryview) -> Iterator[bytes | memoryview]:
    """Yield ``data`` as deflate blocks that are stored and not last (RFC 1951 § 3.2.4)."""
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        yield struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF)
        yield block


class StoredStream:
    """One member of any length, stored, made chunk by chunk; its bytes do not depend on how it is cut.

    ``write`` gets pieces that are good until it returns.
    """

    _BLOCKS = 16
    _FRAMED = 5 + _BLOCK

    def __init__(self, write: Callable[[memoryview], object]) -> None:
        self._write = write
        self._crc32 = 0
        self._size = 0
        self._buffer = memoryview(bytearray((b"\x00\xff\xff\x00\x00" + bytes(_BLOCK)) * self._BLOCKS))
        self._slots = [self._buffer[at + 5 : at + self._FRAMED] for at in range(0, len(self._buffer), self._FRAMED)]
        self._slot = 0
        self._filled = 0
        write(memoryview(HEADER))

    def add(self, chunk: bytes | bytearray) -> None:
        """Append to the content."""
        self._crc32 = deflate.crc32(chunk, self._crc32)
        self._size += len(chunk)
        view = memoryview(chunk)
        at = 0
        while at < len(view):
            part = view[at : at + _BLOCK - self._filled]
            self._slots[self._slot][self._filled : self._filled + len(part)] = part
            at += len(part)
            self._filled += len(part)
            if self._filled == _BLOCK:
                self._slot, self._filled = self._slot + 1, 0
                if self._slot == self._BLOCKS:
                    self._write(self._buffer)
                    self._slot = 0

    def end(self) -> None:
        """Finish the member."""
        rest = self._slots[self._slot][: self._filled]
        self._write(self._buffer[: self._slot * self._FRAMED])
        self._write(memoryview(b"".join((*stored_blocks(rest), _LAST_BLOCK, trailer(self._crc32, self._size)))))

"""Gzip framing (docs/reference/layers.md § 4): a layer is a row of gzip members (RFC 1952).

No byte depends on the host's zlib: stored blocks are written here, deflate streams of wheels are taken over as they
are, and what is compressed here goes through one release of libdeflate.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

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
    """One member of any length, stored, made chunk by chunk; its bytes do not depend on how it is cut."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._crc32 = 0
        self._size = 0

    def start(self) -> bytes:
        """Return what begins the member."""
        return HEADER

    def add(self, chunk: bytes) -> bytes:
        """Return the whole blocks that can be written now that ``chunk`` is known."""
        self._crc32 = deflate.crc32(chunk, self._crc32)
        self._size += len(chunk)
        self._rest += chunk
        whole = len(self._rest) - len(self._rest) % _BLOCK
        if not whole:
            return b""
        with memoryview(self._rest) as view, view[:whole] as blocks:
            out = b"".join(stored_blocks(blocks))
        del self._rest[:whole]
        return out

    def end(self) -> bytes:
        """Return what ends the member."""
        return b"".join((*stored_blocks(memoryview(bytes(self._rest))), _LAST_BLOCK, trailer(self._crc32, self._size)))

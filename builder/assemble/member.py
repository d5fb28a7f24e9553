"""One file of a wheel, verified while it is read (docs/reference/layers.md § 6; APPNOTE.TXT 6.3)."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import deflate
from isal import isal_zlib

from builder.assemble.framing import HEADER, trailer
from builder.errors import DigestMismatchError
from builder.oci.entry import CHUNK
from builder.store.blobs import store_faults

_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR = 0x8
_UTF8 = 0x800
_PIECE = CHUNK // 4
_WHOLE = 8 << 20
"""Members up to this size are inflated in one piece, which is faster; larger ones stream."""


class ArchiveFile:
    """The archive's bytes, read by position from any thread; opened when first needed, closed with its last user."""

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, size: int, offset: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer where the file ends."""
        with store_faults("read", self.path):
            return os.pread(self._descriptor, size, offset)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One file of an archive, as content that is also at hand deflated.

    Every way of reading it verifies size, CRC-32 and, where the wheel's RECORD gives one, the hash; what is wrong is
    a DigestMismatchError that names the wheel and the member, raised before the last byte is given.
    """

    archive: str
    name: str
    size: int
    crc32: int
    deflated_size: int
    executable: bool
    deflated: bool
    file: ArchiveFile = field(repr=False)
    offset: int
    limit: int
    flags: int
    recorded: tuple[str, bytes] | None = None
    """Algorithm and digest from RECORD."""

    @property
    def label(self) -> str:
        """Wheel and member."""
        return f"{self.archive}: {self.name}"

    @property
    def sha256(self) -> str | None:
        """The SHA-256 RECORD gives, in hex."""
        if self.recorded and self.recorded[0] == "sha256":
            return self.recorded[1].hex()
        return None

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, inflated and verified."""
        for _, chunk in self.pairs():
            if chunk:
                yield bytes(chunk)

    def deflated_chunks(self) -> Iterator[bytes]:
        """Yield the raw deflate stream, verified. Only for members that are deflated."""
        for chunk, _ in self.pairs():
            if chunk:
                yield chunk

    def pairs(self) -> Iterator[tuple[bytes, bytes | bytearray]]:
        """Yield pieces of the raw stream and of the content; each column joined is the whole."""
        start = self._start()
        if self.size > _WHOLE or self.deflated_size > _WHOLE:
            yield from self._stream(start)
            return
        raw = self.file.read(self.deflated_size, start)
        data = self._inflate(raw) if self.deflated else raw
        seen = _Seen(self)
        seen.add(data)
        seen.check(len(raw))
        yield raw, data

    def _inflate(self, raw: bytes) -> bytearray:
        # As a gzip member, so that libdeflate refuses bytes after the stream, a wrong size and a wrong CRC.
        try:
            return deflate.gzip_decompress(b"".join((HEADER, raw, trailer(self.crc32, self.size))), self.size)
        except (deflate.DeflateError, ValueError, MemoryError) as error:
            raise self.wrong("its deflate stream is damaged, or is not what its CRC-32 and size say") from error

    def _stream(self, start: int) -> Iterator[tuple[bytes, bytes | bytearray]]:
        inflater = isal_zlib.decompressobj(-isal_zlib.MAX_WBITS) if self.deflated else None
        seen = _Seen(self)
        taken = 0
        whole = False
        while raw := self.file.read(min(_PIECE, self.deflated_size - taken), start + taken):
            taken += len(raw)
            for data in self._inflated(inflater, raw) if inflater else (raw,):
                seen.add(data)
                if taken == self.deflated_size and (inflater is None or inflater.eof):
                    seen.check(taken)
                    whole = True
                yield raw, data
                raw = b""
        if not whole:
            raise self.wrong("the archive or its deflate stream ends within it")

    def _inflated(self, inflater: isal_zlib.Decompress, raw: bytes) -> Iterator[bytes]:
        waiting = raw
        while True:
            try:
                data = inflater.decompress(waiting, CHUNK)
            except isal_zlib.error as error:  # type: ignore[misc] # its stub says it is an instance
                raise self.wrong("its deflate stream is damaged") from error
            if inflater.unused_data:
                raise self.wrong("bytes follow its deflate stream")
            yield data
            waiting = inflater.unconsumed_tail
            if inflater.eof or (not waiting and len(data) < CHUNK):
                return

    def _start(self) -> int:
        """Return where the data begins, once the local header (APPNOTE § 4.3.7) is seen to agree."""
        head = self.file.read(_LOCAL.size, self.offset)
        if len(head) < _LOCAL.size:
            raise self.wrong("the file ends within its header")
        magic, _, flags, method, _, _, crc32, deflated_size, size, name_size, extra_size = _LOCAL.unpack(head)
        start = self.offset + _LOCAL.size + name_size + extra_size
        name = self.file.read(name_size, self.offset + _LOCAL.size)
        if (
            magic != b"PK\x03\x04"
            or flags & ~_DESCRIPTOR != self.flags & ~_DESCRIPTOR
            or method != (8 if self.deflated else 0)
            or name != _encoded(self.name, flags)
        ):
            raise self.wrong("its two headers in the archive contradict each other")
        if not flags & _DESCRIPTOR:
            want = (self.crc32, self.deflated_size, self.size)
            for got, wanted in zip((crc32, deflated_size, size), want, strict=True):
                if got not in (wanted, 0xFFFFFFFF):
                    raise self.wrong("its two headers in the archive contradict each other")
        if start + self.deflated_size > self.limit:
            raise self.wrong("it overlaps another member")
        return int(start)

    def wrong(self, fact: str, *, want: str | None = None, got: str | None = None) -> DigestMismatchError:
        """Make the error that says this member is not what it claims."""
        return DigestMismatchError.of(
            f"{self.label}: {fact}",
            at=str(self.file.path),
            want=want,
            got=got,
            hint="the wheel was damaged or built wrongly; fetch it again, or choose another version",
        )


class _Seen:
    """What was read of a member so far, against what it should be."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._size = 0
        self._crc32 = 0
        self._hasher = hashlib.new(member.recorded[0]) if member.recorded else None

    def add(self, data: bytes | bytearray) -> None:
        self._size += len(data)
        if self._size > self._member.size:
            raise self._member.wrong("it is larger than it says")
        self._crc32 = deflate.crc32(data, self._crc32)
        if self._hasher:
            self._hasher.update(data)

    def check(self, taken: int) -> None:
        member = self._member
        if taken != member.deflated_size:
            raise member.wrong("the archive ends within it")
        if self._size != member.size:
            raise member.wrong("it does not have the size it says", want=str(member.size), got=str(self._size))
        if self._crc32 != member.crc32:
            raise member.wrong("wrong CRC-32", want=f"{member.crc32:08x}", got=f"{self._crc32:08x}")
        if self._hasher and member.recorded and self._hasher.digest() != member.recorded[1]:
            raise member.wrong(
                "not the hash that RECORD has", want=member.recorded[1].hex(), got=self._hasher.hexdigest()
            )


def _encoded(name: str, flags: int) -> bytes:
    return name.encode("utf-8" if flags & _UTF8 else "cp437")

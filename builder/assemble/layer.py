"""Writing a layer in one pass: tar blocks in, gzip members out, both digests at the end (docs/reference/layers.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum

from builder.assemble.behind import Behind
from builder.assemble.framing import HEADER, StoredStream, deflated_member, stored_member, trailer
from builder.assemble.header import END, header, padding
from builder.assemble.member import Member
from builder.assemble.tree import arrange
from builder.errors import PlanError
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.entry import Content, Entry
from builder.oci.image import Layer
from builder.oci.media_type import MediaType
from builder.store.blobs import BlobStore, BlobWriter

RUN = 1 << 20
"""Bytes that are framed here go into members of this size."""
LARGE = 64 << 20
"""Files from this size on are stored: weights do not shrink, and must not be waited for."""
SMALL = 2048
"""Deflated members of archives up to this uncompressed size are compressed anew together with what is around them."""

_PENDING = 1 << 19


class Compression(StrEnum):
    """What becomes of bytes that are not taken over from a wheel. The media type is gzip in any case."""

    DEFLATE = "deflate"
    """Compressed, but for files of 64 MiB or more."""
    STORE = "store"
    """Framed as they are."""


def write_layer(
    entries: Iterable[Entry], store: BlobStore, *, title: str, compression: Compression = Compression.DEFLATE
) -> Layer:
    """Write entries as one layer into the store and return it.

    The bytes depend on nothing but the entries and ``ASSEMBLY_VERSION``; not on their order, for one. Memory stays
    flat whatever their size. Content that is not what it should be raises its own error, and then, as on any
    failure, the store has no new blob.
    """
    tree = arrange(entries)
    tar = hashlib.sha256()
    with store.writer(what=title) as sink, Behind(tar.update) as hashing:
        out = _Writer(sink, hashing, compression)
        for entry in tree:
            out.add(entry)
        out.finish()
    return Layer(
        descriptor=Descriptor(media_type=MediaType.OCI_LAYER_GZIP, digest=sink.digest, size=sink.size),
        diff_id=Digest(tar.hexdigest()),
        title=title,
    )


class _Writer:
    """Turns entries into gzip members. Bytes to be framed here gather in a run; the rest passes through."""

    def __init__(self, sink: BlobWriter, tar: Behind, compression: Compression) -> None:
        self._sink = sink
        self._tar = tar
        self._member = deflated_member if compression is Compression.DEFLATE else stored_member
        self._run = bytearray()
        self._pending = bytearray()

    def add(self, entry: Entry) -> None:
        self._frame(header(entry))
        content = entry.content
        if content is None:
            return
        if isinstance(content, Member) and content.deflated and content.size > SMALL:
            self._take_over(content)
        elif content.size >= LARGE:
            self._pass_through(content, entry)
        else:
            self._gather(content, entry)
        self._frame(padding(content.size))

    def finish(self) -> None:
        self._frame(END)
        self._flush_run()
        self._flush_pending()
        self._tar.settle()

    def _gather(self, content: Content, entry: Entry) -> None:
        size = 0
        for chunk in content.chunks():
            size += len(chunk)
            self._frame(chunk)
        _check_size(entry, content, size)

    def _take_over(self, content: Member) -> None:
        self._flush_run()
        self._emit(HEADER)
        for raw, data in content.pairs():
            self._tar.feed(data)
            self._emit(raw)
        self._emit(trailer(content.crc32, content.size))

    def _pass_through(self, content: Content, entry: Entry) -> None:
        self._flush_run()
        stream = StoredStream(self._emit)
        size = 0
        for chunk in content.chunks():
            size += len(chunk)
            self._tar.feed(chunk)
            stream.add(chunk)
        stream.end()
        _check_size(entry, content, size)

    def _frame(self, data: bytes) -> None:
        """Add to the run. Members are cut by position alone, whatever pieces the bytes came in."""
        self._run += data
        while len(self._run) >= RUN:
            piece = bytes(self._run[:RUN])
            del self._run[:RUN]
            self._tar.feed(piece)
            self._emit(self._member(piece))

    def _flush_run(self) -> None:
        if self._run:
            self._tar.feed(self._run)
            self._emit(self._member(self._run))
            self._run = bytearray()

    def _emit(self, data: bytes | bytearray | memoryview) -> None:
        if len(data) >= _PENDING:
            self._flush_pending()
            self._sink.write(data)
            return
        self._pending += data
        if len(self._pending) >= _PENDING:
            self._flush_pending()

    def _flush_pending(self) -> None:
        self._sink.write(self._pending)
        self._pending = bytearray()


def _check_size(entry: Entry, content: Content, size: int) -> None:
    if size != content.size:
        raise PlanError.of(
            f"{entry.path}: its content does not have the size it says", want=str(content.size), got=str(size)
        )

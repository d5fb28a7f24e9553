"""Where bytes of an image come from on the host, each verified while it is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.assemble.behind import Behind
from builder.errors import BundleError, DigestMismatchError, StoreError
from builder.oci.digest import Digest
from builder.oci.entry import CHUNK, Content, Entry
from builder.store.blobs import store_faults
from builder.store.records import Records


@dataclass(frozen=True, kw_only=True, slots=True)
class FileContent:
    """A file on the host that must still be what the plan saw.

    Reading it to the end raises DigestMismatchError when it is not, naming the file. ``memory`` holds digests of
    files by what the file system says of them; a file it knows is not hashed again.
    """

    path: Path
    label: str
    digest: Digest
    size: int
    memory: Records | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yield the file's bytes; never more than were planned."""
        hasher = hashlib.sha256()
        size = 0
        try:
            with self.path.open("rb", buffering=0) as file, Behind(hasher.update) as hashing:
                before = _state(file.fileno())
                is_known = self.memory is not None and self.memory.get(before) == str(self.digest)
                while chunk := file.read(CHUNK):
                    size += len(chunk)
                    if size > self.size:
                        break
                    if not is_known:
                        hashing.feed(chunk)
                    yield chunk
                hashing.settle()
                is_known = is_known and _state(file.fileno()) == before
        except OSError as error:
            raise BundleError.of(
                f"cannot read {self.label}: {error.strerror or error}", at=str(self.path), hint="put the file back"
            ) from error
        if size != self.size or not (is_known or hasher.hexdigest() == self.digest.hex):
            raise DigestMismatchError.of(
                f"{self.label} changed while the image was made",
                at=str(self.path),
                want=f"{self.digest}, {self.size} bytes",
                got=f"other content, {size} bytes" if size <= self.size else f"more than {self.size} bytes",
                hint="leave the file alone during a build, then run the command again",
            )


def _state(descriptor: int) -> list[int]:
    """Return what changes when a file does."""
    now = os.fstat(descriptor)
    return [now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns]


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceContent:
    """Part of a blob, and the SHA-256 of that part in hex."""

    path: Path
    label: str
    offset: int
    size: int
    sha256: str

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; a blob that ends too early is a StoreError."""
        with store_faults("read blob", self.path), self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            left = self.size
            while left and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
        if left:
            raise StoreError.of(f"{self.label}: the blob is shorter than it was", at=str(self.path))


@dataclass(frozen=True, slots=True)
class MadeContent:
    """Bytes that were made here, and from what."""

    data: bytes
    label: str

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in one piece."""
        if self.data:
            yield self.data


def label_of(entry: Entry) -> str:
    """Say where an entry comes from, for a person."""
    return str(getattr(entry.content, "label", f"a {entry.kind}"))


def fingerprint(content: Content | None) -> str | None:
    """Return a digest known without reading a file or unpacking an archive, or None."""
    match content:
        case FileContent():
            return content.digest.hex
        case MadeContent():
            return hashlib.sha256(content.data).hexdigest()
        case _:
            return getattr(content, "sha256", None)

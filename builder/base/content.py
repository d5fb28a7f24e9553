"""File contents that are slices of blobs in the store, so that a tree holds no bytes in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from builder.errors import StoreError
from builder.oci.digest import Digest
from builder.oci.entry import CHUNK
from builder.store.blobs import BlobStore, store_faults


@dataclass(frozen=True, slots=True)
class BlobSlice:
    """``size`` bytes of a blob from ``offset``. A blob that is too short is a StoreError when it is read."""

    store: BlobStore
    blob: Digest
    offset: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes from the beginning."""
        path = self.store.path(self.blob)
        left = self.size
        with store_faults("read blob", path), path.open("rb") as file:
            file.seek(self.offset)
            while left:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise StoreError.of("blob is shorter than it was", at=str(path), hint="remove it and build again")
                left -= len(chunk)
                yield chunk

    def read(self) -> bytes:
        """Return the bytes in one piece; for small files."""
        return b"".join(self.chunks())

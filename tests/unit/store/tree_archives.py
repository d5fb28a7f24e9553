"""Archives to unpack: what well-meaning builders write, and what the others do."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Self

from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Layer
from builder.oci.media_type import MediaType
from builder.store.blobs import BlobStore


def store_at(folder: Path) -> BlobStore:
    return BlobStore(folder / "store")


class Archive:
    """A tar under construction."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w")  # noqa: SIM115

    def _add(self, path: str, kind: bytes, content: bytes = b"", **fields: object) -> Self:
        info = tarfile.TarInfo(path)
        info.type, info.size = kind, len(content)
        for name, value in fields.items():
            setattr(info, name, value)
        self._tar.addfile(info, io.BytesIO(content))
        return self

    def file(self, path: str, content: bytes, *, mode: int = 0o644, gid: int = 0) -> Self:
        return self._add(path, tarfile.REGTYPE, content, mode=mode, gid=gid)

    def directory(self, path: str, *, mode: int = 0o755) -> Self:
        return self._add(path, tarfile.DIRTYPE, mode=mode)

    def symlink(self, path: str, target: str) -> Self:
        return self._add(path, tarfile.SYMTYPE, linkname=target)

    def hardlink(self, path: str, target: str) -> Self:
        return self._add(path, tarfile.LNKTYPE, linkname=target)

    def device(self, path: str) -> Self:
        return self._add(path, tarfile.BLKTYPE, devmajor=8, devminor=0)

    def fifo(self, path: str) -> Self:
        return self._add(path, tarfile.FIFOTYPE)

    def bytes(self) -> bytes:
        self._tar.close()
        return self._buffer.getvalue()

    def layer(self, store: BlobStore) -> Layer:
        tar = self.bytes()
        return layer_of(store, gzip.compress(tar, mtime=0), tar)


def layer_of(store: BlobStore, blob: bytes, tar: bytes, *, media_type: MediaType = MediaType.OCI_LAYER_GZIP) -> Layer:
    """Store a blob and describe it as a layer whose tar is ``tar``."""
    descriptor = Descriptor(media_type=media_type, digest=store.add(blob), size=len(blob))
    return Layer(descriptor=descriptor, diff_id=Digest.of(tar), title="test")

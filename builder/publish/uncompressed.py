"""The digest of a layer's uncompressed tar, found while its blob passes by (image-spec, config.md § "Layer DiffID")."""

from __future__ import annotations

import hashlib
import zlib

from builder.errors import StoreError
from builder.oci.digest import Digest
from builder.oci.entry import CHUNK
from builder.oci.media_type import MediaType
from builder.store.growth import Growth

_GZIP = (MediaType.OCI_LAYER_GZIP, MediaType.DOCKER_LAYER_GZIP)
_TAR = (MediaType.OCI_LAYER_TAR, MediaType.DOCKER_LAYER_TAR)
_GZIP_FRAMING = 31


class DiffIdReader:
    """Is fed a layer's blob and knows the digest of the tar inside; memory use does not depend on its content.

    ``size`` is that of the blob: one that grows beyond what is real is not read to its end. For kinds of layer that
    cannot be unpacked here (zstd) it knows nothing.
    """

    def __init__(self, media_type: MediaType, size: int) -> None:
        self._is_gzip = media_type in _GZIP
        self._is_known = self._is_gzip or media_type in _TAR
        self._hash = hashlib.sha256()
        self._fault = ""
        self._member = zlib.decompressobj(_GZIP_FRAMING)
        self._growth = Growth(size, at=media_type)

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the blob."""
        if not self._is_gzip:
            if self._is_known:
                self._hash.update(chunk)
            return
        while chunk and not self._fault:
            if self._member.eof:  # a layer may be several gzip members, one after the other, and padding at the end
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    return
                self._member = zlib.decompressobj(_GZIP_FRAMING)
            try:
                data = self._member.decompress(chunk, CHUNK)
                self._growth.add(len(data))
                self._hash.update(data)
            except zlib.error as error:
                self._fault = f"not gzip: {error}"
            except StoreError as error:
                self._fault = error.faults[0].fact
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def diff_id(self) -> Digest | None:
        """Return the digest once all was written, None where it cannot be known.

        Bytes that were not gzip where gzip is due, and a stream that is cut off, are a ValueError.
        """
        if self._is_gzip and not self._fault and not self._member.eof:
            self._fault = "gzip stream ends early"
        if self._fault:
            raise ValueError(self._fault)
        return Digest(self._hash.hexdigest()) if self._is_known else None

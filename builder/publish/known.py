"""Which repositories of a registry hold a blob, so that it can be mounted instead of sent."""

from __future__ import annotations

from contextlib import suppress

from builder.errors import StoreError
from builder.oci.digest import Digest
from builder.store.records import Records

_REMEMBERED = 4


class KnownBlobs:
    """Remembers where blobs were pushed. A hint only: a repository that lost the blob costs one request."""

    def __init__(self, records: Records, registry: str) -> None:
        self._records = records
        self._registry = registry

    def repositories(self, digest: Digest) -> tuple[str, ...]:
        """Return repositories that held the blob, the latest first."""
        found = self._records.get(self._key(digest))
        return tuple(name for name in found if isinstance(name, str)) if isinstance(found, list) else ()

    def remember(self, digest: Digest, repository: str) -> None:
        """Note that a repository holds the blob."""
        known = self.repositories(digest)
        if known[:1] != (repository,):
            others = [name for name in known if name != repository]
            with suppress(StoreError):  # the blob is where it belongs, whether that can be noted or not
                self._records.put(self._key(digest), [repository, *others][:_REMEMBERED])

    def _key(self, digest: Digest) -> list[str]:
        return [self._registry, str(digest)]

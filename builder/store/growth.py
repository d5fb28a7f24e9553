"""How far a compressed stream may grow: a few kilobytes must not fill a disk, whoever wrote them.

Deflate reaches 1032 times; what images hold does not. An archive of nothing but empty files, which compresses better
than anything real, stays below 100 times.
"""

from __future__ import annotations

from builder.errors import StoreError

RATIO = 200
FLOOR = 256 << 20
"""Bytes that any stream may have, whatever its size."""


class Growth:
    """Counts what a stream became. ``stored`` is its size in bytes as it came."""

    __slots__ = ("_at", "_limit", "_seen")

    def __init__(self, stored: int, *, at: str) -> None:
        self._limit = max(FLOOR, RATIO * stored)
        self._at = at
        self._seen = 0

    def add(self, count: int) -> None:
        """Count bytes; a StoreError once there are more than anything honest becomes."""
        self._seen += count
        if self._seen > self._limit:
            raise StoreError.of(
                "a compressed stream unpacks to more than anything real does",
                at=self._at,
                want=f"at most {RATIO} times its size, or {FLOOR >> 20} MiB",
                got=f"more than {self._limit} bytes",
                hint="do not trust where it comes from",
            )

"""Cuts a worker's output into lines, whatever comes: no line is kept that never ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .logs import MARK

LONGEST_LINE = 65536
"""Bytes of a line that is not the worker's own; a longer one is cut into several."""
LONGEST_MARKED = 4 << 20
"""Bytes of a line the worker made, which keeps within its own limits."""


class Lines(asyncio.Protocol):
    """Takes the bytes of a pipe."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._parts: list[bytes] = []
        self._size = 0
        self._longest = LONGEST_LINE

    def data_received(self, data: bytes) -> None:
        """Take what is whole."""
        first, *more = data.split(b"\n")
        self._keep(first)
        for line in more:
            self._finish()
            self._keep(line)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Take what is left."""
        self._finish()

    def _keep(self, part: bytes) -> None:
        if not part:
            return
        self._parts.append(part)
        self._size += len(part)
        if MARK in part:
            self._longest = LONGEST_MARKED
        if self._size > self._longest:
            self._finish()

    def _finish(self) -> None:
        if self._parts:
            line = b"".join(self._parts)
            self._parts.clear()
            self._size, self._longest = 0, LONGEST_LINE
            self._take(line)

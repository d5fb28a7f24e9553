"""Hashing on a thread of its own, so that large content is read, inflated and hashed at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

WORTH = 1 << 18
"""Pieces below this size are done sooner than handed over."""


class Behind:
    """Calls one function with piece after piece, in order, on another thread; never more than one piece behind.

    Pieces must not change afterwards. The thread starts with the first piece.
    """

    def __init__(self, consume: Callable[[bytes | bytearray], object]) -> None:
        self._consume = consume
        self._thread: ThreadPoolExecutor | None = None
        self._last: Future[object] | None = None

    def feed(self, piece: bytes | bytearray) -> None:
        """Hand over a piece, once the one before it is done. Small ones are done at once, here."""
        self.settle()
        if len(piece) < WORTH:
            self._consume(piece)
            return
        self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._last = self._thread.submit(self._consume, piece)

    def settle(self) -> None:
        """Return when every piece is done."""
        if self._last is not None:
            self._last.result()
            self._last = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True)

"""One request's work on its way to a worker and back, and the bounded queue it waits in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from ..wire import SCORE
from .trace import Trace

TIMED_OUT = "timed out"
"""Not answered before the deadline."""
LOST = "lost"
"""The worker that held it ended."""
NOT_READY = "not ready"
"""No model was loaded in time, or it failed to load."""


class QueueFullError(Exception):
    """No room; the client may come again."""


class Work(msgspec.Struct, eq=False):
    """What one request asks of the model. Times are on the clock of the event loop.

    ``done`` is called exactly once with an outcome (a word of :mod:`wire` or of this module) and a value. ``part`` is
    for an answer that is wanted as it comes, and is called with each value before that.
    """

    request_id: str
    payload: Any
    records: int
    arrived: float
    done: Callable[[Work, str, Any], None]
    kind: str = SCORE
    """What is asked, a word of :mod:`wire`; one batch holds one kind."""
    trace: Trace | None = None
    """The place in a trace that the scoring is at."""
    sent: float = 0.0
    spent: float = 0.0
    """Seconds in the author's code, for the whole batch."""
    batch: int = 0
    """Records in the batch."""
    finished: bool = False
    tried: bool = False
    """A worker ended while it held this. It is tried once more, alone, for another request may have been to blame."""
    part: Callable[[Work, Any], None] | None = None
    begun: bool = False
    """The first part of the answer is out: this cannot be tried again."""

    def finish(self, outcome: str, value: Any = None) -> None:
        """Hand over the outcome; any but the first is ignored."""
        if not self.finished:
            self.finished = True
            self.done(self, outcome, value)


class Queue:
    """First in, first out, never longer than its limit; finished work is passed over."""

    def __init__(self, limit: int, batch_size: int) -> None:
        self._limit = limit
        self._batch_size = batch_size
        self._works: deque[Work] = deque()
        self.records = 0
        """Records in all the work that waits, finished or not."""

    def __len__(self) -> int:
        return len(self._works)

    @property
    def oldest(self) -> float:
        """When the first of what waits arrived."""
        return self._works[0].arrived if self._works else 0.0

    def take_singly(self) -> None:
        """From now on, make batches of one request each."""
        self._batch_size = 1

    def add(self, work: Work) -> None:
        """Add to the end; :class:`QueueFullError` past the limit."""
        if len(self._works) >= self._limit:
            self._works = deque(self._list_open())
            self.records = sum(each.records for each in self._works)
            if len(self._works) >= self._limit:
                raise QueueFullError
        self._works.append(work)
        self.records += work.records

    def add_first(self, works: list[Work]) -> None:
        """Put back what was taken before; it has its place whatever the limit."""
        self._works.extendleft(reversed(works))
        self.records += sum(work.records for work in works)

    def take_batch(self) -> list[Work]:
        """Take the oldest work, and as much more as fits a batch; nothing when nothing waits."""
        batch: list[Work] = []
        size = 0
        works = self._works
        while works:
            work = works[0]
            if work.finished:
                works.popleft()
                self.records -= work.records
                continue
            if batch and (size + work.records > self._batch_size or work.tried or work.kind != batch[0].kind):
                break
            batch.append(works.popleft())
            size += work.records
            if work.tried or work.part is not None:
                break
        self.records -= size
        return batch

    def take_all(self) -> list[Work]:
        """Take everything that waits."""
        works = self._list_open()
        self._works.clear()
        self.records = 0
        return works

    def _list_open(self) -> list[Work]:
        return [work for work in self._works if not work.finished]

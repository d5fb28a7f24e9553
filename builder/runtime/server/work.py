"""One request's work on its way to a worker and back, and the bounded queue it waits in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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


@dataclass(slots=True, eq=False)
class Work:
    """What one request asks of the model. Times are on the clock of the event loop.

    ``done`` is called exactly once with an outcome (a word of :mod:`wire` or of this module) and a value.
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

    def __len__(self) -> int:
        return len(self._works)

    def add(self, work: Work) -> None:
        """Add to the end; :class:`QueueFullError` past the limit."""
        if len(self._works) >= self._limit:
            self._works = deque(each for each in self._works if not each.finished)
            if len(self._works) >= self._limit:
                raise QueueFullError
        self._works.append(work)

    def take_batch(self) -> list[Work]:
        """Take the oldest work, and as much more as fits a batch; nothing when nothing waits."""
        batch: list[Work] = []
        size = 0
        works = self._works
        while works:
            work = works[0]
            if work.finished:
                works.popleft()
                continue
            if batch and (size + work.records > self._batch_size or work.kind != batch[0].kind):
                break
            batch.append(works.popleft())
            size += work.records
        return batch

    def take_all(self) -> list[Work]:
        """Take everything that waits."""
        works = [work for work in self._works if not work.finished]
        self._works.clear()
        return works

"""When a worker that could begin is better left waiting for a moment, so that more requests share one call.

Nothing ever waits at an idle service. While others are being scored, waiting pays in two cases, both learnt from what
calls of this model have cost so far, and both bounded by ``max_delay``:

- the model is quick: the worker that is busy now takes newcomers along in its next call, which costs less of the
  machine than waking a second one;
- a call costs much more than the records in it: the clients that were just answered are about to ask again, and those
  who come within a part of a call's time come along in the next.
"""

from __future__ import annotations

QUICK = 0.001
"""Seconds; a call shorter than this is over before it is worth waking another worker."""
PATIENCE = 0.5
"""The part of a call's fixed cost that is worth waiting for company."""
FORGET = 0.98
"""How much of what was learnt is kept at each further call."""


class Costs:
    """What a call costs: a fixed part and a part for each record, in seconds; a running least-squares line."""

    def __init__(self) -> None:
        self.fixed = 0.0
        self.each = 0.0
        self._n = self._x = self._y = self._xx = self._xy = 0.0

    def learn(self, records: int, seconds: float) -> None:
        """Take one more call into account."""
        self._n = self._n * FORGET + 1
        self._x = self._x * FORGET + records
        self._y = self._y * FORGET + seconds
        self._xx = self._xx * FORGET + records * records
        self._xy = self._xy * FORGET + records * seconds
        spread = self._n * self._xx - self._x * self._x
        mean = self._y / self._n
        if spread <= 0.01 * self._n * self._xx:  # all calls of one size: no telling the two parts apart
            self.each = min(self.each, mean * self._n / self._x)
        else:
            self.each = max(0.0, (self._n * self._xy - self._x * self._y) / spread)
        self.fixed = max(0.0, mean - self.each * self._x / self._n)

    def estimate(self, records: int) -> float:
        """Return what a call with so many records is likely to cost; 0 while nothing is known."""
        return self.fixed + self.each * records


class Policy:
    """Says how long what waits may go on waiting."""

    def __init__(self, max_size: int, max_delay: float) -> None:
        self._max_size = max_size
        self._max_delay = max_delay if max_size > 1 else 0.0
        self._costs = Costs()
        self._calls = 0
        self._last_records = 0
        self._last_answer = 0.0

    def answered(self, records: int, seconds: float, now: float) -> None:
        """Take note of a call that is over."""
        self._calls += 1
        self._last_records = records
        self._last_answer = now
        self._costs.learn(records, seconds)

    def find_delay(self, waiting: int, oldest: float, now: float, *, busy: bool) -> float:
        """Return for how many seconds the records that wait had better go on waiting; 0 to begin at once.

        ``oldest`` is when the first of them came; ``busy`` says whether another worker is scoring now.
        """
        if waiting >= self._max_size or self._max_delay <= 0 or not self._calls:
            return 0.0
        if busy and self._costs.estimate(self._max_size) < QUICK:
            delay = self._max_delay
        else:
            delay = min(self._max_delay, PATIENCE * self._costs.fixed)
            if waiting >= self._last_records or delay < QUICK or now - self._last_answer >= delay:
                return 0.0
            delay -= now - self._last_answer
        return max(0.0, min(delay, oldest + self._max_delay - now))

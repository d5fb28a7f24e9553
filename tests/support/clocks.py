"""Clocks that do not keep tests waiting."""

from __future__ import annotations

import threading

from builder.host.clock import Clock


class SteppedClock(Clock):
    """Goes on only by sleeping; ``pauses`` are what was slept."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float, *, until: threading.Event | None = None) -> None:
        self.pauses.append(seconds)
        self.time += seconds

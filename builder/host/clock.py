"""The clock: what time it is, and waiting. Passed along, so that tests need not wait."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path


class Clock:
    """This machine's clock."""

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since some moment, never going back; for durations."""
        return time.monotonic()

    def sleep(self, seconds: float, *, until: threading.Event | None = None) -> None:
        """Wait, but no longer than until the event is set."""
        if until is None:
            time.sleep(seconds)
        else:
            until.wait(seconds)


_FINE_TICK = 20_000_000
_COARSE_TICK = 2_000_000_000
_MILLISECOND = 1_000_000


def has_rested(changed: int, now: int) -> bool:
    """Tell whether a file whose state changed at ``changed`` would have another time if it changed after ``now``.

    Both are nanoseconds since 1970. File systems tick: within a tick two changes carry one time. A time that is finer
    than a millisecond comes from one that ticks at least fifty times a second; others may take two seconds.
    """
    return now - changed > (_FINE_TICK if changed % _MILLISECOND else _COARSE_TICK)


def seconds_since_start() -> float:
    """Return how long ago this process was started, its own loading included; to a hundredth of a second."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started

from __future__ import annotations

import threading
import time

from builder.host.clock import Clock


def test_knows_the_time() -> None:
    assert abs(Clock().now() - time.time()) < 60


def test_durations_never_go_back() -> None:
    clock = Clock()
    started = clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() - started >= 0.01


def test_waiting_ends_early_when_told() -> None:
    told = threading.Event()
    told.set()
    started = time.monotonic()
    Clock().sleep(30, until=told)
    assert time.monotonic() - started < 10

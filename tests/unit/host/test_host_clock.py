from __future__ import annotations

import threading
import time

import pytest

from builder.host.clock import Clock, has_rested, seconds_since_start


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


@pytest.mark.parametrize(
    ("changed", "since", "rested"),
    [
        (1_000_000_123_456_789, 30_000_000, True),
        (1_000_000_123_456_789, 10_000_000, False),
        (1_000_000_123_000_000, 1_900_000_000, False),
        (1_000_000_123_000_000, 2_100_000_000, True),
    ],
)
def test_a_file_has_rested_once_a_later_change_would_show(changed: int, since: int, *, rested: bool) -> None:
    assert has_rested(changed, changed + since) is rested


def test_a_process_knows_how_long_it_runs() -> None:
    before = seconds_since_start()
    assert before > 0
    assert seconds_since_start() >= before

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from builder.publish.parallel import run_all
from builder.publish.patience import AbandonedError


def test_results_keep_the_order_of_the_tasks() -> None:
    def task(number: int) -> int:
        time.sleep(0.01 * (3 - number))
        return number

    assert run_all([partial(task, n) for n in range(3)], jobs=3, abandoned=threading.Event()) == (0, 1, 2)


def test_no_tasks_are_no_results() -> None:
    assert run_all([], jobs=4, abandoned=threading.Event()) == ()


def test_no_more_than_so_many_run_at_once() -> None:
    guard, running, most = threading.Lock(), 0, 0

    def task() -> None:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with guard:
            running -= 1

    run_all([task] * 8, jobs=2, abandoned=threading.Event())
    assert most == 2


def test_a_failure_stops_the_others_and_is_the_one_raised() -> None:
    abandoned = threading.Event()

    def waits() -> None:
        assert abandoned.wait(10)
        raise AbandonedError

    def fails() -> None:
        raise ValueError("the cause")

    never = []
    with pytest.raises(ValueError, match="the cause"):
        run_all([waits, fails, lambda: never.append(1)], jobs=2, abandoned=abandoned)
    assert not never

from __future__ import annotations

from typing import Any

import pytest

from builder.runtime.server.work import Queue, QueueFullError, Work


def make_work(records: int = 1) -> Work:
    return Work("id", [], records, 0.0, lambda _work, _outcome, _value: None)


def test_a_batch_is_the_oldest_work_up_to_its_size() -> None:
    queue = Queue(10, batch_size=4)
    works = [make_work(records) for records in (2, 1, 3, 1)]
    for work in works:
        queue.add(work)
    assert queue.take_batch() == works[:2]
    assert queue.take_batch() == works[2:]
    assert queue.take_batch() == []


def test_work_larger_than_a_batch_goes_alone() -> None:
    queue = Queue(10, batch_size=4)
    large, small = make_work(100), make_work()
    queue.add(large)
    queue.add(small)
    assert queue.take_batch() == [large]
    assert queue.take_batch() == [small]


def test_past_the_limit_nothing_is_taken_but_finished_work_makes_room() -> None:
    queue = Queue(2, batch_size=1)
    first = make_work()
    queue.add(first)
    queue.add(make_work())
    with pytest.raises(QueueFullError):
        queue.add(make_work())
    first.finish("ok")
    queue.add(make_work())
    assert len(queue) == 2


def test_finished_work_is_passed_over() -> None:
    queue = Queue(5, batch_size=5)
    first, second = make_work(), make_work()
    queue.add(first)
    queue.add(second)
    first.finish("timed out")
    assert queue.take_batch() == [second]


def test_work_is_finished_once() -> None:
    outcomes: list[tuple[str, Any]] = []
    work = Work("id", [], 1, 0.0, lambda _work, outcome, value: outcomes.append((outcome, value)))
    work.finish("ok", 1)
    work.finish("lost")
    assert outcomes == [("ok", 1)]


def test_work_that_was_tried_before_goes_alone_and_first() -> None:
    queue = Queue(1, batch_size=8)
    newcomer = make_work()
    queue.add(newcomer)
    again = [make_work(), make_work()]
    for work in again:
        work.tried = True
    queue.add_first(again)
    assert [queue.take_batch() for _ in range(3)] == [again[:1], again[1:], [newcomer]]
    assert queue.records == 0


def test_records_that_wait_are_counted() -> None:
    queue = Queue(9, batch_size=3)
    for records in (2, 2, 5):
        queue.add(make_work(records))
    assert queue.records == 9
    queue.take_batch()
    assert queue.records == 7
    queue.take_all()
    assert queue.records == 0

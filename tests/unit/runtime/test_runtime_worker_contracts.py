from __future__ import annotations

from typing import Any

from builder.runtime.wire import INTERNAL_ERROR, OK, REFUSED, USER_ERROR
from builder.runtime.worker.batch_scorer import BatchScorer
from builder.runtime.worker.output import Journal
from builder.runtime.worker.values import RefusedValuesError


class Silent(Journal):
    """Keeps what would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[Any, str]] = []

    def write(self, level: str, logger: str, message: str, **more: Any) -> None:
        del level, logger, more
        self.lines.append((self.requests, message))


def test_one_call_serves_all_requests_of_a_batch() -> None:
    calls: list[int] = []

    def predict(records: list[Any]) -> list[Any]:
        calls.append(len(records))
        return [record * 10 for record in records]

    outcomes = BatchScorer(predict, Silent()).score([("a", [1, 2]), ("b", [3]), ("c", [4, 5])])
    assert outcomes == [(OK, [10, 20]), (OK, [30]), (OK, [40, 50])]
    assert calls == [5]


def test_a_batch_that_fails_is_tried_request_by_request() -> None:
    journal = Silent()
    outcomes = BatchScorer(lambda records: [1 / record for record in records], journal).score(
        [("a", [1]), ("b", [0]), ("c", [2])]
    )
    assert outcomes == [(OK, [1.0]), (USER_ERROR, None), (OK, [0.5])]
    assert journal.lines[-1] == (("b",), "predict raised ZeroDivisionError: division by zero")


def test_values_the_model_cannot_take_are_refused_and_not_logged() -> None:
    def predict(records: list[Any]) -> list[Any]:
        wrong = [(number, "a", record, [1, 2], 0) for number, record in enumerate(records) if record not in (1, 2)]
        if wrong:
            raise RefusedValuesError(wrong)
        return records

    journal = Silent()
    outcomes = BatchScorer(predict, journal).score([("a", [1]), ("b", [2, 5]), ("c", [2])])
    assert outcomes == [(OK, [1]), (REFUSED, [(1, "a", 5, [1, 2], 0)]), (OK, [2])]
    assert BatchScorer(predict, journal).score([("a", [7])]) == [(REFUSED, [(0, "a", 7, [1, 2], 0)])]
    assert journal.lines == []


def test_a_wrong_number_of_predictions_is_our_refusal_to_answer() -> None:
    assert BatchScorer(lambda _records: [1], Silent()).score([("a", [1, 2])]) == [(INTERNAL_ERROR, None)]

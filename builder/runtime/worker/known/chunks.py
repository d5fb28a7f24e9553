"""Models that were saved for one number of records at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ..values import make_plain
from .common import Predict


def score_in_chunks(run: Callable[[Sequence[Any]], Any], sizes: Collection[int]) -> Predict:
    """Return ``predict`` that calls ``run`` with exactly as many records as the model takes; without sizes, with all.

    The last lot is filled up with copies of its last record, whose answers are dropped.
    """
    if not sizes:
        return run
    if len(sizes) > 1 or min(sizes) < 1:
        raise ValueError(f"the model's inputs take {' and '.join(map(str, sorted(sizes)))} records at a time")
    size = next(iter(sizes))

    def predict(records: list[Any]) -> Any:
        answers: list[Any] = []
        for start in range(0, len(records), size):
            lot = records[start : start + size]
            found = _list_rows(run([*lot, *[lot[-1]] * (size - len(lot))]))
            answers += found[: len(lot)]
        return answers

    return predict


def _list_rows(answer: Any) -> list[Any]:
    if isinstance(answer, Mapping):
        columns = {name: make_plain(value) for name, value in answer.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return list(make_plain(answer))

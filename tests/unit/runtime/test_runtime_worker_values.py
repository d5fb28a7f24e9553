from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from builder.runtime.worker.values import UnansweredError, make_plain, make_predictions


class Array:
    """What numpy's arrays and pandas' series have in common."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def tolist(self) -> Any:
        return self.items


class Float64(float):
    """As numpy's: a subclass of float, and marshal would take it for a buffer."""

    def tolist(self) -> float:
        return float(self)


class Frame:
    """What of pandas' frames is asked for."""

    columns = ("a", "b")

    def __len__(self) -> int:
        return 2

    def items(self) -> Any:
        return [("a", Array([Float64(1.5), Float64(2)])), ("b", Array(["x", None]))]

    def to_dict(self) -> Any:
        raise AssertionError


class PolarsFrame:
    columns = ("a",)

    def to_dict(self) -> Any:
        raise AssertionError

    def to_dicts(self) -> Any:
        return [{"a": 1}]


class Model:
    """As pydantic's."""

    def model_dump(self, *, mode: str) -> Any:
        assert mode == "json"
        return {"x": 1}


class OldModel:
    """As pydantic 1's."""

    __fields__ = ("x",)

    def dict(self) -> Any:
        return {"x": 1}


class Struct:
    """As msgspec's."""

    __struct_fields__ = ("x",)
    x = 1


class Tensor:
    def detach(self) -> Array:
        return Array([1.0])


class NAType:
    pass


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Pair(NamedTuple):
    a: int
    b: int


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ([1, 2.5, "x", True, None], [1, 2.5, "x", True, None]),
        ((1, (2,)), [1, [2]]),
        (Array([[1], [2]]), [[1], [2]]),
        ([Float64(0.5)], [0.5]),
        ({"p": Float64(0.5), 3: Array([1])}, {"p": 0.5, "3": [1]}),
        ({True: 1, None: 2}, {"true": 1, "null": 2}),
        (Frame(), [{"a": 1.5, "b": "x"}, {"a": 2.0, "b": None}]),
        (Model(), {"x": 1}),
        (OldModel(), {"x": 1}),
        (Struct(), {"x": 1}),
        (PolarsFrame(), [{"a": 1}]),
        (Tensor(), [1.0]),
        (Colour.RED, "red"),
        (Point(3), {"x": 3}),
        (Pair(1, 2), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), "2026-01-02T03:00:00+00:00"),
        (dt.timedelta(seconds=1.5), 1.5),
        (decimal.Decimal("1.5"), 1.5),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (NAType(), None),
    ],
)
def test_answers_of_libraries_become_plain(value: Any, plain: Any) -> None:
    found = make_plain(value)
    assert found == plain
    assert type(found) is type(plain)


def test_subclasses_of_numbers_do_not_pass_as_they_are() -> None:
    assert type(make_plain([Float64(1)])[0]) is float


@pytest.mark.parametrize("value", [{1}, object(), b"bytes", 1j, [object()]])
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(UnansweredError):
        make_plain(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(UnansweredError, match="nested"):
        make_plain(value)


@pytest.mark.parametrize(
    ("answer", "predictions"),
    [
        ([1, 2], [1, 2]),
        (Array([1, 2]), [1, 2]),
        (Frame(), [{"a": 1.5, "b": "x"}, {"a": 2.0, "b": None}]),
        (
            {"label": ["x", "y"], "score": Array([Float64(0.5), 1])},
            [{"label": "x", "score": 0.5}, {"label": "y", "score": 1}],
        ),
        ({"label": ["x", "y"]}, [{"label": "x"}, {"label": "y"}]),
        ([Model(), Point(3)], [{"x": 1}, {"x": 3}]),
    ],
)
def test_every_form_of_answer_is_one_prediction_for_each_record(answer: Any, predictions: Any) -> None:
    assert make_predictions(answer, 2) == predictions


@pytest.mark.parametrize(
    ("answer", "fact"),
    [
        ([1], "1 predictions for 2 records"),
        ({"label": ["x"]}, "1 predictions for 2 records"),
        ({"label": "x"}, "answered str"),
        ({}, "a mapping of nothing"),
        (7, "answered int"),
        (None, "answered NoneType"),
    ],
)
def test_an_answer_of_another_length_or_kind_is_refused(answer: Any, fact: str) -> None:
    with pytest.raises(UnansweredError, match=fact):
        make_predictions(answer, 2)

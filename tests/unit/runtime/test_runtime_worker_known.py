from __future__ import annotations

import math
from typing import Any

import pytest

from builder.runtime.worker.known.common import UnknownCategoryError, make_coded_table_maker, make_encoder
from builder.runtime.worker.values import RefusedValuesError


class Columns(dict[int, list[float]]):
    """A table that is filled column by column."""

    def __setitem__(self, key: Any, values: list[float]) -> None:
        super().__setitem__(key[1], values)


class Numpy:
    """As much of it as a table takes."""

    @staticmethod
    def empty(_shape: tuple[int, int], _dtype: Any) -> Columns:
        return Columns()

    @staticmethod
    def array(values: Any, _dtype: Any) -> list[float]:
        return [float(value) for value in values]


@pytest.mark.parametrize("value", ["west", 5, ["east"], {"east": 1}, True])
def test_a_category_of_no_training_is_missing_or_refused(value: Any) -> None:
    assert math.isnan(make_encoder(["east", "south"], refuses=False)(value))
    with pytest.raises(UnknownCategoryError):
        make_encoder(["east", "south"], refuses=True)(value)


@pytest.mark.parametrize("refuses", [False, True])
def test_a_known_category_is_its_number_and_none_is_missing(*, refuses: bool) -> None:
    encode = make_encoder(["east", "south"], refuses=refuses)
    assert (encode("east"), encode("south")) == (0.0, 1.0)
    assert math.isnan(encode(None))


def test_every_value_the_model_cannot_take_is_named() -> None:
    encoders = {1: make_encoder(["east", "south"], refuses=True), 2: make_encoder(range(30), refuses=True)}
    make = make_coded_table_maker(Numpy, ["age", "region", "floor"], encoders, float)
    assert make([{"age": 1, "region": "south", "floor": 3}]) == {0: [1.0], 1: [1.0], 2: [3.0]}
    with pytest.raises(RefusedValuesError) as caught:
        make([{"age": 1, "region": "south", "floor": 3}, {"age": 1, "region": "west", "floor": 30}, (1, "east", 31)])
    assert caught.value.refusals == [
        (1, "region", "west", ["east", "south"], 0),
        (1, "floor", 30, list(range(20)), 10),
        (2, "floor", 31, list(range(20)), 10),
    ]

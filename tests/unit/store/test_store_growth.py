from __future__ import annotations

import pytest

from builder.errors import StoreError
from builder.store.growth import FLOOR, RATIO, Growth


def test_anything_may_grow_to_the_floor() -> None:
    growth = Growth(1, at="x")
    growth.add(FLOOR)
    with pytest.raises(StoreError, match="more than anything real") as caught:
        growth.add(1)
    assert caught.value.faults[0].at == "x"


def test_something_large_may_grow_by_the_ratio() -> None:
    growth = Growth(FLOOR, at="x")
    growth.add(RATIO * FLOOR)
    with pytest.raises(StoreError):
        growth.add(1)

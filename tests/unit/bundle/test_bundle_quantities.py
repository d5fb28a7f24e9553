from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.bundle.quantities import seconds, size


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (2, 2.0),
        (0.5, 0.5),
        ("250ms", 0.25),
        ("5ms", 0.005),
        ("30s", 30.0),
        ("1.5 m", 90.0),
        ("5m", 300.0),
        ("1h", 3600.0),
    ],
)
def test_durations_are_seconds(text: float | str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "5 days", "-1s", "1s ", "s", "1e3s", -1, float("inf"), float("nan")])
def test_what_is_no_duration_is_a_value_error(text: float | str) -> None:
    with pytest.raises(ValueError):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (10, 10),
        ("10", 10),
        ("1KiB", 1024),
        ("512MiB", 512 << 20),
        ("1GiB", 1 << 30),
        ("1.5GiB", 3 << 29),
        ("2G", 2 * 10**9),
        ("3 kB", 3000),
    ],
)
def test_sizes_are_bytes(text: int | str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "1XiB", "0.3B", "-1", "1Gi", "lots", -1])
def test_what_is_no_size_is_a_value_error(text: int | str) -> None:
    with pytest.raises(ValueError):
        size(text)


@given(st.integers(0, 10**6))
def test_milliseconds_keep_the_number_a_person_means(count: int) -> None:
    assert seconds(f"{count}ms") == count / 1000

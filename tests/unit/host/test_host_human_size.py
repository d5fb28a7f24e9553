from __future__ import annotations

import pytest

from builder.host.terminal import human_size


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (7708, "7.7 kB"), (118_479_367, "118.5 MB"), (3 * 10**12, "3000.0 GB")],
)
def test_sizes_are_told_in_the_unit_a_person_would_use(count: int, text: str) -> None:
    assert human_size(count) == text

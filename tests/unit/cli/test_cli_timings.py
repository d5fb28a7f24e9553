from __future__ import annotations

from builder.cli.options import timings_table


def test_stages_that_overlap_are_said_to() -> None:
    table = timings_table({"a": 2.0, "b": 3.0}, before=0.5, total=4.0)
    assert table.splitlines()[-1] == "  stages overlap, so they add up to more than all"
    assert "overlap" not in timings_table({"a": 2.0, "b": 1.0}, before=0.5, total=4.0)

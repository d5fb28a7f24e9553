from __future__ import annotations

import os

from builder.runtime.server.metrics import Counter, count_open_files, read_cpu_seconds, read_resident_bytes


def test_the_memory_of_this_process_is_known_and_of_none_is_0() -> None:
    assert read_resident_bytes(os.getpid()) > 1 << 20
    assert read_resident_bytes(2**22 + 1) == 0


def test_a_counter_counts_past_a_million_exactly() -> None:
    counter = Counter("c_total", "Counted.")
    counter.add((), 12_345_678)
    assert list(counter.read()) == [((), 12345678)]


def test_processor_time_and_open_files_are_this_process_s() -> None:
    assert read_cpu_seconds() > 0
    assert count_open_files() >= 3

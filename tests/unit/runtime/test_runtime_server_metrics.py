from __future__ import annotations

import os

from builder.runtime.server.metrics import Counter, Gauge, Histogram, read_resident_bytes, render


def test_the_page_is_in_prometheus_form() -> None:
    counter = Counter("c_total", "Counted.", ("route", "code"))
    counter.add(("/a", "200"))
    counter.add(("/a", "200"))
    counter.add(('/"b\\\n', "500"), 3)
    histogram = Histogram("h_seconds", "Spread.", (0.1, 1.0))
    for value in (0.0625, 0.1, 0.5, 7):
        histogram.observe(value)
    gauge = Gauge("g", "Now.", lambda: 2.0)
    assert render([counter, histogram, gauge]).decode() == (
        "# HELP c_total Counted.\n# TYPE c_total counter\n"
        'c_total{route="/a",code="200"} 2\n'
        'c_total{route="/\\"b\\\\\\n",code="500"} 3\n'
        "# HELP h_seconds Spread.\n# TYPE h_seconds histogram\n"
        'h_seconds_bucket{le="0.1"} 2\nh_seconds_bucket{le="1"} 3\nh_seconds_bucket{le="+Inf"} 4\n'
        "h_seconds_sum 7.6624999999999996\nh_seconds_count 4\n"
        "# HELP g Now.\n# TYPE g gauge\ng 2\n"
    )


def test_the_memory_of_this_process_is_known_and_of_none_is_0() -> None:
    assert read_resident_bytes(os.getpid()) > 1 << 20
    assert read_resident_bytes(2**22 + 1) == 0


def test_a_counter_counts_past_a_million_exactly() -> None:
    counter = Counter("c_total", "Counted.")
    counter.add((), 12_345_678)
    assert list(counter.samples()) == ["c_total 12345678"]

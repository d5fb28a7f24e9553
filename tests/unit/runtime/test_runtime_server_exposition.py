"""The page of metrics, read back by Prometheus' own parsers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from builder.runtime.bundle import parse_bundle
from builder.runtime.server.exposition import render, wants_open_metrics
from builder.runtime.server.measures import Measures
from builder.runtime.server.metrics import Counter, Gauge, Histogram

BUNDLE = parse_bundle(
    {
        "name": 'the "model"',
        "version": "1\\2",
        "model": {"path": "/opt/model/model/m.json"},
        "scoring": {"contract": "none"},
    }
)


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
        "h_seconds_sum 7.6625\nh_seconds_count 4\n"
        "# HELP g Now.\n# TYPE g gauge\ng 2\n"
    )


def test_openmetrics_names_the_family_without_total_and_ends() -> None:
    counter = Counter("c_total", "Counted.")
    counter.add()
    histogram = Histogram("h_seconds", "Spread.", (1.0,))
    assert render([counter, histogram], open_metrics=True).decode() == (
        "# HELP c Counted.\n# TYPE c counter\nc_total 1\n"
        "# HELP h_seconds Spread.\n# TYPE h_seconds histogram\n"
        'h_seconds_bucket{le="1.0"} 0\nh_seconds_bucket{le="+Inf"} 0\nh_seconds_sum 0\nh_seconds_count 0\n'
        "# EOF\n"
    )


class Worker:
    def __init__(self, pid: int, state: str) -> None:
        self.pid, self.state = pid, state


class Pool:
    workers = (Worker(2, "idle"), Worker(1, "busy"))
    state = "ready"
    queue = ()

    def count_open(self) -> int:
        return 3


def make_measures() -> Measures:
    measures = Measures(BUNDLE)
    measures.watch(Pool(), connections=lambda: 4, lines_dropped=lambda: 5, spans_dropped=lambda: 6)
    measures.requests.add(("/predict", "200"))
    measures.request_seconds.observe(0.003, ("/predict",))
    measures.refused.add(("maximum",))
    return measures


@pytest.mark.parametrize("open_metrics", [False, True])
def test_every_metric_reads_back_in_both_forms(open_metrics: bool) -> None:
    page = make_measures().render(open_metrics=open_metrics).decode()
    families = list((parse_open_metrics if open_metrics else parse_prometheus)(page))
    samples = {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
    assert all(family.documentation for family in families)
    assert samples["kiln_model_info", 'the "model"', "1\\2", "none"] == 1
    assert samples["kiln_requests_total", "/predict", "200"] == 1
    assert samples["kiln_request_seconds_bucket", "/predict", "0.005"] == 1
    assert samples["kiln_refused_total", "maximum"] == 1
    assert samples["kiln_workers", "idle"] == 1
    assert samples["kiln_log_lines_dropped_total",] == 5
    assert samples["kiln_spans_dropped_total",] == 6
    assert samples["process_cpu_seconds_total",] > 0
    assert samples["process_open_fds",] > 2
    assert {labels[0] for name, *labels in samples if name == "kiln_worker_resident_memory_bytes"} == {"0", "1"}


def test_labels_from_outside_cannot_grow_without_bound() -> None:
    counter = Counter("c_total", "Counted.", ("rule",))
    histogram = Histogram("h", "Spread.", (1.0,), ("route",))
    for number in range(5000):
        counter.add((str(number),))
        histogram.observe(1, (str(number),))
    assert len(list(counter.read())) == len(list(histogram.read())) == 201
    assert dict(counter.read())["other",] == 4800
    assert sum(sum(spread.counts) for _, spread in histogram.read()) == 5000


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5", True),
    ],
)
def test_openmetrics_is_for_who_asks_for_it(accept: str | None, wanted: bool) -> None:
    assert wants_open_metrics(accept) is wanted


@given(st.text(), st.floats(min_value=-1e300, max_value=1e300))
def test_any_label_and_any_number_read_back_the_same(label: str, number: float) -> None:
    page = render([Gauge("g", "Now.", lambda: {(label,): number}, ("x",))]).decode()
    ((sample,),) = (family.samples for family in parse_prometheus(page))
    assert sample.value == number
    if not set(label) & set("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029") and label == label.strip():
        assert sample.labels == {"x": label}

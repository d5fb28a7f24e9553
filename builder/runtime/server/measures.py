"""What the service counts, and the page at ``/metrics``."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Protocol

from ..bundle import Bundle
from ..cgroup import read_memory_limit
from .exposition import render
from .metrics import (
    LATENCIES,
    SIZES,
    Counter,
    Gauge,
    Histogram,
    Labels,
    Metric,
    count_open_files,
    read_cpu_seconds,
    read_resident_bytes,
)

LOADS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Employed(Protocol):
    """A worker, as far as it is counted."""

    @property
    def pid(self) -> int:
        """Its process."""

    @property
    def state(self) -> str:
        """What it is doing, in a word."""


class Employer(Protocol):
    """The pool of workers, as far as it is counted."""

    @property
    def workers(self) -> Sequence[Employed]:
        """Those there are now."""

    @property
    def state(self) -> str:
        """``ready``, or what keeps it from being so."""

    @property
    def queue(self) -> Sized:
        """Requests that wait for a worker."""

    def count_open(self) -> int:
        """Return how many requests wait or are being scored."""


class Measures:
    """Every metric by name. :meth:`watch` comes before the first page."""

    def __init__(self, bundle: Bundle) -> None:
        self.requests = Counter("kiln_requests_total", "Requests answered.", ("route", "code"))
        self.request_seconds = Histogram(
            "kiln_request_seconds", "Time from the first byte of a request to its answer.", LATENCIES, ("route",)
        )
        self.refused = Counter("kiln_refused_total", "Faults found in requests, by the rule they break.", ("rule",))
        self.queue_seconds = Histogram("kiln_queue_seconds", "Time a request waited for a worker.", LATENCIES)
        self.predict_seconds = Histogram("kiln_predict_seconds", "Time a batch spent in the model's code.", LATENCIES)
        self.batch_records = Histogram("kiln_batch_records", "Records scored in one call.", SIZES)
        self.worker_restarts = Counter("kiln_worker_restarts_total", "Workers that ended and why.", ("reason",))
        self.load_seconds = Histogram("kiln_model_load_seconds", "Time to import the code and load the model.", LOADS)
        self._info = Gauge(
            "kiln_model_info",
            "The model that is served.",
            lambda: {(bundle.name, bundle.version, bundle.contract): 1},
            ("name", "version", "contract"),
        )
        self.started = time.time()
        self._watched: list[Metric] = []

    def watch(
        self,
        pool: Employer,
        *,
        connections: Callable[[], int],
        lines_dropped: Callable[[], int],
        spans_dropped: Callable[[], int] | None = None,
    ) -> None:
        """Keep where the metrics that are a state of now are looked up."""

        def count_states() -> Mapping[Labels, float]:
            return {(state,): number for state, number in Tally(worker.state for worker in list(pool.workers)).items()}

        def read_workers() -> Mapping[Labels, float]:
            return {
                (str(number),): read_resident_bytes(worker.pid)
                for number, worker in enumerate(sorted(pool.workers, key=lambda worker: worker.pid))
            }

        self._watched = [
            Gauge("kiln_model_ready", "1 when the model is loaded.", lambda: float(pool.state == "ready")),
            Gauge("kiln_requests_in_flight", "Requests queued or being scored.", pool.count_open),
            Gauge("kiln_queue_length", "Requests that wait for a worker.", lambda: len(pool.queue)),
            Gauge("kiln_connections", "Open connections.", connections),
            Gauge("kiln_workers", "Workers by state.", count_states, ("state",)),
            Gauge("kiln_worker_resident_memory_bytes", "Resident memory of a worker.", read_workers, ("worker",)),
            Gauge(
                "kiln_memory_limit_bytes",
                "Memory this container may take for all its processes; 0 when there is no limit.",
                lambda: float(read_memory_limit() or 0),
            ),
            Gauge("kiln_log_lines_dropped_total", "Log lines nobody read in time.", lines_dropped, kind="counter"),
            Gauge("process_resident_memory_bytes", "Resident memory of the server.", read_resident_bytes),
            Gauge("process_cpu_seconds_total", "Processor time of the server.", read_cpu_seconds, kind="counter"),
            Gauge("process_open_fds", "Open descriptors of the server.", count_open_files),
            Gauge("process_start_time_seconds", "Start of the server since the epoch.", lambda: self.started),
        ]
        if spans_dropped is not None:
            text = "Spans no collector took."
            self._watched.append(Gauge("kiln_spans_dropped_total", text, spans_dropped, kind="counter"))

    def list(self) -> Sequence[Metric]:
        """Return every metric."""
        return [
            self._info,
            self.requests,
            self.request_seconds,
            self.refused,
            self.queue_seconds,
            self.predict_seconds,
            self.batch_records,
            self.worker_restarts,
            self.load_seconds,
            *self._watched,
        ]

    def render(self, *, open_metrics: bool = False) -> bytes:
        """Return the page."""
        return render(self.list(), open_metrics=open_metrics)

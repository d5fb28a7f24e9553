"""Counters, gauges and histograms. Seconds and bytes, as Prometheus wants them.

They are counted on the event loop and read there or, for export, on another thread: a reading copies before it looks.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
MOST_SERIES = 200
"""Combinations of labels a metric has at most; what comes later is counted under ``other``."""
Labels = tuple[str, ...]


@dataclass(slots=True)
class Spread:
    """How values are spread over ranges; the last count is of values above every bound."""

    counts: list[int]
    total: float = 0.0


class Counter:
    """A number that only grows, one for each combination of labels. Its name ends in ``_total``."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: Labels = ()) -> None:
        self.name, self.text, self.labels = name, text, labels
        self.values: dict[Labels, float] = {} if labels else {(): 0.0}

    def add(self, values: Labels = (), amount: float = 1.0) -> None:
        """Count."""
        try:
            self.values[values] += amount
        except KeyError:
            if len(self.values) >= MOST_SERIES:
                values = ("other",) * len(self.labels)
            self.values[values] = self.values.get(values, 0.0) + amount

    def read(self) -> Iterator[tuple[Labels, float]]:
        """Yield labels and number."""
        yield from list(self.values.items())


class Gauge:
    """A number that is looked up when it is asked for; of kind ``counter`` when what is looked up only grows."""

    def __init__(
        self,
        name: str,
        text: str,
        look: Callable[[], float | Mapping[Labels, float]],
        labels: Labels = (),
        *,
        kind: str = "gauge",
    ) -> None:
        self.name, self.text, self._look, self.labels, self.kind = name, text, look, labels, kind

    def read(self) -> Iterator[tuple[Labels, float]]:
        """Yield labels and number."""
        value = self._look()
        yield from (value if isinstance(value, Mapping) else {(): value}).items()


class Histogram:
    """How often a value fell into which range, one for each combination of labels."""

    kind = "histogram"

    def __init__(self, name: str, text: str, bounds: tuple[float, ...], labels: Labels = ()) -> None:
        self.name, self.text, self.bounds, self.labels = name, text, bounds, labels
        self._series: dict[Labels, Spread] = {}
        if not labels:
            self._make(())

    def _make(self, values: Labels) -> Spread:
        if len(self._series) >= MOST_SERIES:
            values = ("other",) * len(self.labels)
        return self._series.setdefault(values, Spread([0] * (len(self.bounds) + 1)))

    def observe(self, value: float, values: Labels = ()) -> None:
        """Count one value."""
        spread = self._series.get(values) or self._make(values)
        spread.counts[bisect_left(self.bounds, value)] += 1
        spread.total += value

    def read(self) -> Iterator[tuple[Labels, Spread]]:
        """Yield labels and spread."""
        for values, spread in list(self._series.items()):
            yield values, Spread(spread.counts[:], spread.total)


Metric = Counter | Gauge | Histogram


def read_resident_bytes(pid: int | str = "self") -> float:
    """Return the resident memory of a process, or 0 when it is gone."""
    try:
        return float(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0.0


def read_cpu_seconds() -> float:
    """Return the processor time of this process."""
    times = os.times()
    return times.user + times.system


def count_open_files() -> float:
    """Return how many descriptors this process has open."""
    try:
        return float(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - no objects for what is only counted
    except OSError:
        return 0.0


PAGE = os.sysconf("SC_PAGE_SIZE")

"""Counters and histograms in Prometheus' text form. Seconds and bytes, as Prometheus wants them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
Labels = tuple[str, ...]


def escape(value: str) -> str:
    """Return a label's value as it stands between quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def format_labels(names: Labels, values: Labels) -> str:
    """Return ``{name="value",…}``, or nothing when there are no labels."""
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True)) + "}"


class Counter:
    """A number that only grows, one for each combination of labels."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: Labels = ()) -> None:
        self.name, self.text, self._labels = name, text, labels
        self.values: dict[Labels, float] = {} if labels else {(): 0.0}

    def add(self, values: Labels = (), amount: float = 1.0) -> None:
        """Count."""
        self.values[values] = self.values.get(values, 0.0) + amount

    def samples(self) -> Iterator[str]:
        """Yield the lines of this metric."""
        for values, number in self.values.items():
            yield f"{self.name}{format_labels(self._labels, values)} {number:.17g}"


class Gauge:
    """A number that is looked up when it is asked for."""

    kind = "gauge"

    def __init__(
        self, name: str, text: str, read: Callable[[], float | Mapping[Labels, float]], labels: Labels = ()
    ) -> None:
        self.name, self.text, self._read, self._labels = name, text, read, labels

    def samples(self) -> Iterator[str]:
        """Yield the lines of this metric."""
        value = self._read()
        found = value if isinstance(value, Mapping) else {(): value}
        for values, number in found.items():
            yield f"{self.name}{format_labels(self._labels, values)} {number:.17g}"


class Histogram:
    """How often a value fell into which range, one for each combination of labels."""

    kind = "histogram"

    def __init__(self, name: str, text: str, bounds: tuple[float, ...], labels: Labels = ()) -> None:
        self.name, self.text, self._bounds, self._labels = name, text, bounds, labels
        self._series: dict[Labels, tuple[list[int], list[float]]] = {}
        if not labels:
            self._make(())

    def _make(self, values: Labels) -> tuple[list[int], list[float]]:
        self._series[values] = made = ([0] * (len(self._bounds) + 1), [0.0])
        return made

    def observe(self, value: float, values: Labels = ()) -> None:
        """Count one value."""
        counts, total = self._series.get(values) or self._make(values)
        counts[bisect_left(self._bounds, value)] += 1
        total[0] += value

    def samples(self) -> Iterator[str]:
        """Yield the lines of this metric."""
        names = (*self._labels, "le")
        for values, (counts, total) in self._series.items():
            running = 0
            for bound, number in zip((*(f"{bound:g}" for bound in self._bounds), "+Inf"), counts, strict=True):
                running += number
                yield f"{self.name}_bucket{format_labels(names, (*values, bound))} {running}"
            yield f"{self.name}_sum{format_labels(self._labels, values)} {total[0]:.17g}"
            yield f"{self.name}_count{format_labels(self._labels, values)} {running}"


def render(metrics: Iterable[Counter | Gauge | Histogram]) -> bytes:
    """Return the page of all metrics."""
    lines: list[str] = []
    for metric in metrics:
        lines += (f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} {metric.kind}", *metric.samples())
    return ("\n".join(lines) + "\n").encode()


def read_resident_bytes(pid: int | str = "self") -> float:
    """Return the resident memory of a process, or 0 when it is gone."""
    try:
        return float(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except (OSError, IndexError):
        return 0.0

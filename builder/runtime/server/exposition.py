"""Metrics as text: Prometheus' own form 0.0.4, or OpenMetrics 1.0 for who asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .metrics import CONTENT_TYPE, Counter, Gauge, Histogram, Labels, Metric

PROMETHEUS = CONTENT_TYPE
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def escape(value: str) -> str:
    """Return a label's value as it stands between quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def format_labels(names: Labels, values: Labels) -> str:
    """Return ``{name="value",…}``, or nothing when there are no labels."""
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in zip(names, values, strict=True)) + "}"


def format_number(value: float) -> str:
    """Return a number in the shortest form that reads back the same."""
    return f"{int(value)}" if value == int(value) and abs(value) < 1e17 else repr(value)


def format_bound(value: float, *, canonical: bool) -> str:
    """Return an upper bound: ``1`` in Prometheus' form, ``1.0`` in OpenMetrics'."""
    return repr(value) if canonical else f"{value:g}"


def wants_open_metrics(accept: str | None) -> bool:
    """Say whether a scraper asks for OpenMetrics."""
    return accept is not None and "application/openmetrics-text" in accept and "version=0.0.1" not in accept


def render(metrics: Iterable[Metric], *, open_metrics: bool = False) -> bytes:
    """Return the page of all metrics."""
    lines: list[str] = []
    for metric in metrics:
        family = metric.name.removesuffix("_total") if open_metrics and metric.kind == "counter" else metric.name
        lines += (f"# HELP {family} {metric.text}", f"# TYPE {family} {metric.kind}")
        lines += _samples(metric, canonical=open_metrics)
    if open_metrics:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n").encode()


def _samples(metric: Metric, *, canonical: bool) -> Iterator[str]:
    match metric:
        case Counter() | Gauge():
            for values, number in metric.read():
                yield f"{metric.name}{format_labels(metric.labels, values)} {format_number(number)}"
        case Histogram():
            names = (*metric.labels, "le")
            bounds = (*(format_bound(bound, canonical=canonical) for bound in metric.bounds), "+Inf")
            for values, spread in metric.read():
                running = 0
                for bound, number in zip(bounds, spread.counts, strict=True):
                    running += number
                    yield f"{metric.name}_bucket{format_labels(names, (*values, bound))} {running}"
                yield f"{metric.name}_sum{format_labels(metric.labels, values)} {format_number(spread.total)}"
                yield f"{metric.name}_count{format_labels(metric.labels, values)} {running}"

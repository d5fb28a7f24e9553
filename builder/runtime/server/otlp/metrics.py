"""The service's metrics as OTLP's data points, cumulative since the start of the process."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ..metrics import Counter, Gauge, Histogram, Metric
from .encoding import Value, make_attributes

CUMULATIVE = 2


def describe_metrics(metrics: Iterable[Metric], started: int) -> list[Value]:
    """Return every metric that has a value; ``started`` is nanoseconds since the epoch."""
    now = time.time_ns()
    described = [_describe(metric, started, now) for metric in metrics]
    return [each for each in described if each is not None]


def find_unit(name: str) -> str:
    """Return the unit a name ends in, as UCUM spells it."""
    plain = name.removesuffix("_total")
    return "s" if plain.endswith("_seconds") else "By" if plain.endswith("_bytes") else "1"


def _describe(metric: Metric, started: int, now: int) -> Value | None:
    times = {"startTimeUnixNano": started, "timeUnixNano": now}
    points: list[Value] = []
    body: dict[str, Any]
    kind = "histogram"
    match metric:
        case Counter() | Gauge():
            for values, number in metric.read():
                labels = make_attributes(dict(zip(metric.labels, values, strict=True)))
                points.append({**times, "asDouble": float(number), "attributes": labels})
            if metric.kind == "counter":
                kind = "sum"
                body = {"dataPoints": points, "aggregationTemporality": CUMULATIVE, "isMonotonic": True}
            else:
                kind = "gauge"
                body = {"dataPoints": points}
        case Histogram():
            for values, spread in metric.read():
                labels = make_attributes(dict(zip(metric.labels, values, strict=True)))
                points.append(
                    {
                        **times,
                        "count": sum(spread.counts),
                        "sum": spread.total,
                        "bucketCounts": spread.counts,
                        "explicitBounds": list(metric.bounds),
                        "attributes": labels,
                    }
                )
            body = {"dataPoints": points, "aggregationTemporality": CUMULATIVE}
    if not points:
        return None
    name = metric.name.removesuffix("_total")
    return {"name": name, "description": metric.text, "unit": find_unit(metric.name), kind: body}

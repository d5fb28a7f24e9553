"""Traces and metrics of one service on their way to a collector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from ...bundle import Bundle
from ..logs import Log
from ..measures import Measures
from .exporter import Exporter
from .metrics import describe_metrics
from .settings import decide_telemetry
from .tracer import Tracer


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """A running export; there is no tracer when no traces are exported."""

    exporter: Exporter
    tracer: Tracer | None


def start_export(bundle: Bundle, environment: Mapping[str, str], log: Log, measures: Measures) -> Export:
    """Begin to export as OpenTelemetry's variables say; what in them is wrong is logged and left."""
    telemetry = decide_telemetry(bundle, environment, instance=str(uuid4()))
    for warning in telemetry.warnings:
        log.write("warning", warning, logger="kiln.telemetry")
    version = str(telemetry.resource["telemetry.sdk.version"])
    started = int(measures.started * 1e9)
    exporter = Exporter(telemetry, log, lambda: describe_metrics(measures.list(), started), version)
    exporter.start()
    for signal, target in (("traces", telemetry.traces), ("metrics", telemetry.metrics)):
        if target is not None:
            log.write("info", f"{signal} are exported to {target.url}", logger="kiln.telemetry")
    return Export(exporter=exporter, tracer=Tracer(telemetry, exporter.add) if telemetry.traces is not None else None)

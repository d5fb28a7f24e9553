"""What is told of every request once it is answered: metrics, a line in the log, a span."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import msgspec

from ..settings import Settings
from .logs import CLOCK, Log, encode
from .measures import Measures
from .message import Headers, Request, Response
from .trace import Trace, read_trace

if TYPE_CHECKING:
    from .otlp.tracer import Tracer

CLIENT_GONE = 499
"""The status that is logged when nobody waited for the answer; nginx' word for it."""


def wants_telemetry(environment: Mapping[str, str]) -> bool:
    """Say whether OpenTelemetry's variables name an endpoint or an exporter, and do not turn all of it off."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if any("otlp" in environment.get(f"OTEL_{signal}_EXPORTER", "") for signal in ("TRACES", "METRICS")):
        return True
    return any(
        environment.get(f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT", "").strip() for signal in ("", "TRACES_", "METRICS_")
    )


class AccessLine(msgspec.Struct, omit_defaults=True, gc=False):
    """A line of the access log, its fields in the order they are written in."""

    time: str
    level: str
    logger: str
    message: str
    method: str
    path: str
    status: int
    duration_ms: float
    bytes_in: int
    bytes_out: int
    request_id: str
    client: str
    trace_id: str | None = None
    span_id: str | None = None
    queue_ms: float | None = None
    model_ms: float | None = None
    batch: int | None = None


class Observer:
    """Watches requests begin and end.

    ``quiet`` routes are logged only on demand and never traced, since probes ask every few seconds.
    """

    def __init__(self, settings: Settings, log: Log, measures: Measures, tracer: Tracer | None = None) -> None:
        self._settings = settings
        self._log = log
        self._measures = measures
        self._tracer = tracer
        self.quiet: Collection[str] = frozenset()

    def begin(self, request: Request) -> None:
        """Find the trace a request belongs to, or begin one where traces are exported."""
        trace = read_trace(request.headers)
        request.trace = trace if self._tracer is None else self._tracer.begin(trace)

    def answer(self, request: Request) -> Headers:
        """Return the headers that tell the caller of the span its request got (Trace Context, level 2)."""
        if self._tracer is None or request.trace is None:
            return ()
        return (("traceresponse", request.trace.parent),)

    def place_scoring(self, request: Request) -> Trace | None:
        """Return the place in a trace that a request is scored at, for the author's code to know."""
        if self._tracer is None or request.trace is None:
            return request.trace
        return self._tracer.place_scoring(request.trace)

    def finish(self, request: Request, response: Response, size: int) -> None:
        """Tell of an answer; ``size`` is that of the request's body."""
        spent = time.monotonic() - request.started
        route = request.route
        self._measures.requests.add((route, str(response.status)))
        self._measures.request_seconds.observe(spent, (route,))
        quiet = route in self.quiet
        if self._settings.access_log and (self._settings.probe_log or not quiet):
            self._write_line(request, response, size, spent, quiet=quiet)
        if self._tracer is not None and not quiet and request.trace is not None and request.trace.sampled:
            self._tracer.record(request, response, size, spent)

    def _write_line(self, request: Request, response: Response, size: int, spent: float, *, quiet: bool) -> None:
        status, trace, scoring = response.status, request.trace, request.scoring
        line = AccessLine(
            time=CLOCK.now(),
            level="info" if quiet else _level(status),  # a probe that is told "not yet" is no fault
            logger="kiln.access",
            message="request",
            method=request.method,
            path=request.path,
            status=CLIENT_GONE if request.gone else status,
            duration_ms=round(spent * 1e3, 3),
            bytes_in=size,
            bytes_out=len(response.body) + request.sent,
            request_id=request.request_id,
            client=request.sender.peer,
        )
        if trace is not None:
            line.trace_id, line.span_id = trace.trace_id, trace.span_id
        if scoring is not None:
            queued, scored, line.batch = scoring
            line.queue_ms, line.model_ms = round(queued * 1e3, 3), round(scored * 1e3, 3)
        self._log.add(encode(line))


def _level(status: int) -> str:
    """Return how bad an answer is for who runs the server: what this model does not do at all (501) is the caller's."""
    if status < 400:
        return "info"
    return "warning" if status < 500 or status == 501 else "error"

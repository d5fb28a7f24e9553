"""Spans of requests: which are recorded, and what is said of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import getrandbits
from typing import Any

from ..message import Request, Response
from ..trace import NO_SPAN, NO_TRACE, SAMPLED, Trace
from .encoding import Value, make_attribute, make_attributes, make_rare_attribute
from .settings import Telemetry

INTERNAL, SERVER = 1, 2
ALWAYS = 1 << 64
ERROR = 2


@dataclass(kw_only=True, slots=True)
class Span:
    """A request that has been answered. Times are in seconds; ``ended`` is nanoseconds since the epoch."""

    trace: Trace
    method: str
    route: str
    path: str
    status: int
    request_id: str
    client: str
    bytes_in: int
    bytes_out: int
    ended: int
    duration: float
    scoring: tuple[float, float, int] | None


class Tracer:
    """Begins a span for each request and hands on those that are recorded."""

    def __init__(self, telemetry: Telemetry, add: Callable[[Span], None]) -> None:
        self._add = add
        self._parent_based = telemetry.parent_based
        # the bound and the bits compared are those of OpenTelemetry's SDK, so that services of one trace agree
        ratio = {"always_on": 1.0, "always_off": 0.0}.get(telemetry.sampler, telemetry.ratio)
        self._bound = round(ratio * ALWAYS)

    def begin(self, parent: Trace | None) -> Trace:
        """Return the place of a new span below the caller's, or at the root of a new trace."""
        trace_id = parent.trace_id if parent is not None else make_id(128, NO_TRACE)
        if parent is not None and self._parent_based:
            sampled = parent.sampled
        else:
            sampled = self._bound == ALWAYS or int(trace_id[16:], 16) < self._bound
        if parent is None:
            return Trace(trace_id, make_id(64, NO_SPAN), SAMPLED if sampled else 0)
        flags = parent.flags | SAMPLED if sampled else parent.flags & ~SAMPLED
        return Trace(trace_id, make_id(64, NO_SPAN), flags, parent.state, parent.span_id)

    def place_scoring(self, trace: Trace) -> Trace:
        """Return the place of the span of scoring below a request's."""
        return place_scoring(trace)

    def record(self, request: Request, response: Response, size: int, spent: float) -> None:
        """Take a request of a trace that is sampled, once it is answered."""
        if request.trace is not None:
            self._add(
                Span(
                    trace=request.trace,
                    method=request.method,
                    route=request.route,
                    path=request.path,
                    status=response.status,
                    request_id=request.request_id,
                    client=request.sender.peer,
                    bytes_in=size,
                    bytes_out=len(response.body),
                    ended=time.time_ns(),
                    duration=spent,
                    scoring=request.scoring,
                )
            )


def make_id(bits: int, none: str) -> str:
    """Return a random identifier in hexadecimal that is not all zeros."""
    text = f"{getrandbits(bits):032x}" if bits == 128 else f"{getrandbits(bits):016x}"
    return text if text != none else make_id(bits, none)


def place_scoring(trace: Trace) -> Trace:
    """Return the place of the span of scoring, below the request's; its identifier follows from the request's."""
    flipped = f"{int(trace.span_id, 16) ^ (1 << 63):016x}"
    span_id = flipped if flipped != NO_SPAN else trace.span_id
    return Trace(trace.trace_id, span_id, trace.flags, trace.state, trace.span_id)


def describe(span: Span) -> list[Value]:
    """Return a request's span and, when it was scored, those of waiting and scoring, in OTLP's form."""
    start = span.ended - int(span.duration * 1e9)
    attributes: dict[str, Any] = {
        "http.request.method": span.method,
        "http.route": span.route if span.route != "other" else None,
        "url.path": span.path,
        "url.scheme": "http",
        "http.response.status_code": span.status,
        "error.type": str(span.status) if span.status >= 500 else None,
        "client.address": span.client,
        "http.request.body.size": span.bytes_in,
        "http.response.body.size": span.bytes_out,
    }
    told = [*make_attributes(attributes), make_rare_attribute("kiln.request_id", span.request_id)]
    name = f"{span.method} {span.route}" if span.route != "other" else span.method
    spans = [_make(span.trace, name, SERVER, (start, span.ended), told, failed=span.status >= 500)]
    if span.scoring is not None:
        queued, spent, batch = span.scoring
        sent = min(start + int(queued * 1e9), span.ended)
        done = min(sent + int(spent * 1e9), span.ended)
        scoring = place_scoring(span.trace)
        waiting = Trace(scoring.trace_id, make_id(64, NO_SPAN), scoring.flags, scoring.state, span.trace.span_id)
        spans.append(_make(waiting, "queue", INTERNAL, (start, sent), [], failed=False))
        records = [make_attribute("kiln.batch.records", batch)]
        spans.append(_make(scoring, "predict", INTERNAL, (sent, done), records, failed=span.status >= 500))
    return spans


def _make(
    trace: Trace, name: str, kind: int, times: tuple[int, int], attributes: Sequence[Value], *, failed: bool
) -> Value:
    made: dict[str, Any] = {
        "traceId": trace.trace_id,
        "spanId": trace.span_id,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": times[0],
        "endTimeUnixNano": times[1],
        "attributes": list(attributes),
    }
    if trace.parent_id:
        made["parentSpanId"] = trace.parent_id
    if trace.state:
        made["traceState"] = trace.state
    if failed:
        made["status"] = {"code": ERROR}
    return made

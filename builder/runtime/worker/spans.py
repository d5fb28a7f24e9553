"""The caller's trace as the current span of OpenTelemetry, for author's code that uses its API."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from ..request import Request

API = "opentelemetry.trace"


def attach(requests: Sequence[Request]) -> Callable[[], None] | None:
    """Make spans the author begins children of the request's; return what ends that.

    Nothing is done unless the author's code has imported the API, the call is for one request, and that is in a trace.
    """
    if API not in sys.modules or len(requests) != 1 or not requests[0].traceparent:
        return None
    request = requests[0]
    context: Any = import_module("opentelemetry.context")
    trace: Any = import_module(API)
    state = trace.TraceState.from_header([request.tracestate] if request.tracestate else [])
    flags = trace.TraceFlags(int(request.traceparent[53:55], 16))
    place = trace.SpanContext(int(request.trace_id, 16), int(request.span_id, 16), True, flags, state)
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(place)))
    return lambda: context.detach(token)

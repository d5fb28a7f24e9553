"""With OpenTelemetry's own API, as a bundle may bring it."""

from __future__ import annotations

import sys

import pytest
from opentelemetry import propagate, trace

from builder.runtime.request import Request
from builder.runtime.worker.spans import API, attach

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_author_s_spans_and_calls_continue_the_request_s_trace() -> None:
    detach = attach([Request("a", PARENT, "k=v")])
    assert detach is not None
    place = trace.get_current_span().get_span_context()
    headers: dict[str, str] = {}
    propagate.inject(headers)
    detach()
    assert (f"{place.trace_id:032x}", f"{place.span_id:016x}") == (PARENT[3:35], PARENT[36:52])
    assert place.is_remote
    assert place.trace_flags.sampled
    assert headers == {"traceparent": PARENT, "tracestate": "k=v"}
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize("requests", [[], [Request("a")], [Request("a", PARENT), Request("b", PARENT)]])
def test_a_batch_and_a_request_without_trace_have_no_current_span(requests: list[Request]) -> None:
    assert attach(requests) is None


def test_code_that_does_not_use_the_api_pays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, API)
    assert attach([Request("a", PARENT)]) is None

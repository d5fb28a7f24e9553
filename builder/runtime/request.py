"""Which requests are being scored, for the author's code to ask.

It is importable in the image only::

    try:
        from kiln_runtime.request import current_requests
    except ImportError:  # elsewhere nothing is being served
        def current_requests():
            return ()
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and the place in a trace (W3C Trace Context) that calls made for it belong to, if it is in one."""

    id: str
    traceparent: str = ""
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        """The trace, in hexadecimal; empty when there is none."""
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        """The span above, in hexadecimal; empty when there is none."""
        return self.traceparent[36:52]


class Scope:
    """The requests one call of the author's code is for, made when they are asked for: most calls log nothing."""

    __slots__ = ("_made", "_pairs", "_traces")

    def __init__(self, pairs: Sequence[tuple[str, Any]], traces: Sequence[tuple[str, str]] = ()) -> None:
        self._pairs = pairs
        self._traces = traces
        self._made: tuple[Request, ...] | None = None

    @property
    def requests(self) -> tuple[Request, ...]:
        """What is scored."""
        if self._made is None:
            traces = self._traces or (("", ""),) * len(self._pairs)
            self._made = tuple(Request(pair[0], *trace) for pair, trace in zip(self._pairs, traces, strict=True))
        return self._made


NOTHING = Scope(())
_scope: ContextVar[Scope | None] = ContextVar("kiln_requests", default=None)
_latest = [NOTHING]


def enter(scope: Scope) -> None:
    """Say what is scored from now on, in this thread and in those that know no better."""
    _latest[0] = scope
    _scope.set(scope)


def current_requests() -> tuple[Request, ...]:
    """Return the requests that are being scored: one, those of a batch, or none while loading.

    Threads and tasks that were started for a request stay with it; any other thread gets what is scored now.
    """
    return (_scope.get() or _latest[0]).requests

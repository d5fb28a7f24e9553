"""Which requests are being scored, for the author's code to ask.

It is importable in the image only::

    try:
        from kiln_runtime.request import current_requests
    except ImportError:  # elsewhere nothing is being served
        def current_requests():
            return ()
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


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
    """The requests one call of the author's code is for."""

    __slots__ = ("requests",)

    def __init__(self, requests: tuple[Request, ...] = ()) -> None:
        self.requests = requests


_scope: ContextVar[Scope | None] = ContextVar("kiln_requests", default=None)
_latest = [Scope()]


def enter(requests: tuple[Request, ...]) -> None:
    """Say what is scored from now on, in this thread and in those that know no better."""
    _latest[0] = scope = Scope(requests)
    _scope.set(scope)


def current_requests() -> tuple[Request, ...]:
    """Return the requests that are being scored: one, those of a batch, or none while loading.

    Threads and tasks that were started for a request stay with it; any other thread gets what is scored now.
    """
    return (_scope.get() or _latest[0]).requests

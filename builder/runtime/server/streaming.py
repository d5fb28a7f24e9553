"""An answer that is sent while the model still makes it: JSON lines, or server-sent events where they are asked for.

A client that is slow to take the parts makes the model wait, one that hangs up stops it. What goes wrong after the
first part can change the status no more: the last line says so, and the connection ends without the end of the body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..wire import INTERNAL_ERROR, OK
from .failure import UNSPEAKABLE, Failure
from .message import JSON, Headers, Request, Response, Streamer, to_json
from .pool import Pool
from .work import Work

JSON_LINES = "application/x-ndjson"
EVENTS = "text/event-stream"
Finish = Callable[[str, Any], None]


@dataclass(frozen=True, slots=True)
class Form:
    """How values are told apart in a stream."""

    content_type: str
    before: bytes
    after: bytes
    before_error: bytes

    def write(self, value: Any) -> bytes:
        """Return one value."""
        return self.before + to_json(value) + self.after

    def write_error(self, failure: Failure) -> bytes:
        """Return what ends a stream that is not whole."""
        about = {"error": failure.message, "message": failure.message, "request_id": failure.request_id}
        return self.before_error + to_json(about) + self.after


LINES = Form(JSON_LINES, b"", b"\n", b"")
SERVER_SENT = Form(EVENTS, b"data: ", b"\n\n", b"event: error\ndata: ")


def choose_form(accept: str | None) -> Form | None:
    """Return the form of a stream by what the client accepts; None when it wants the whole answer as plain JSON."""
    wanted = [part.partition(";")[0].strip().lower() for part in (accept or "").split(",")]
    if EVENTS in wanted:
        return SERVER_SENT
    return LINES if JSON not in wanted or JSON_LINES in wanted else None


class Stream:
    """One streamed answer.

    ``explain`` words a failure, ``complain`` tells of a value that cannot be sent, ``finished`` is told of a response
    that was begun.
    """

    def __init__(
        self,
        *,
        request: Request,
        streamer: Streamer,
        form: Form,
        pool: Pool,
        headers: Headers,
        explain: Callable[[str], Failure],
        complain: Callable[[Exception], None],
        finished: Callable[[Response], None],
    ) -> None:
        self._request = request
        self._streamer = streamer
        self._form = form
        self._pool = pool
        self._headers = (*headers, ("cache-control", "no-store"))
        self._explain = explain
        self._complain = complain
        self._finished = finished
        self._begun = False

    def add(self, work: Work, value: Any) -> None:
        """Send a part, and ask for more once the client has room."""
        try:
            data = self._form.write(value)
        except UNSPEAKABLE as error:
            self._complain(error)
            self._pool.cancel(work)
            work.finish(INTERNAL_ERROR)
            return
        self._begin()
        self._request.when_taken = None
        if self._streamer.add(self._request, data):
            self._pool.grant(work)
        else:
            self._request.when_taken = lambda: self._pool.grant(work)

    def end(self, outcome: str) -> bool:
        """End the answer; return false when nothing was begun, so that a failure can still have its own status."""
        whole = outcome == OK
        if not self._begun and not whole:
            return False
        self._begin()
        failure = None if whole else self._explain(outcome)
        if failure is not None:
            self._streamer.add(self._request, self._form.write_error(failure))
        self._request.answered = True
        self._streamer.end(self._request, whole=whole)
        self._finished(Response(200 if failure is None else failure.status, b"", self._form.content_type))
        return True

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            head = Response(200, b"", self._form.content_type, headers=self._headers)
            self._streamer.begin(self._request, head)

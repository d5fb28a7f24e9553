"""Messages between the server and a worker over a socket pair.

A frame is four bytes of length, little endian, and the marshalled message: a tuple of plain values whose first item
is its kind. Both ends are the same interpreter, which is all that marshal asks for.
The payload of a request for records is a list of records, or a tuple of rows: values in the order of the columns that
the worker has named, which cost a fraction of records.
"""

from __future__ import annotations

import marshal
import struct
from collections.abc import Iterator
from typing import Any

HEADER = struct.Struct("<I")

SCORE = "score"
"""To a worker: (SCORE, batch number, [(request id, payload), …], [(traceparent, tracestate), …] or [])."""
DECODE = "decode"
"""To a worker, as SCORE, each payload being (format, body, cells there may be); answered by RESULT."""
STREAM = "stream"
"""To a worker: as SCORE with one request, whose answer is wanted as it comes: PART after PART, then RESULT."""
MORE = "more"
"""To a worker: (MORE, batch number, how many further parts it may send)."""
CANCEL = "cancel"
"""To a worker: (CANCEL, batch number). Nobody wants the rest of a stream; RESULT follows."""
READY = "ready"
"""From a worker: (READY, seconds the load took, whether it answers in parts, columns in the order it takes rows in)."""
FAILED = "failed"
"""From a worker: (FAILED, traceback). It ends after that."""
PART = "part"
"""From a worker: (PART, batch number, one plain value)."""
WINDOW = 64
"""Parts a worker may send before it is told that there may be more."""
RESULT = "result"
"""From a worker: (RESULT, batch number, [(outcome, value), …], seconds spent in the author's code)."""

OK = "ok"
"""The outcome of one request: value is its list of predictions, or the text of its answer for Azure ML's contract."""
CANCELLED = "cancelled"
"""A stream was given up because nobody wanted the rest of it."""
REFUSED = "refused"
"""The model cannot take what the request holds: value is [(record number, field, value, allowed, how many more)]."""
USER_ERROR = "user"
"""The author's code raised; the traceback is in the log."""
INTERNAL_ERROR = "internal"
"""The author's code answered something that cannot be sent; the reason is in the log."""


def pack(message: tuple[Any, ...]) -> bytes:
    """Return the frame of a message."""
    body = marshal.dumps(message)
    return HEADER.pack(len(body)) + body


class Unpacker:
    """Turns a stream of bytes back into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Any, ...]]:
        """Yield every message that is now complete."""
        if not self._buffer and len(data) >= HEADER.size and HEADER.unpack_from(data)[0] == len(data) - HEADER.size:
            yield marshal.loads(memoryview(data)[HEADER.size :])  # noqa: S302 - one whole message, as mostly
            return
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            (length,) = HEADER.unpack_from(self._buffer)
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            with memoryview(self._buffer) as view:
                message = marshal.loads(view[HEADER.size : end])  # noqa: S302 - from our own child or parent
            del self._buffer[:end]
            yield message

"""One HTTP/1.1 connection: parsed by llhttp, limited in every direction, answered in order.

Limits: bytes of the request line and headers (431), bytes of a body (413), seconds a client may take over the head,
over the body, between requests and to take an answer. A client that is refused in mid-body is read on and ignored for
a while, so that it sees the answer instead of a reset.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

import httptools

from ..settings import Settings
from .failure import RETRY, Failure
from .message import Request, Response, serialise, to_json

Handler = Callable[[Request], None]
LONGEST_DISCARD = 256 << 20
"""Bytes read and thrown away after a refusal."""
DISCARD_TIMEOUT = 10.0
READ_AT_ONCE = 256 << 10
"""Bytes that a transport may hand over together."""
MOST_HEADERS = 128
NEVER = float("inf")


Word = Callable[[Request, Failure], Response]


def word_plainly(_request: Request, failure: Failure) -> Response:
    """Return the answer to a request of which not even the route is known."""
    body = to_json({"error": failure.message, "message": failure.message})
    return Response(failure.status, body, headers=failure.headers)


@lru_cache(1024)
def find_name(name: bytes) -> str:
    """Return the name of a header as it is looked for."""
    return name.decode("latin-1").lower()


@dataclass(kw_only=True, slots=True, eq=False)
class Gate:
    """What all connections share: the limits, the handler, and who is connected."""

    settings: Settings
    handler: Handler
    loop: asyncio.AbstractEventLoop
    word: Word = word_plainly
    """Puts the refusal of a request whose head was read into the words of its route."""
    connections: set[Connection] = field(default_factory=set)
    buffered: int = 0
    """Bytes of bodies held for requests that are not answered yet."""
    most_buffered: int = 64 << 20
    closing: bool = False
    drained: asyncio.Event | None = None
    """Set when the last connection is gone."""

    def discard(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self.connections.discard(connection)
        if self.drained is not None and not self.connections:
            self.drained.set()

    def sweep(self) -> None:
        """Cut off every connection whose time is up."""
        now = time.monotonic()
        for connection in [each for each in self.connections if each.deadline < now]:
            connection.expire()

    def close_idle(self) -> None:
        """Begin to drain: close what waits for a request, and everything else after its answer."""
        self.closing = True
        for connection in list(self.connections):
            connection.close_if_idle()

    def abort(self) -> None:
        """Drop every connection."""
        for connection in list(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """The protocol of one connection; see the module for what it guarantees."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._settings = gate.settings
        self._loop = gate.loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._reading: Request | None = None
        self._in_head = False
        self._head_size = 0
        self._size = 0
        self._beside = 0
        """Bytes since the last ones of a body: what a chunk says of itself, and fields after the body."""
        self._current: Request | None = None
        self._waiting: deque[Request] = deque()
        self._discarding = -1
        self._paused = False
        self._holding = False
        self._ending = False
        self.deadline = NEVER
        self.peer = ""

    # --- the life of a connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's own is not a subclass
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        self._gate.connections.add(self)
        self.deadline = time.monotonic() + self._settings.head_timeout
        if len(self._gate.connections) > self._settings.max_connections:
            failure = Failure(status=503, message="too many connections", headers=RETRY)
            refusal = word_plainly(Request(self, time.monotonic()), failure)
            transport.write(serialise(refusal, head_only=False, close=True))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell whoever works for this client that it is gone."""
        self._gate.discard(self)
        for request in (self._reading, self._current, *self._waiting):
            if request is not None:
                request.gone = True
                self._release(request)
                if request.when_gone is not None:
                    request.when_gone()
        self._reading = self._current = None
        self._waiting.clear()
        self._transport = None

    def eof_received(self) -> bool:
        """Keep a half-closed connection for as long as an answer is owed."""
        self._ending = True
        return self._current is not None or bool(self._waiting)

    def pause_writing(self) -> None:
        """Hold answers back while the client does not take them, but not for ever."""
        self._paused = True
        self.deadline = time.monotonic() + self._settings.body_timeout

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        if self._current is not None and self._current.when_taken is not None:
            self._current.when_taken()
        self.deadline = NEVER if self._current is not None else time.monotonic() + self._settings.idle_timeout
        self._start_next()

    def expire(self) -> None:
        """Cut off a client that took too long; one that is in the middle of a request is told so."""
        self.deadline = NEVER
        transport = self._transport
        if transport is None:
            return
        if self._paused or self._discarding >= 0:
            transport.abort()
        elif self._reading is not None:
            what = "the headers" if self._in_head else "the body"
            self._refuse(408, f"{what} did not arrive in time")
        else:
            transport.close()

    def close_if_idle(self) -> None:
        """Close unless a request is being read or an answer is owed."""
        if self._transport is not None and self._reading is None and self._current is None and not self._waiting:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # --- bytes in

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._discarding >= 0:
            self._discarding += len(data)
            if self._discarding > LONGEST_DISCARD:
                self.abort()
            return
        if self._reading is None or self._in_head:
            self._head_size += len(data)
        else:
            self._beside += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if self._discarding < 0:
                cause = error.__cause__ or error.__context__
                self._refuse(400, f"not a valid HTTP request: {cause or error}")
            return
        if self._discarding >= 0 or self._reading is None:
            return
        if self._in_head and self._head_size > self._settings.max_head:
            self._refuse(431, f"the request line and headers are over {self._settings.max_head} bytes")
        elif self._beside > self._settings.max_head + READ_AT_ONCE:
            self._refuse(431, f"what comes with the body is over {self._settings.max_head} bytes")

    def _decline_upgrade(self, rest: bytes) -> None:
        """Take a request that offers another protocol for what it is without the offer; the parser left its body."""
        request = self._reading
        if request is None:
            return
        self._reading = None
        lines = [f"{name}: {value}\r\n" for name, value in request.headers if name not in {"upgrade", "connection"}]
        if not request.keep_alive:
            lines.append("connection: close\r\n")
        version = "1.0" if request.old else "1.1"
        head = f"{request.method} {request.target.decode('latin-1')} HTTP/{version}\r\n{''.join(lines)}\r\n"
        self._parser = httptools.HttpRequestParser(self)
        self.data_received(head.encode("latin-1") + rest)

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._discarding >= 0:
            return
        now = time.monotonic()
        self._reading = Request(self, now)
        self._in_head = True
        self._size = self._beside = 0
        self.deadline = now + self._settings.head_timeout

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        if self._reading is not None:
            self._reading.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if self._reading is not None and self._in_head:  # fields after the body mean nothing here
            self._reading.headers.append((find_name(name), value.decode("latin-1").rstrip(" \t")))
            self._size += len(name) + len(value) + 4

    def on_headers_complete(self) -> None:
        """Judge the head before any of the body is read."""
        request = self._reading
        if request is None:
            return
        self._in_head = False
        self._head_size = 0
        parser = self._parser
        request.method = parser.get_method().decode("latin-1")
        request.keep_alive = parser.should_keep_alive()
        request.old = parser.get_http_version() == "1.0"
        request.streamer = self
        self.deadline = time.monotonic() + self._settings.body_timeout
        if self._size + len(request.target) > self._settings.max_head or len(request.headers) > MOST_HEADERS:
            self._refuse(431, f"headers over {self._settings.max_head} bytes or more than {MOST_HEADERS} of them")
            return
        hosts = sum(name == "host" for name, _ in request.headers)
        if hosts != 1 and not request.old:  # RFC 9112 §3.2
            self._refuse(400, f"an HTTP/1.1 request has one Host header; this one has {hosts or 'none'}")
            return
        length = request.get_header("content-length")
        if length is not None and int(length) > self._settings.max_body:
            self._refuse_body(f"the body has {length} bytes; the limit is {self._settings.max_body}")
            return
        coding = request.get_header("transfer-encoding")
        if coding is not None and coding.strip().lower() != "chunked":
            self._refuse(501, "the body must be sent as it is, or chunked")
            return
        expected = request.get_header("expect")
        asked = expected is not None and expected.lower() == "100-continue" and not request.old
        if asked and self._transport and not self._current:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        request = self._reading
        if request is None:
            return
        self._beside = 0
        request.chunks.append(body)
        request.size += len(body)
        self._gate.buffered += len(body)
        if request.size > self._settings.max_body:
            self._refuse_body(f"the body is over {self._settings.max_body} bytes")
        elif self._gate.buffered > self._gate.most_buffered:
            self._refuse(503, "too many large requests at once")

    def on_message_complete(self) -> None:
        """Hand a whole request on, in its turn."""
        request = self._reading
        if request is None:
            return
        if self._parser.should_upgrade():
            if request.method != "CONNECT":
                return
            self._refuse(405, "this is not a proxy")
            return
        self._reading = None
        if self._gate.closing:
            request.keep_alive = False
        self._waiting.append(request)
        self._start_next()

    # --- answers out

    def send(self, request: Request, response: Response) -> None:
        """Write an answer, then turn to the next request."""
        self._release(request)
        transport = self._transport
        if transport is None or self._current is not request:
            return
        close = not request.keep_alive or self._gate.closing
        transport.write(serialise(response, head_only=request.method == "HEAD", close=close))
        self._finish(transport, request, close=close)

    def begin(self, request: Request, response: Response) -> None:
        """Write the head of an answer that comes in parts; to HTTP/1.0 it ends when the connection does."""
        transport = self._transport
        if transport is None or self._current is not request:
            return
        if request.old:
            request.keep_alive = False
        framing = "" if request.old else "transfer-encoding: chunked\r\n"
        close = not request.keep_alive or self._gate.closing
        transport.write(serialise(response, head_only=True, close=close, framing=framing))

    def add(self, request: Request, data: bytes) -> bool:
        """Write a part; say whether the client keeps up."""
        transport = self._transport
        if transport is None or self._current is not request or not data:
            return False
        request.sent += len(data)
        transport.write(data if request.old else b"%x\r\n%b\r\n" % (len(data), data))
        return not self._paused

    def end(self, request: Request, *, whole: bool) -> None:
        """End an answer in parts; one that is not whole ends with the connection, and without the last chunk."""
        self._release(request)
        transport = self._transport
        if transport is None or self._current is not request:
            return
        if whole and not request.old:
            transport.write(b"0\r\n\r\n")
        self._finish(transport, request, close=not whole or not request.keep_alive or self._gate.closing)

    def _finish(self, transport: asyncio.Transport, request: Request, *, close: bool) -> None:
        """Turn to what comes after an answer."""
        self._current = None
        if request.refusal is not None:
            self._discarding = 0
            self.deadline = time.monotonic() + DISCARD_TIMEOUT
            if self._ending:
                transport.close()
            elif transport.can_write_eof():
                transport.write_eof()
            self._hold(transport, hold=False)
            return
        if close or (self._ending and not self._waiting):
            transport.close()
            return
        if not self._paused:
            self.deadline = time.monotonic() + (
                self._settings.idle_timeout if self._reading is None else self._settings.head_timeout
            )
        if self._waiting:
            self._loop.call_soon(self._start_next)
        else:
            self._hold(transport, hold=False)

    def _hold(self, transport: asyncio.Transport, *, hold: bool) -> None:
        """Leave what comes next in the socket, or take it again: one request at a time."""
        if hold != self._holding:
            self._holding = hold
            if hold:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def _start_next(self) -> None:
        transport = self._transport
        if transport is None or self._current is not None or self._paused or not self._waiting:
            if self._waiting and transport is not None:
                self._hold(transport, hold=True)
            return
        request = self._current = self._waiting.popleft()
        self.deadline = NEVER
        self._gate.handler(request)

    def _refuse_body(self, message: str) -> None:
        self._refuse(413, message)

    def _refuse(self, status: int, message: str) -> None:
        """Answer in turn, read no more, and close."""
        request = self._reading or Request(self, time.monotonic())
        self._release(request)
        self._reading = None
        self._discarding = 0
        request.keep_alive = False
        failure = Failure(status=status, message=message, headers=RETRY if status == 503 else ())
        word = word_plainly if self._in_head or not request.method else self._gate.word
        request.refusal = word(request, failure)
        self._waiting.append(request)
        self._start_next()

    def _release(self, request: Request) -> None:
        self._gate.buffered -= request.size
        request.size = 0
        request.chunks.clear()

"""A request as it was read, a response as it will be written. Header names are lower case."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from random import getrandbits
from typing import Protocol

import msgspec

from .trace import Trace

JSON = "application/json"
LONGEST_ID = 100
BODILESS = frozenset({204, 304})
"""Statuses whose answers have neither body nor length (RFC 9110 §8.6)."""
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
Headers = tuple[tuple[str, str], ...]


class Response(msgspec.Struct):
    """A whole answer. ``headers`` do not hold content-type, content-length, date or connection.

    An empty ``content_type`` is not sent.
    """

    status: int
    body: bytes
    content_type: str = JSON
    headers: Headers = ()


class Sender(Protocol):
    """The connection a request came by."""

    peer: str

    def send(self, request: Request, response: Response) -> None:
        """Write the response to this request, once."""
        ...


class Streamer(Protocol):
    """A connection that can take an answer in parts."""

    def begin(self, request: Request, response: Response) -> None:
        """Write the head of a response whose body, so far empty, follows in parts."""
        ...

    def add(self, request: Request, data: bytes) -> bool:
        """Write a part of the response; say whether the client keeps up."""
        ...

    def end(self, request: Request, *, whole: bool) -> None:
        """End the response; one that is not whole is broken off, so that the client can tell."""
        ...


class Request(msgspec.Struct, eq=False):
    """One request. ``started`` is on the clock of the event loop; ``gone`` turns true when the client hangs up."""

    sender: Sender
    started: float
    method: str = ""
    target: bytes = b""
    headers: list[tuple[str, str]] = []  # each request gets a list of its own
    chunks: list[bytes] = []
    size: int = 0
    keep_alive: bool = True
    gone: bool = False
    answered: bool = False
    refusal: Response | None = None
    request_id: str = ""
    route: str = "other"
    parameters: Mapping[str, str] = {}
    """What the route's pattern matched."""
    scoring: tuple[float, float, int] | None = None
    """Seconds in the queue, seconds in the model, records in the batch; once it has been scored."""
    trace: Trace | None = None
    """The trace it belongs to, if any."""
    streamer: Streamer | None = None
    """The connection, if it can take the answer in parts."""
    old: bool = False
    """It is HTTP/1.0, which knows no chunks."""
    sent: int = 0
    """Bytes of a streamed answer that are out."""
    when_gone: Callable[[], None] | None = None
    """Called when the client hangs up before it has its answer."""
    when_taken: Callable[[], None] | None = None
    """Called when a client that was slow to take a streamed answer has taken what there was."""

    def get_header(self, name: str) -> str | None:
        """Return the first header of this name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def body(self) -> bytes:
        """The whole body."""
        return self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)

    @property
    def path(self) -> str:
        """The path without the query, as it was sent."""
        return self.target.partition(b"?")[0].decode("latin-1")

    @property
    def query(self) -> str:
        """The query without the question mark, as it was sent."""
        return self.target.partition(b"?")[2].decode("latin-1")

    def respond(self, response: Response) -> None:
        """Send the response; a second one, or one to a client that is gone, is dropped."""
        if not self.answered:
            self.answered = True
            self.sender.send(self, response)


def make_request_id() -> str:
    """Return a new random UUID (version 4) as text."""
    text = f"{getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def is_printable(text: str) -> bool:
    """Say whether a header value from outside may be sent back in a header."""
    return text.isprintable()


def to_json(value: object) -> bytes:
    """Return the value as JSON."""
    return msgspec.json.encode(value)


class Clock:
    """The ``Date`` header, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        """Return the header line of now."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = f"date: {formatdate(now, usegmt=True)}\r\n".encode()
        return self._line


CLOCK = Clock()


def serialise(response: Response, *, head_only: bool, close: bool, framing: str | None = None) -> bytes:
    """Return the bytes of a response; ``framing`` stands in place of the header that tells the length."""
    more = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
    kind = f"content-type: {response.content_type}\r\n" if response.content_type else ""
    length = "" if response.status in BODILESS else f"content-length: {len(response.body)}\r\n"
    length = length if framing is None else framing
    head = f"{kind}{length}{more}{'connection: close' if close else 'connection: keep-alive'}\r\n\r\n"
    line = STATUS_LINES.get(response.status) or f"HTTP/1.1 {response.status} Unknown\r\n".encode()
    return b"".join((line, CLOCK.line(), head.encode("latin-1"), b"" if head_only else response.body))

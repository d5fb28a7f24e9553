"""The log on standard output, written by a thread of its own: a reader who stalls never stalls the server.

A line is one JSON object; where a person reads, it is text (``log_text``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from time import time_ns
from typing import Any

import msgspec

from ..log_text import show_line, wants_color, wants_text

MOST_PENDING = 8 << 20
"""Bytes that wait for a slow reader; lines beyond that are dropped and counted."""
FLUSH_INTERVAL = 0.02
MARK = b"\x1e"
encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(dict[str, Any]).decode


class Clock:
    """The time as lines tell it, made once a millisecond."""

    def __init__(self) -> None:
        self._at = 0
        self._text = ""

    def now(self) -> str:
        """Return the time in UTC, to the millisecond."""
        at = time_ns() // 1_000_000
        if at != self._at:
            self._at = at
            self._text = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
        return self._text


CLOCK = Clock()


class Log:
    """Collects lines and writes them in the order they came."""

    def __init__(self, descriptor: int = 1, environment: Mapping[str, str] = os.environ) -> None:
        self._descriptor = descriptor
        self._text = wants_text(environment, descriptor)
        self._color = self._text and wants_color(environment, descriptor)
        self._pending: list[bytes] = []
        self._size = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ending = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._write_for_ever, name="log", daemon=True)
        self._thread.start()

    def write(self, level: str, message: str, *, logger: str = "kiln", **more: Any) -> None:
        """Add one line."""
        self.add(encode({"time": CLOCK.now(), "level": level, "logger": logger, "message": message, **more}))

    def add(self, line: bytes) -> None:
        """Add a line that is JSON already."""
        with self._lock:
            if self._size + len(line) > MOST_PENDING:
                self.dropped += 1
                return
            self._pending.append(line)
            self._size += len(line) + 1
        if not self._wake.is_set():
            self._wake.set()

    def add_output(self, line: bytes, pid: int, list_requests: Callable[[], Sequence[str]] = tuple) -> None:
        """Add a line of a worker's output: as it is when it is marked as JSON and is that, wrapped when it is not.

        ``list_requests`` tells which requests the worker holds, and is asked only for what has to be wrapped.
        """
        plain, mark, marked = line.partition(MARK)
        if mark and not is_object(marked):
            plain, mark = line, b""
        if plain.strip():
            requests = list_requests()
            more = {"request_id": requests[0]} if len(requests) == 1 else {"request_ids": requests} if requests else {}
            self.write("info", plain.decode(errors="backslashreplace"), logger="output", pid=pid, **more)
        if mark:
            self.add(marked)

    def close(self, timeout: float = 1.0) -> None:
        """Write what is left, for no longer than the timeout in seconds."""
        self._ending = True
        self._wake.set()
        self._thread.join(timeout)

    def _write_for_ever(self) -> None:
        while True:
            self._wake.wait()
            if not self._ending:
                threading.Event().wait(FLUSH_INTERVAL)
            self._wake.clear()
            with self._lock:
                lines = self._pending
                self._pending = []
            self._put(lines)
            with self._lock:
                self._size -= sum(map(len, lines)) + len(lines)
                if self._ending and not self._pending:
                    return
                if self._ending:
                    self._wake.set()

    def _put(self, lines: list[bytes]) -> None:
        if self._text:
            lines = [show_line(line, color=self._color) for line in lines]
        view = memoryview(b"\n".join([*lines, b""]))
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            pass  # nobody reads any more; serving goes on


def is_object(line: bytes) -> bool:
    """Say whether a line is one JSON object."""
    try:
        decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True

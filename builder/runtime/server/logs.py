"""JSON lines on standard output, written by a thread of their own: a reader who stalls never stalls the server."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from typing import Any

import msgspec

MOST_PENDING = 8 << 20
"""Bytes that wait for a slow reader; lines beyond that are dropped and counted."""
FLUSH_INTERVAL = 0.02
MARK = b"\x1e"
encode = msgspec.json.Encoder().encode


class Log:
    """Collects lines and writes them in the order they came."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
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
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.add(encode({"time": time, "level": level, "logger": logger, "message": message, **more}))

    def add(self, line: bytes) -> None:
        """Add a line that is JSON already."""
        with self._lock:
            if self._size + len(line) > MOST_PENDING:
                self.dropped += 1
                return
            self._pending += (line, b"\n")
            self._size += len(line) + 1
        if not self._wake.is_set():
            self._wake.set()

    def add_output(self, line: bytes, pid: int) -> None:
        """Add a line of a worker's output: as it is when it is marked as JSON, wrapped when it is anything else."""
        plain, mark, marked = line.partition(MARK)
        if plain.strip():
            self.write("info", plain.decode(errors="backslashreplace"), logger="output", pid=pid)
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
                data = b"".join(self._pending)
                self._pending.clear()
            view = memoryview(data)
            try:
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError:
                pass  # nobody reads any more; serving goes on
            with self._lock:
                self._size -= len(data)
                if self._ending and not self._pending:
                    return
                if self._ending:
                    self._wake.set()

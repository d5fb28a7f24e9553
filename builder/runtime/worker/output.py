"""What the author's code prints, logs or warns of becomes JSON lines that carry the request it belongs to.

A line made here starts with a record separator (RFC 7464), so that the server passes it on as it is; whatever
else appears on the worker's standard output, from a C library say, is wrapped by the server.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MARK = b"\x1e"
OURS = str(Path(__file__).resolve().parent.parent) + os.sep
LONGEST = 65536
"""Characters of one message; the rest is cut off."""


class Journal:
    """Writes JSON lines to a descriptor, each whole, with the request that is being scored."""

    def __init__(self, descriptor: int = 1, mark: bytes = MARK) -> None:
        self._descriptor = descriptor
        self._mark = mark
        self._lock = threading.Lock()
        self.requests: Sequence[str] = ()

    def write(self, level: str, logger: str, message: str, **more: Any) -> None:
        """Write one line; a message that is too long is cut."""
        line: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": level,
            "logger": logger,
            "message": message if len(message) <= LONGEST else message[:LONGEST] + "…",
        }
        if len(self.requests) == 1:
            line["request_id"] = self.requests[0]
        elif self.requests:
            line["request_ids"] = list(self.requests)
        line |= more
        line["pid"] = os.getpid()
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=str)
        data = self._mark + text.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            while data:
                data = data[os.write(self._descriptor, data) :]

    def write_traceback(self, message: str, error: BaseException) -> None:
        """Write an exception of the author's code, its traceback as a field of its own."""
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename.startswith(OURS) and frames.tb_next is not None:
            frames = frames.tb_next
        shown = "".join(traceback.format_exception(type(error), error, frames))
        self.write("error", "kiln.scoring", f"{message} {type(error).__name__}: {error}", exception=shown)


class LineStream(io.TextIOBase):
    """Stands in for ``sys.stdout`` or ``sys.stderr``: every line printed becomes a line of the journal."""

    def __init__(self, journal: Journal, name: str, level: str) -> None:
        self._journal = journal
        self._name = name
        self._level = level
        self._rest = threading.local()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What a program may ask of a text stream."""
        return "utf-8"

    def fileno(self) -> int:
        """Return the real descriptor, for code that writes past Python."""
        return 1 if self._name == "stdout" else 2

    def writable(self) -> bool:
        """Return true: it is for writing."""
        return True

    def write(self, text: str) -> int:
        """Keep text until its line is whole."""
        *lines, rest = (getattr(self._rest, "text", "") + text).split("\n")
        if len(rest) > LONGEST:
            lines, rest = [*lines, rest], ""
        self._rest.text = rest
        for line in lines:
            if line.strip():
                self._journal.write(self._level, self._name, line)
        return len(text)

    def finish(self) -> None:
        """Write what is left of an unfinished line."""
        rest = getattr(self._rest, "text", "")
        self._rest.text = ""
        if rest.strip():
            self._journal.write(self._level, self._name, rest)


class JournalHandler(logging.Handler):
    """Sends the records of ``logging`` to the journal, with the traceback as a field of its own."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            more: dict[str, Any] = {}
            if record.exc_info and record.exc_info[0] is not None:
                more["exception"] = "".join(traceback.format_exception(*record.exc_info))
            self._journal.write(record.levelname.lower(), record.name, record.getMessage(), **more)
        except Exception:  # noqa: BLE001 - a log line must never fail a request
            self.handleError(record)


def capture_output(journal: Journal, level: str) -> None:
    """Send ``print``, ``warnings`` and ``logging`` of this process to the journal from now on."""
    sys.stdout = LineStream(journal, "stdout", "info")
    sys.stderr = LineStream(journal, "stderr", "error")
    root = logging.getLogger()
    root.addHandler(JournalHandler(journal))
    root.setLevel(level.upper() if level.upper() in logging.getLevelNamesMapping() else "INFO")
    logging.captureWarnings(True)


def finish_lines() -> None:
    """Write what was printed without a line end; called after each batch."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LineStream):
            stream.finish()

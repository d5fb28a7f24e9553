"""What the author's code prints, logs or warns of becomes JSON lines that carry the request it belongs to.

A line made here starts with a record separator (RFC 7464), so that the server passes it on as it is; whatever
else appears on the worker's standard output, from a C library say, is wrapped by the server. Nothing here raises:
a log that cannot be written never fails a request.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import select
import sys
import threading
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..log_text import show_line
from ..request import Scope, current_requests, enter

MARK = b"\x1e"
NO_TRACE = ("", "")
OURS = str(Path(__file__).resolve().parent.parent) + os.sep
LONGEST = 65536
"""Characters of one message, or of a traceback; the rest is cut off."""
DEEPEST = 8
OWN_FIELDS = frozenset(
    {"time", "level", "logger", "message", "pid", "request_id", "request_ids", "trace_id", "span_id", "cut"}
    | {"exception", "stack"}
)
RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Journal:
    """Writes JSON lines to a descriptor, each whole, with the requests that are being scored."""

    def __init__(self, descriptor: int | None = None, mark: bytes = MARK, *, text: bool = False) -> None:
        # a copy of our own, so that code which redirects descriptor 1 for a while silences only itself
        self._descriptor = os.dup(1) if descriptor is None else descriptor
        self._mark = mark
        self._text = text
        self._lock = threading.Lock()
        self._traces: dict[str, tuple[str, str]] = {}
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        self._lock = threading.Lock()  # a thread that held it is not in this process

    def begin(self, requests: Sequence[tuple[str, Any]], traces: Sequence[tuple[str, str]] = ()) -> None:
        """Begin to score requests, given as ID and payload; :attr:`requests` may narrow them down later."""
        self._traces = {pair[0]: trace for pair, trace in zip(requests, traces, strict=True)} if traces else {}
        enter(Scope(requests, traces))

    @property
    def requests(self) -> Sequence[str]:
        """The IDs of the requests that are being scored."""
        return tuple(request.id for request in current_requests())

    @requests.setter
    def requests(self, ids: Sequence[str]) -> None:
        enter(Scope([(each, None) for each in ids], [self._traces.get(each, NO_TRACE) for each in ids]))

    def write(self, level: str, logger: str, message: str, **more: Any) -> None:
        """Write one line; a message that is too long is cut."""
        line: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": level,
            "logger": logger,
            "message": message,
        }
        if len(message) > LONGEST:
            line["message"], line["cut"] = message[:LONGEST] + "…", len(message)
        requests = current_requests()
        if len(requests) == 1:
            line["request_id"] = requests[0].id
            if requests[0].traceparent:
                line["trace_id"], line["span_id"] = requests[0].trace_id, requests[0].span_id
        elif requests:
            line["request_ids"] = [request.id for request in requests]
        text = dump({**line, **more, "pid": os.getpid()})
        if len(text) > 4 * LONGEST:
            text = dump({**line, "cut": len(text), "pid": os.getpid()})
        data = text.encode("utf-8", "backslashreplace")
        self._put(self._mark + (show_line(data) if self._text else data) + b"\n")

    def _put(self, data: bytes) -> None:
        with self._lock:
            while data:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except BlockingIOError:  # a child that shares the pipe may have made it so
                    select.select([], [self._descriptor], [])
                except OSError:
                    return

    def write_traceback(self, message: str, error: BaseException) -> None:
        """Write an exception of the author's code, its traceback as a field of its own."""
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename.startswith(OURS) and frames.tb_next is not None:
            frames = frames.tb_next
        shown = "".join(traceback.format_exception(type(error), error, frames))
        self.write("error", "kiln.scoring", f"{message} {tell(error)}", exception=cut(shown))


def tell(error: BaseException) -> str:
    """Return an exception's kind and message, whatever its ``__str__`` does."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an author's __str__ may raise anything
        return f"{type(error).__name__}, which cannot be shown"


def dump(line: dict[str, Any]) -> str:
    """Return a line as JSON that every reader takes."""
    try:
        return json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return json.dumps(make_plain(line), ensure_ascii=False, separators=(",", ":"))


def make_plain(value: Any, depth: int = 0) -> Any:
    """Return the nearest thing to a value that JSON has; what it has no form for as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return float(value) if math.isfinite(value) else str(value)
        case dict() if depth < DEEPEST:
            return {str(key): make_plain(item, depth + 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset() if depth < DEEPEST:
            return [make_plain(item, depth + 1) for item in value]
        case _:
            try:
                return cut(str(value))
            except Exception as error:  # noqa: BLE001 - an author's __str__ may raise anything
                return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def cut(text: str) -> str:
    """Return a text that is not too long; of a traceback the end tells most."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 4]}\n…\n{text[-3 * LONGEST // 4 :]}"


class LineBytes(io.RawIOBase):
    """The ``buffer`` of a :class:`LineStream`, for code that prints bytes."""

    def __init__(self, stream: LineStream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        """Return true: it is for writing."""
        return True

    def fileno(self) -> int:
        """Return the real descriptor."""
        return self._stream.fileno()

    def write(self, data: Any) -> int:
        """Print bytes as text."""
        text = bytes(data)
        self._stream.write(text.decode("utf-8", "backslashreplace"))
        return len(text)


class LineStream(io.TextIOBase):
    """Stands in for ``sys.stdout`` or ``sys.stderr``: what is printed becomes a line of the journal once its line ends.

    What one ``print`` writes stays together, line ends in it and all; of a progress bar the last state is kept.
    """

    def __init__(self, journal: Journal, name: str, level: str) -> None:
        self._journal = journal
        self._name = name
        self._level = level
        self._rests: dict[int, str] = {}
        self._buffer = LineBytes(self)

    @property
    def name(self) -> str:
        """What the stream of Python's own is called."""
        return f"<{self._name}>"

    @property
    def buffer(self) -> LineBytes:
        """Where bytes are written."""
        return self._buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What a program may ask of a text stream."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """How text that has no encoding is written."""
        return "backslashreplace"

    def reconfigure(self, **_options: Any) -> None:
        """Change nothing; programs call this to get what they have."""

    def fileno(self) -> int:
        """Return the real descriptor, for code that writes past Python."""
        return 1 if self._name == "stdout" else 2

    def writable(self) -> bool:
        """Return true: it is for writing."""
        return True

    def write(self, text: str) -> int:
        """Keep text until its line is whole."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        thread = threading.get_ident()
        block = self._rests.pop(thread, "") + text
        if block.endswith("\n") or len(block) > LONGEST:
            self._emit(block)
        elif block:
            self._rests[thread] = block
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write lines, together."""
        self.write("".join(lines))

    def finish(self) -> None:
        """Write what is left of unfinished lines."""
        while self._rests:
            self._emit(self._rests.popitem()[1])

    def _emit(self, block: str) -> None:
        if "\r" in block:
            block = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in block.split("\n"))
        block = block.strip("\n")
        if block.strip():
            self._journal.write(self._level, self._name, block)


class JournalHandler(logging.Handler):
    """Sends the records of ``logging`` to the journal, with extra fields, and the traceback as a field of its own."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            more: dict[str, Any] = {
                f"extra_{name}" if name in OWN_FIELDS else name: value
                for name, value in vars(record).items()
                if name not in RECORD_FIELDS and not name.startswith("_")
            }
            if record.exc_info and record.exc_info[0] is not None:
                more["exception"] = cut("".join(traceback.format_exception(*record.exc_info)))
            elif record.exc_text:
                more["exception"] = cut(record.exc_text)
            if record.stack_info:
                more["stack"] = cut(record.stack_info)
            self._journal.write(record.levelname.lower(), record.name, record.getMessage().rstrip("\n"), **more)
        except Exception:  # noqa: BLE001 - a log line must never fail a request
            self.handleError(record)


def capture_output(journal: Journal, level: str) -> None:
    """Send ``print``, ``warnings``, ``logging`` and threads' last words to the journal from now on."""
    sys.stdout = LineStream(journal, "stdout", "info")
    sys.stderr = LineStream(journal, "stderr", "error")
    root = logging.getLogger()
    root.addHandler(JournalHandler(journal))
    root.setLevel(level.upper() if level.upper() in logging.getLevelNamesMapping() else "INFO")
    logging.captureWarnings(True)

    def tell(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            name = args.thread.name if args.thread is not None else "a thread"
            journal.write_traceback(f"{name} ended:", args.exc_value)

    threading.excepthook = tell


def finish_lines() -> None:
    """Write what was printed without a line end; called after each batch."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LineStream):
            stream.finish()

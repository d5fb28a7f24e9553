"""Where time goes: spans of work, kept only while somebody records, and written as a Chrome trace.

The file is the JSON object form of the Trace Event Format, which Perfetto and chrome://tracing open: one row for each
thread, one bar for each span. While nobody records, a span costs a function call.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from builder.errors import HostError

_NOTHING: AbstractContextManager[None] = nullcontext()
_MICROSECOND = 1000


class Recorder:
    """Spans of one process, by thread. Safe to use from any thread."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []
        self._threads: dict[int, str] = {}
        self._guard = threading.Lock()

    @contextmanager
    def span(self, name: str, kind: str, details: Mapping[str, Any]) -> Iterator[None]:
        """Note how long the block takes."""
        started = time.perf_counter_ns()
        try:
            yield
        finally:
            ended = time.perf_counter_ns()
            thread = threading.get_native_id()
            with self._guard:
                self._threads.setdefault(thread, threading.current_thread().name)
                self._events.append(
                    {
                        "name": name,
                        "cat": kind,
                        "ph": "X",
                        "ts": started / _MICROSECOND,
                        "dur": (ended - started) / _MICROSECOND,
                        "pid": os.getpid(),
                        "tid": thread,
                        "args": dict(details),
                    }
                )

    def to_dict(self) -> dict[str, Any]:
        """Return the trace: what names its rows first, then the spans in the order they began."""
        process = os.getpid()
        names = [{"name": "process_name", "ph": "M", "pid": process, "tid": 0, "args": {"name": "kiln"}}]
        names += [
            {"name": "thread_name", "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}
            for thread, name in self._threads.items()
        ]
        spans = sorted(self._events, key=lambda event: (event["ts"], -event["dur"]))
        return {"traceEvents": [*names, *spans], "displayTimeUnit": "ms"}


_recorder: Recorder | None = None


def span(name: str, kind: str = "work", **details: Any) -> AbstractContextManager[None]:
    """Note how long a block takes, where somebody records; ``details`` are JSON values shown with the bar."""
    return _NOTHING if _recorder is None else _recorder.span(name, kind, details)


@contextmanager
def recording(path: Path | None) -> Iterator[None]:
    """Record the block, however it ends, and write its trace to ``path``; without one, nothing is recorded.

    A path that cannot be written is a HostError, told before the block begins.
    """
    if path is None:
        yield
        return
    global _recorder  # noqa: PLW0603 - one recording for one process, so that deep code need not be handed a recorder
    with _faults(path):
        path.write_text("")
    _recorder = recorder = Recorder()
    try:
        with span("kiln", "command"):
            yield
    finally:
        _recorder = None
        with _faults(path):
            path.write_text(json.dumps(recorder.to_dict()))


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError.of(f"the trace cannot be written: {error.strerror or error}", at=str(path)) from error

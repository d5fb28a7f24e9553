"""Threads the author starts stay with the request they were started for, as tasks of asyncio do by themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

POOLS = frozenset({"concurrent.futures.thread", "multiprocessing.pool"})
"""Whose threads outlive what they were started for."""


def run_and_tell(thread: threading.Thread, run: Callable[[], None]) -> None:
    """Run a thread to its end, and have what it raises told while its context still holds."""
    try:
        run()
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - as a thread of Python's own does
        threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))


def follow_threads() -> None:
    """Have every thread, and every call handed to a thread pool, run in the context it was begun in.

    Python does the first by itself from 3.14 on, when asked to (``-X thread_inherit_context``).
    """
    start: Callable[[threading.Thread], None] = threading.Thread.start
    submit: Callable[..., Future[Any]] = ThreadPoolExecutor.submit

    def start_in_context(self: threading.Thread) -> None:
        if getattr(getattr(self, "_target", None), "__module__", "") not in POOLS:
            context, run = copy_context(), self.run

            def run_in_context() -> None:
                del self.run
                context.run(run_and_tell, self, run)

            self.run = run_in_context  # type: ignore[method-assign]
        start(self)

    def submit_in_context(
        self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        return submit(self, copy_context().run, fn, *args, **kwargs)

    threading.Thread.start = start_in_context  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit_in_context  # type: ignore[method-assign,assignment]

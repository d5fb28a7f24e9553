"""The server's event loop, from taking over the listening socket to the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import signal
import socket
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import uvloop

from ..bundle import Bundle
from ..serve import EXIT_CONFIGURATION, EXIT_LOAD_FAILED
from ..settings import Settings
from ..spawn import Spawned
from .application import Application
from .connection import Connection, Gate
from .intake import Reader
from .logs import Log
from .measures import Measures
from .message import Request
from .observer import Observer, wants_telemetry
from .pool import Pool
from .schema import SchemaError

if TYPE_CHECKING:
    from .otlp.export import Export

EXPORT_GRACE = 1.5
"""Seconds a collector has at the end to take the last spans."""
GARBAGE = 10_000
"""Objects that may be in reference cycles before they are looked through; answering a request leaves none."""
SWEEP = 0.5
"""Seconds between looks for clients that take too long."""


def run(
    bundle: Bundle,
    settings: Settings,
    listener: socket.socket,
    spawned: list[Spawned],
    worker_environment: Mapping[str, str],
) -> int:
    """Serve until a signal or a model that never loads; return the exit code."""
    log = Log()
    try:
        reader = Reader(bundle)
    except SchemaError as error:
        log.write("critical", str(error))
        log.close()
        return EXIT_CONFIGURATION
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(Server(bundle, settings, log, reader).serve(listener, spawned, worker_environment))
    finally:
        log.close()


class Server:
    """One run of the service."""

    def __init__(self, bundle: Bundle, settings: Settings, log: Log, reader: Reader) -> None:
        self._bundle = bundle
        self._settings = settings
        self._log = log
        self._reader = reader
        self._stop: asyncio.Future[int]
        self._draining = False
        self._pool: Pool | None = None

    async def serve(self, listener: socket.socket, spawned: list[Spawned], environment: Mapping[str, str]) -> int:
        """Serve; return 0 after a drain, another code when the model never loads."""
        loop = asyncio.get_running_loop()
        self._stop = loop.create_future()
        loop.set_exception_handler(self._log_exception)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        measures = Measures(self._bundle)
        pool = Pool(
            bundle=self._bundle,
            settings=self._settings,
            loop=loop,
            log=self._log,
            measures=measures,
            environment=environment,
            give_up=lambda: self._end(EXIT_LOAD_FAILED),
        )
        self._pool = pool
        application: Application | None = None
        export = self._start_export(measures)

        def handle(request: Request) -> None:
            if application is not None:
                application.handle(request)

        gate = Gate(settings=self._settings, handler=handle, loop=loop)
        gate.most_buffered = max(gate.most_buffered, 4 * self._settings.max_body)
        measures.watch(
            pool,
            connections=lambda: len(gate.connections),
            lines_dropped=lambda: self._log.dropped,
            spans_dropped=(lambda: export.exporter.dropped) if export is not None else None,
        )
        application = Application(
            bundle=self._bundle,
            settings=self._settings,
            pool=pool,
            reader=self._reader,
            log=self._log,
            measures=measures,
            observer=Observer(self._settings, self._log, measures, export.tracer if export is not None else None),
        )
        gate.word = application.word
        pool.start(spawned, application.make_warm_up)
        gc.freeze()  # what is there now stays; collecting it again and again would only cost pauses
        gc.set_threshold(GARBAGE, 20, 100)
        server = await loop.create_server(lambda: Connection(gate), sock=listener, backlog=1024)
        self._log.write(
            "info",
            "listening",
            port=listener.getsockname()[1],
            model=self._bundle.name,
            version=self._bundle.version,
            workers=self._settings.workers,
            threads=self._settings.threads,
            cores=self._settings.cores,
            pid=os.getpid(),
        )
        if self._settings.passed_over:
            others = ", ".join(self._settings.passed_over)
            self._log.write("warning", f"listening on port {self._settings.port}, not where {others} says")
        sweeper = loop.create_task(self._sweep(gate))
        try:
            code = await self._stop
            pool.stop()
            server.close()
            if code == 0:
                await self._drain(gate, pool)
        finally:
            sweeper.cancel()
            gate.abort()
            pool.close()
            if export is not None:
                export.exporter.close(EXPORT_GRACE)
        return code

    def _start_export(self, measures: Measures) -> Export | None:
        """Export to a collector when OpenTelemetry's variables ask for it; nothing is imported when they do not."""
        if not wants_telemetry(os.environ):
            return None
        start: Callable[..., Export] = importlib.import_module(f"{__package__}.otlp.export").start_export
        return start(self._bundle, os.environ, self._log, measures)

    def _log_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        more = {"exception": "".join(traceback.format_exception(error))} if error is not None else {}
        self._log.write("error", str(context.get("message")), **more)

    async def _sweep(self, gate: Gate) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            gate.sweep()

    async def _drain(self, gate: Gate, pool: Pool) -> None:
        """Answer what is open, within the grace period."""
        gate.close_idle()
        gate.drained = asyncio.Event()
        if gate.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gate.drained.wait(), self._settings.shutdown_grace)
        left = pool.count_open()
        self._log.write("warning" if left else "info", "drained" if not left else f"{left} requests were given up")

    def _signalled(self, number: int) -> None:
        name = signal.Signals(number).name
        if self._draining:
            self._log.write("warning", f"{name} again: ending at once")
            if self._pool is not None:
                self._pool.close()
            self._log.close(0.2)
            os._exit(128 + number)
        self._draining = True
        self._log.write("info", f"{name}: draining")
        self._end(0)

    def _end(self, code: int) -> None:
        if not self._stop.done():
            self._stop.set_result(code)

"""The server's end of one worker process: messages, output, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any, Protocol, cast

from .. import wire
from ..spawn import Spawned
from ..wire import WINDOW, Unpacker, pack
from .lines import Lines
from .logs import Log
from .work import Work

LOADING, WARMING, IDLE, BUSY, ENDING, DEAD = "loading", "warming", "idle", "busy", "ending", "dead"


class Overseer(Protocol):
    """Who is told what a worker does."""

    def worker_ready(self, worker: Worker, seconds: float, *, streams: bool, columns: tuple[str, ...]) -> None:
        """The model is loaded; its answers may come in parts, and rows with these columns are welcome."""
        ...

    def worker_failed(self, worker: Worker, traceback: str) -> None:
        """The model does not load."""
        ...

    def worker_answered(self, worker: Worker, batch: list[Work], outcomes: list[tuple[str, Any]], spent: float) -> None:
        """A batch is done."""
        ...

    def worker_yielded(self, worker: Worker, work: Work, value: Any) -> None:
        """A part of an answer is there."""
        ...

    def worker_hung_up(self, worker: Worker) -> None:
        """The channel is closed: the process is ending or has ended."""
        ...


def list_traces(batch: list[Work]) -> list[tuple[str, str]]:
    """Return traceparent and tracestate of each work, or an empty list when none is in a trace."""
    if all(work.trace is None for work in batch):
        return []
    return [(work.trace.parent, work.trace.state) if work.trace is not None else ("", "") for work in batch]


class Worker(asyncio.Protocol):
    """One worker process. It holds at most one batch at a time."""

    def __init__(self, spawned: Spawned, overseer: Overseer, loop: asyncio.AbstractEventLoop, log: Log) -> None:
        self.pid = spawned.pid
        self.started = time.monotonic()
        self.state = LOADING
        self.busy_since = 0.0
        self.batch: list[Work] = []
        self.killed_for = ""
        self.answered = False
        """It has scored something."""
        self.told = False
        """It has said that its model does not load."""
        self.held = 0
        """Requests it held when it ended."""
        self.granted = 0
        """Parts it may still send."""
        self._spawned = spawned
        self._overseer = overseer
        self._loop = loop
        self._log = log
        self._unpacker = Unpacker()
        self._transport: asyncio.Transport | None = None
        self._number = 0

    async def attach(self) -> None:
        """Begin to listen to the process."""
        output = os.fdopen(self._spawned.output, "rb", buffering=0)
        await self._loop.connect_read_pipe(lambda: Lines(self._take_line), output)
        await self._loop.create_unix_connection(lambda: self, sock=self._spawned.channel)

    def _take_line(self, line: bytes) -> None:
        self._log.add_output(line, self.pid, lambda: [work.request_id for work in self.batch])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the channel."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is not a subclass

    def data_received(self, data: bytes) -> None:
        """Act on the messages that are whole."""
        try:
            messages = list(self._unpacker.feed(data))
        except (ValueError, EOFError, TypeError) as error:
            self._refuse(repr(error))
            return
        for message in messages:
            match message:
                case (wire.RESULT, number, answers, spent) if number == self._number and len(answers) == len(
                    self.batch
                ):
                    batch, self.batch = self.batch, []
                    self.answered = self.answered or self.state == BUSY
                    self._overseer.worker_answered(self, batch, answers, spent)
                case (wire.PART, number, value) if number == self._number and len(self.batch) == 1:
                    self.granted -= 1
                    self._overseer.worker_yielded(self, self.batch[0], value)
                case (wire.READY, seconds, streams, columns):
                    self._overseer.worker_ready(self, seconds, streams=streams, columns=columns)
                case (wire.FAILED, traceback):
                    self._overseer.worker_failed(self, traceback)
                case _:
                    self._refuse(repr(message[0] if type(message) is tuple and message else message)[:20])

    def _refuse(self, what: str) -> None:
        """End a worker whose code writes to the channel, or whose fork does."""
        self._log.write("error", f"a message of a worker makes no sense: {what}", pid=self.pid)
        self.kill("nonsense")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The process is ending."""
        self._transport = None
        self._overseer.worker_hung_up(self)

    def send(self, batch: list[Work]) -> None:
        """Give the worker a batch."""
        self._number += 1
        self.batch = batch
        self.busy_since = time.monotonic()
        if self._transport is not None:
            requests = [(work.request_id, work.payload) for work in batch]
            self._transport.write(pack((batch[0].kind, self._number, requests, list_traces(batch))))
        self.granted = WINDOW

    def grant(self) -> None:
        """Let the worker send as many parts as at the beginning again, once half of those are used up."""
        missing = WINDOW - self.granted
        if missing * 2 >= WINDOW and self._transport is not None:
            self.granted = WINDOW
            self._transport.write(pack((wire.MORE, self._number, missing)))

    def cancel(self) -> None:
        """Tell the worker that nobody wants the rest of its answer."""
        if self._transport is not None:
            self._transport.write(pack((wire.CANCEL, self._number)))

    def close(self) -> None:
        """Let the process end by itself once it is idle."""
        if self._transport is not None:
            self._transport.close()

    def kill(self, reason: str) -> None:
        """End the process and whatever it started, at once."""
        if self.state == DEAD:
            return
        self.killed_for = self.killed_for or reason
        self.end_group()

    def end_group(self) -> None:
        """End at once what is left of the process and whatever it started."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:
            if self.state != DEAD:
                os.kill(self.pid, signal.SIGKILL)

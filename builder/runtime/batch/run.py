"""One run of the batch command: rows are read in one thread, scored by the workers, written in another, in order."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..bundle import Bundle
from ..server.inside import Inside
from ..server.intake import Reader
from ..server.logs import Log
from ..server.schema import SchemaError
from ..settings import Settings
from ..spawn import Spawned
from .files import InputError, find_sources
from .options import Options
from .outputs import EndedError, Outputs
from .reading import read_rows
from .rows import Row
from .scoring import Result, Scorer
from .sinks import OutputError

EXIT_DATA = 65
EXIT_NO_INPUT = 66
EXIT_LOAD_FAILED = 70
EXIT_OUTPUT = 73
EXIT_TEMPORARY = 75
EXIT_CONFIGURATION = 78
RECORDS_AT_ONCE = 1024
"""Records in one call of the model, unless told otherwise; where nobody waits for an answer, few calls are fast."""
BYTES_AT_ONCE = 4 << 20
AHEAD = 2
"""Batches for each worker that are read or scored before the oldest is written."""


class StoppedError(Exception):
    """A signal ended the run."""

    def __init__(self, number: int) -> None:
        super().__init__(f"{signal.Signals(number).name}: stopped; nothing is written")
        self.number = number


class LoadError(Exception):
    """The model does not load."""


def run(
    bundle: Bundle, settings: Settings, options: Options, spawned: list[Spawned], environment: Mapping[str, str]
) -> int:
    """Score; return the exit code. Log and summary go where the predictions do not."""
    log = Log(2)
    batch = Batch(bundle, settings, options, log, environment)
    message = ""
    try:
        asyncio.run(batch.score(spawned))
        code = 0
    except EndedError as error:
        code, message = EXIT_TEMPORARY if error.temporary else EXIT_DATA, str(error)
    except InputError as error:
        code, message = EXIT_NO_INPUT if batch.outputs is None else EXIT_DATA, str(error)
    except (OutputError, OSError) as error:
        code, message = EXIT_OUTPUT, str(error)
    except LoadError as error:
        code, message = EXIT_LOAD_FAILED, str(error)
    except SchemaError as error:
        code, message = EXIT_CONFIGURATION, str(error)
    except StoppedError as error:
        code, message = 128 + error.number, str(error)
    if message:
        log.write("error", message)
    log.close()
    summary = json.dumps(batch.summarise(code, message), ensure_ascii=False)
    print(summary, file=sys.stderr if options.output == "-" else sys.stdout, flush=True)
    # a thread may still wait for a pipe that nobody writes to, and nothing wakes it
    sys.stderr.flush()
    os._exit(code)


class Batch:
    """One run."""

    def __init__(
        self, bundle: Bundle, settings: Settings, options: Options, log: Log, environment: Mapping[str, str]
    ) -> None:
        self.outputs: Outputs | None = None
        self._bundle = bundle
        self._settings = settings
        self._options = options
        self._log = log
        self._environment = environment
        self._started = time.monotonic()
        self._loaded = 0.0

    async def score(self, spawned: list[Spawned]) -> None:
        """Score the input; whatever ends the run early is raised, and then there is no output."""
        inside = Inside(self._bundle, self._settings, self._log, Reader(self._bundle), self._environment)
        inside.start(spawned)
        loop = asyncio.get_running_loop()
        stopped: asyncio.Future[None] = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, stopped, number)
        scoring = loop.create_task(self._score(inside))
        try:
            await asyncio.wait({scoring, stopped, inside.gave_up}, return_when=asyncio.FIRST_COMPLETED)
            if inside.gave_up.done():
                stopped.set_exception(LoadError("the model does not load; the log has the traceback"))
            await (stopped if stopped.done() else scoring)
        except BaseException:
            scoring.cancel()
            if self.outputs is not None:
                self.outputs.abort()
            raise
        finally:
            inside.close()

    def _stop(self, stopped: asyncio.Future[None], number: int) -> None:
        if not stopped.done():
            stopped.set_exception(StoppedError(number))

    async def _score(self, inside: Inside) -> None:
        options, loop = self._options, asyncio.get_running_loop()
        sources = find_sources(options.inputs, options.input_format)
        schema = self._bundle.document.get("schema") or {}
        self.outputs = outputs = Outputs(options, sources, schema.get("response"), self._environment, self._log)
        batching = self._bundle.service.batching
        usual = max(batching.max_size, RECORDS_AT_ONCE) if batching.enabled else 1
        scorer = Scorer(inside, options.batch_size or usual)
        rows = read_rows(
            sources,
            options.shard,
            limit=self._settings.max_body,
            features=inside.reader.features,
            environment=self._environment,
        )
        reading, writing = ThreadPoolExecutor(1, "reading"), ThreadPoolExecutor(1, "writing")
        queue: asyncio.Queue[asyncio.Task[list[Result]] | None] = asyncio.Queue()
        slots = asyncio.Semaphore(AHEAD * self._settings.workers + 1)
        if not await inside.wait_ready():
            return  # the run is about to be ended
        self._loaded = time.monotonic()

        async def read() -> None:
            while True:
                await slots.acquire()
                results = await loop.run_in_executor(reading, take, rows, scorer)
                if not results:
                    break
                queue.put_nowait(loop.create_task(scorer.score(results)))
            queue.put_nowait(None)

        async def write() -> None:
            while (task := await queue.get()) is not None:
                await loop.run_in_executor(writing, outputs.write, await task)
                slots.release()

        await asyncio.gather(read(), write())
        await loop.run_in_executor(writing, outputs.finish)

    def summarise(self, code: int, message: str) -> dict[str, Any]:
        """Return what happened, for a program to read."""
        outputs, seconds = self.outputs, time.monotonic() - (self._loaded or self._started)
        records = outputs.records if outputs else 0
        failed = outputs.failed if outputs else 0
        summary: dict[str, Any] = {
            "status": "done" if code == 0 else "stopped" if code > 128 else "failed",
            "exit_code": code,
            "model": self._bundle.name,
            "version": self._bundle.version,
            "shard": str(self._options.shard),
            "records": records,
            "scored": records - failed,
            "failed": failed,
            "output": str(outputs.path) if outputs and outputs.path and code == 0 else None,
            "errors": str(outputs.errors_path) if outputs and outputs.errors_path else None,
            "load_seconds": round(self._loaded - self._started, 3) if self._loaded else None,
            "seconds": round(seconds, 3),
            "records_per_second": round(records / seconds, 1) if self._loaded and seconds else None,
        }
        return summary | ({"message": message} if message else {})


def take(rows: Iterator[Row], scorer: Scorer) -> list[Result]:
    """Return the next batch, read and checked: as many rows as the model gets at once, fewer when they are long."""
    batch: list[Row] = []
    size = 0
    for row in itertools.islice(rows, scorer.size):
        batch.append(row)
        size += len(row.body or b"")
        if size >= BYTES_AT_ONCE:
            break
    return scorer.read(batch)

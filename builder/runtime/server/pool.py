"""The workers together: who gets which batch, and what happens when one hangs, dies or cannot load.

An idle service waits for nothing: what is there goes to a worker at once, and what arrives while all are busy makes the
next batch; :mod:`batching` says when a moment of patience pays. A worker that hangs past a deadline is killed and
replaced; one that dies is replaced after a pause that grows while deaths go on. What it held is tried once more, each
request alone, so that the one to blame fails alone. Loading is tried a fixed number of times in a row, then the
pool gives up.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..bundle import Bundle
from ..settings import Settings
from ..spawn import Spawned, spawn_worker
from ..wire import CANCELLED, SCORE
from .batching import Policy
from .logs import Log
from .measures import Measures
from .work import LOST, NOT_READY, TIMED_OUT, Queue, Work
from .worker import BUSY, DEAD, ENDING, IDLE, LOADING, WARMING, Worker

TICK = 0.25
PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before a dead worker is replaced, by the number of deaths in a row."""
LOAD_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
FAREWELL = 2.0
"""Seconds a worker may take to end once it has closed its channel."""
LONG_LIFE = 60.0
"""Seconds after which a worker's death says nothing about the next one."""


class Pool:
    """Runs work on workers; every work is finished exactly once."""

    def __init__(
        self,
        *,
        bundle: Bundle,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        measures: Measures,
        environment: Mapping[str, str],
        give_up: Callable[[], None],
    ) -> None:
        batching = bundle.service.batching
        self._once = bundle.contract in {"azure", "sagemaker"}
        """Whether a request is not tried again, since the script is not a function of records."""
        batches = batching.enabled and not self._once
        self.queue = Queue(settings.max_queue, batching.max_size if batches else 1)
        self.streams = False
        """Whether the model's answers come in parts."""
        self.learn_columns: Callable[[Sequence[str]], None] = lambda _columns: None
        """Told of the columns of rows that workers take."""
        self.workers: list[Worker] = []
        self.load_seconds = 0.0
        self._settings = settings
        self._loop = loop
        self._log = log
        self._measures = measures
        self._environment = environment
        self._give_up = give_up
        self._warm_up: Callable[[], Work | None] = lambda: None
        self._open: dict[Work, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._dispatching = False
        self._policy = Policy(batching.max_size if batches else 1, batching.max_delay)
        self._patience: asyncio.TimerHandle | None = None
        self._failures = 0
        self._failed_at = -1.0
        self._deaths = 0
        self._missing = 0
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what others see

    @property
    def state(self) -> str:
        """``ready`` when a model is loaded, ``failed`` when it does not load, else ``loading``."""
        if self._stopping:
            return "stopping"
        if any(worker.state in (IDLE, BUSY) for worker in self.workers):
            return "ready"
        return "failed" if self._failures else "loading"

    def submit(self, work: Work) -> None:
        """Take work on; :class:`work.QueueFullError` when there is no room for it."""
        if self._failures and self.state == "failed":
            work.finish(NOT_READY)
            return
        self.queue.add(work)
        self._open[work] = None
        if self._timer is None:
            self._arm()
        self._dispatch_soon()

    def cancel(self, work: Work) -> None:
        """Drop work that nobody waits for any more; what is being scored with others is scored all the same."""
        if work.finished:
            return
        if not work.sent:
            self._finish(work, CANCELLED, None)
            return
        for worker in self.workers:
            if work.part is not None and worker.batch == [work]:
                worker.cancel()

    def grant(self, work: Work) -> None:
        """Say that the parts of an answer which are out so far have been taken."""
        for worker in self.workers:
            if worker.batch == [work]:
                worker.busy_since = time.monotonic()
                worker.grant()

    def count_open(self) -> int:
        """Return how many requests are queued or being scored."""
        return len(self._open)

    # --- the life of workers

    def start(self, spawned: Iterable[Spawned], warm_up: Callable[[], Work | None]) -> None:
        """Take over processes that were started already."""
        self._warm_up = warm_up
        for each in spawned:
            self._adopt(each)
        self._loop.call_later(TICK, self._tick)

    def stop(self) -> None:
        """Begin no new process; open work is still finished."""
        self._stopping = True

    def close(self) -> None:
        """End every worker and wait for them; a killed process needs a moment."""
        self._stopping = True
        for worker in self.workers:
            worker.kill("stop")
        end = time.monotonic() + 1.0
        while self.workers and time.monotonic() < end:
            self.reap()
            time.sleep(0.002)

    def _adopt(self, spawned: Spawned) -> None:
        worker = Worker(spawned, self, self._loop, self._log)
        self.workers.append(worker)
        task = self._loop.create_task(worker.attach())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _replace(self) -> None:
        self._missing -= 1
        if self._stopping:
            return
        try:
            self._adopt(spawn_worker(self._environment))
        except OSError as error:
            self._log.write("error", f"a worker cannot be started: {error}")
            self._replace_later(PAUSES[-1])

    def _replace_later(self, pause: float) -> None:
        self._missing += 1
        self._loop.call_later(pause, self._replace)

    def worker_ready(self, worker: Worker, seconds: float, *, streams: bool, columns: tuple[str, ...]) -> None:
        """Warm the model up with the bundle's sample, if there is one."""
        self.load_seconds = seconds
        self.learn_columns(columns)
        if streams and not self.streams:
            self.streams = True
            self.queue.take_singly()
        self._measures.load_seconds.observe(seconds)
        self._log.write("info", "model loaded", pid=worker.pid, seconds=round(seconds, 3))
        work = self._warm_up()
        if work is None:
            self._open_up(worker)
        else:
            worker.state = WARMING
            worker.send([work])

    def _open_up(self, worker: Worker) -> None:
        """Let a worker begin. Only now the others are started: they would only have kept the first from its cores."""
        worker.state = IDLE
        self._failures = 0
        self._dispatch_soon()
        while len(self.workers) + self._missing < self._settings.workers:
            self._replace_later(0)

    def worker_failed(self, worker: Worker, traceback: str) -> None:
        """Say why; the process ends by itself and is then replaced."""
        worker.told = True
        lines = traceback.strip().splitlines() or [""]
        self._log.write("critical", f"the model does not load: {lines[-1]}", pid=worker.pid, exception=traceback)

    def worker_answered(self, worker: Worker, batch: list[Work], outcomes: list[tuple[str, Any]], spent: float) -> None:
        """Finish the work of a batch and give the worker the next one."""
        if worker.state == WARMING:
            if outcomes[0][0] != "ok":
                self._log.write(
                    "warning", "the sample of the bundle is not scored; see the lines above", pid=worker.pid
                )
            self._log.write("info", "model warmed up", pid=worker.pid, seconds=round(spent, 4))
            batch[0].finish(*outcomes[0])
            self._open_up(worker)
            return
        worker.state = IDLE
        records = 0
        for work in batch:
            records += work.records
        if batch[0].kind == SCORE:
            self._policy.answered(records, spent, time.monotonic())
        if self.queue:
            self._dispatch()
        self._measures.batch_records.observe(records)
        self._measures.predict_seconds.observe(spent)
        for work, (outcome, value) in zip(batch, outcomes, strict=True):
            work.spent, work.batch = spent, records
            self._finish(work, outcome, value)

    def worker_yielded(self, worker: Worker, work: Work, value: Any) -> None:
        """Pass a part of an answer on; the deadline now is for the next one."""
        worker.busy_since = time.monotonic()
        if work.finished:
            worker.cancel()
            return
        if not work.begun:
            work.begun = True
            self._open.pop(work, None)
        if work.part is not None:
            work.part(work, value)

    def worker_hung_up(self, worker: Worker) -> None:
        """See how the process ended; if it does not end by itself, it is made to."""
        self._release(worker)
        self.reap()
        if worker.state == DEAD:
            return
        if worker.state in (IDLE, BUSY):
            worker.state = ENDING
        self._loop.call_later(0.02, self.reap)
        self._loop.call_later(FAREWELL, self._end_hung_up, worker)

    def _end_hung_up(self, worker: Worker) -> None:
        self.reap()
        if worker.state != DEAD:
            worker.kill("hang up")

    def reap(self) -> None:
        """Collect every child that has ended; as process 1 that includes the orphans of others."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for worker in self.workers:
                if worker.pid == pid:
                    self._bury(worker, os.waitstatus_to_exitcode(status))
                    break

    def _release(self, worker: Worker) -> None:
        """Put what a worker held back into the queue, to be tried alone, unless it was tried twice or half answered.

        A script that reads requests itself may have done anything with one: that is never asked of it twice.
        """
        batch, worker.batch = worker.batch, []
        worker.held += len(batch)
        again = []
        last = self._stopping and len(self.workers) < 2
        for work in batch:
            if work.finished:
                continue
            if work.tried or work.begun or last or self._once or worker.state == WARMING:
                self._finish(work, LOST, None)
            else:
                work.tried = True
                again.append(work)
        if again:
            self.queue.add_first(again)
            self._dispatch_soon()

    def _bury(self, worker: Worker, code: int) -> None:
        was_loading = worker.state in (LOADING, WARMING)
        self._release(worker)
        worker.state = DEAD
        worker.end_group()  # what it started would go on for nobody
        self.workers.remove(worker)
        worker.close()
        if self._stopping:
            if not self.workers:
                for work in self.queue.take_all():
                    self._finish(work, LOST, None)
            return
        reason = "load" if was_loading and worker.told else worker.killed_for or ("load" if was_loading else "crash")
        self._measures.worker_restarts.add((reason,))
        self._log.write(
            "error", f"a worker ended: {describe_end(code, reason)}", pid=worker.pid, reason=reason, held=worker.held
        )
        now = time.monotonic()
        if was_loading:
            self._count_failed_load(worker, now)
            return
        lived = worker.answered or now - worker.started > LONG_LIFE
        self._deaths = 1 if lived else self._deaths + 1
        self._replace_later(PAUSES[min(self._deaths - 1, len(PAUSES) - 1)])

    def _count_failed_load(self, worker: Worker, now: float) -> None:
        """Count workers that were loading at the same time as one failure, and try with a single one."""
        if worker.started <= self._failed_at:
            return
        self._failed_at = now
        self._failures += 1
        if any(each.state in (IDLE, BUSY) for each in self.workers):
            self._failures = 0  # others serve; this one is tried again for as long as they do
            self._replace_later(PAUSES[-1])
            return
        if self._failures >= self._settings.load_attempts:
            self._log.write("critical", f"the model did not load {self._failures} times; giving up")
            self._give_up()
            return
        for work in self.queue.take_all():
            self._finish(work, NOT_READY, None)
        self._replace_later(LOAD_PAUSES[min(self._failures - 1, len(LOAD_PAUSES) - 1)])

    def _tick(self) -> None:
        """Look after the processes four times a second."""
        self.reap()
        now = time.monotonic()
        for worker in list(self.workers):
            if worker.state in (BUSY, WARMING) and self._hangs(worker, now):
                self._kill_hung(worker)
            elif worker.state == LOADING and now - worker.started > self._settings.startup_timeout:
                self._log.write("error", f"no model after {self._settings.startup_timeout:g} s", pid=worker.pid)
                worker.kill("load")
        self._loop.call_later(TICK, self._tick)

    def _kill_hung(self, worker: Worker) -> None:
        if not worker.killed_for:
            self._log.write("error", f"no answer for {self._settings.request_timeout:g} s", pid=worker.pid)
            worker.kill("hang")
            self._loop.call_later(0.02, self.reap)

    # --- the way of work

    def _finish(self, work: Work, outcome: str, value: Any) -> None:
        self._open.pop(work, None)
        work.finish(outcome, value)

    def _run_out_of_patience(self) -> None:
        self._patience = None
        self._dispatch(patient=False)

    def _dispatch_soon(self) -> None:
        """Dispatch once everything that can be read now has been read, so that it shares a batch."""
        if not self._dispatching:
            self._dispatching = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self, *, patient: bool = True) -> None:
        self._dispatching = False
        for worker in self.workers:
            if not self.queue:
                return
            if worker.state != IDLE:
                continue
            if patient and (delay := self._find_delay()) > 0:
                if self._patience is None:
                    self._patience = self._loop.call_later(delay, self._run_out_of_patience)
                return
            batch = self.queue.take_batch()
            if not batch:
                return
            worker.state = BUSY
            worker.send(batch)
            for work in batch:
                work.sent = worker.busy_since
                self._measures.queue_seconds.observe(work.sent - work.arrived)

    def _find_delay(self) -> float:
        busy = any(worker.state == BUSY for worker in self.workers)
        return self._policy.find_delay(self.queue.records, self.queue.oldest, time.monotonic(), busy=busy)

    def _limit(self, work: Work) -> float:
        waiting = not work.sent and self.state != "ready"
        return work.arrived + (self._settings.hold if waiting else self._settings.request_timeout)

    def _arm(self) -> None:
        oldest = next(iter(self._open), None)
        self._timer = (
            None
            if oldest is None
            else self._loop.call_later(max(0.0, self._limit(oldest) - time.monotonic()), self._expire)
        )

    def _expire(self) -> None:
        now = time.monotonic()
        for work in list(self._open):
            if self._limit(work) > now + 0.001:
                break
            self._finish(work, TIMED_OUT if work.sent or self.state == "ready" else NOT_READY, None)
        for worker in list(self.workers):
            if worker.state == BUSY and self._hangs(worker, now):
                self._kill_hung(worker)
        self._arm()

    def _hangs(self, worker: Worker, now: float) -> bool:
        """Say whether a worker is to blame that time ran out: it took more than half of what its oldest request had.

        It is not waited for until all it holds is overdue, so that the rest can still be answered by another.
        """
        if worker.granted <= 0:
            return False  # it waits for a client that does not take the parts there are
        limit = self._settings.request_timeout
        busy = now - worker.busy_since
        overdue = any(work.finished for work in worker.batch)
        return busy > limit - 0.01 or (overdue and len(worker.batch) > 1 and busy > limit / 2)


def describe_end(code: int, reason: str) -> str:
    """Return how a process ended, for the log."""
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    if name == "SIGKILL" and reason == "crash":
        return "SIGKILL, as when memory runs out"
    return name

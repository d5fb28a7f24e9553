"""From rows to results: schema, workers, and the search for the one record that spoils a batch."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..server.failure import UNSPEAKABLE, Fault, RefusedError
from ..server.inside import Inside
from ..server.intake import find_not_finite, parse_body
from ..server.message import Response, to_json
from ..server.work import LOST, NOT_READY, Work
from ..wire import INTERNAL_ERROR, OK
from ..wire import REFUSED as WORKER_REFUSED
from .rows import Row

PIECES = 8
"""Into how many parts a batch is split that did not go well."""
NO_LIMIT = 1e9
"""Seconds added to the arrival of work, which may wait for as long as it takes; the time it may take in a worker is
limited all the same."""
ROUTES = {"azure": "/score", "sagemaker": "/invocations"}
REFUSED, FAILED, LOST_RECORD = "refused", "failed", "lost"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record has no prediction. ``kind`` is refused, failed (the code raised) or lost (the worker ended)."""

    kind: str
    message: str
    faults: tuple[Any, ...] = ()


@dataclass(slots=True, eq=False)
class Result:
    """One row and what came of it."""

    row: Row
    value: Any = None
    """The record, once it was read."""
    prediction: Any = None
    problem: Problem | None = None


class Scorer:
    """Scores batches of rows on the workers of a service."""

    def __init__(self, inside: Inside, size: int) -> None:
        self._inside = inside
        self._plain = inside.bundle.contract in {"predict", "none"} and inside.bundle.schema_scope == "record"
        self._route = ROUTES.get(inside.bundle.contract, "/predict")
        self._numbers = itertools.count(1)
        self._weight = size
        self._turns = asyncio.Semaphore(inside.settings.workers)
        self.size = size
        """Records in one call of the model; it shrinks when calls take too long."""

    # --- before the workers; safe to call in a thread of its own

    def read(self, rows: Sequence[Row]) -> list[Result]:
        """Read and check rows; those that are refused have their problem already."""
        results = [self._parse(row) for row in rows]
        if not self._plain:
            return results
        good = [result for result in results if result.problem is None]
        try:
            self._inside.reader.take_value([result.value for result in good])
        except RefusedError:
            for result in good:
                result.problem = self._check(result.value)
        return results

    def _parse(self, row: Row) -> Result:
        if row.fault:
            return Result(row, problem=Problem(REFUSED, row.fault))
        if row.body is None:
            return self._take(row)
        try:
            return Result(row, parse_body(row.body))
        except RefusedError as error:
            return Result(row, problem=describe_refusal(error))

    def _take(self, row: Row) -> Result:
        """Take the record of a table, which may hold numbers that JSON does not know."""
        if faults := tuple(find_not_finite(row.value, "")):
            return Result(row, problem=Problem(REFUSED, " ".join(fault.message for fault in faults[:3]), faults))
        return Result(row, row.value)

    def _check(self, value: Any) -> Problem | None:
        """Find what is wrong with one record, told as if it had come alone."""
        try:
            if isinstance(value, list) or self._inside.reader.take_value(value) != [value]:
                self._inside.reader.take_value([value])  # not as a list of records, which it looks like
        except RefusedError as error:
            return describe_refusal(error)
        return None

    # --- the workers

    async def score(self, results: list[Result]) -> list[Result]:
        """Fill in predictions and problems of what is not refused yet."""
        good = [result for result in results if result.problem is None]
        if self._plain:
            await self._solve(good, alone=False)
        else:
            await asyncio.gather(*[self._ask(result) for result in good])
        return results

    async def _solve(self, results: list[Result], *, alone: bool) -> None:
        """Score a batch; one that fails is split, until the record that is to blame fails alone."""
        if not results:
            return
        outcome, value, spent = await self._submit([result.value for result in results], alone=alone)
        if outcome == OK:
            for result, prediction in zip(results, value, strict=True):
                settle(result, prediction)
            return
        if len(results) == 1:
            if outcome == WORKER_REFUSED:
                results[0].problem = describe_refusal(self._inside.reader.word_refusals(None, value))
            else:
                results[0].problem = self._describe(outcome, spent)
            return
        lost = outcome == LOST
        if lost and spent >= self._inside.settings.request_timeout:
            self.size = max(1, min(self.size, len(results)) // PIECES)
        step = -(-len(results) // PIECES)
        parts = [results[start : start + step] for start in range(0, len(results), step)]
        await asyncio.gather(*[self._solve(part, alone=alone or lost) for part in parts])

    async def _submit(self, records: list[Any], *, alone: bool) -> tuple[str, Any, float]:
        """Score records in one call; ``alone`` keeps other work out of it."""
        while True:
            done: asyncio.Future[tuple[str, Any]] = self._inside.loop.create_future()

            def finish(_work: Work, outcome: str, value: Any, done: asyncio.Future[tuple[str, Any]] = done) -> None:
                if not done.done():
                    done.set_result((outcome, value))

            weight = max(len(records), self._weight) if alone else len(records)
            work = Work(f"batch-{next(self._numbers)}", records, weight, time.monotonic() + NO_LIMIT, finish)
            self._inside.pool.submit(work)
            outcome, value = await done
            if outcome != NOT_READY:
                return outcome, value, time.monotonic() - work.sent
            await self._inside.wait_ready()  # every worker died at once, and the next is loading
            if self._inside.gave_up.done():
                await asyncio.Event().wait()  # the run is about to be ended

    def _describe(self, outcome: str, spent: float) -> Problem:
        if outcome == LOST:
            limit = self._inside.settings.request_timeout
            if spent >= limit:
                return Problem(LOST_RECORD, f"no answer within {limit:g} s")
            return Problem(LOST_RECORD, "the worker scoring this record ended; the log says how")
        if outcome == INTERNAL_ERROR:
            return Problem(FAILED, "the scoring code answered what cannot be written; the log says what")
        return Problem(FAILED, "the scoring code raised; the log has the traceback")

    # --- contracts that take a whole body: each row is a request of its own

    async def _ask(self, result: Result) -> None:
        body = result.row.body if result.row.body is not None else to_json(result.value)
        number = f"batch-{next(self._numbers)}"
        headers = [("content-type", "application/json"), ("x-request-id", number)]
        async with self._turns:  # what waits for a worker is under its time limit already
            while True:
                response = await self._inside.ask("POST", self._route, headers, body)
                if response.status not in {429, 503} or self._inside.pool.state == "ready":
                    break
                await self._inside.wait_ready()
        prediction, result.problem = read_response(response)
        if result.problem is None:
            settle(result, prediction)


def settle(result: Result, prediction: Any) -> None:
    """Give a result its prediction, or the problem that no file can hold it."""
    try:
        to_json(prediction)
    except UNSPEAKABLE as error:
        result.problem = Problem(FAILED, f"the prediction cannot be written: {error}")
    else:
        result.prediction = prediction


def read_response(response: Response) -> tuple[Any, Problem | None]:
    """Return the prediction an HTTP answer holds, or what it says went wrong."""
    try:
        told = json.loads(response.body)
    except ValueError:
        told = response.body.decode("utf-8", "replace")
    if response.status < 300:
        if isinstance(told, dict) and told.keys() == {"predictions"} and isinstance(told["predictions"], list):
            predictions = told["predictions"]
            return (predictions[0] if len(predictions) == 1 else predictions), None
        return told, None
    message, faults = f"HTTP {response.status}", ()
    if isinstance(told, dict):
        message = str(told.get("message") or told.get("error") or message)
        faults = tuple(told.get("faults") or ())
    kind = REFUSED if response.status < 500 else LOST_RECORD if response.status in {503, 504} else FAILED
    return None, Problem(kind, message, faults)


def describe_refusal(error: RefusedError) -> Problem:
    """Return a refusal as the problem of one record."""
    failure = error.failure
    return Problem(REFUSED, failure.message, tuple(map(shorten, failure.faults)))


def shorten(fault: Fault) -> Fault:
    """Return a fault of the only record of a list as if the record had come without the list."""
    if not fault.field.startswith("[0]"):
        return fault
    field = fault.field[3:].removeprefix(".")
    return Fault(field, fault.value, fault.rule, fault.message)

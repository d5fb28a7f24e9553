"""Scores the records of many requests with one call of the author's ``predict``, or of a model's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..wire import INTERNAL_ERROR, OK, REFUSED, USER_ERROR
from .awaiting import Accompanied, EventLoop, collect
from .output import Journal, tell
from .values import RefusedValuesError, UnansweredError, make_plain, make_predictions

Outcome = tuple[str, Any]
"""How one request went (a word of :mod:`wire`) and its answer, if any."""


class BatchScorer:
    """Calls ``predict(records)`` once for the records of all requests; when that fails, once for each request."""

    def __init__(
        self, predict: Callable[[list[Any]], Any], journal: Journal, event_loop: EventLoop | None = None
    ) -> None:
        self._predict = predict
        self._journal = journal
        self._event_loop = event_loop or EventLoop()
        self._awaits = False
        self.streams = False
        """Whether ``predict`` yields: each request is then scored by itself, and its answer may be sent as it comes."""
        self.columns: tuple[str, ...] = getattr(predict, "columns", ())
        """The order of the values in a row, for a ``predict`` that takes rows in place of records."""

    @property
    def event_loop(self) -> EventLoop:
        """The loop that is to turn between batches too, when it is needed."""
        return self._event_loop

    def open_stream(self, records: list[Any]) -> Iterator[Any]:
        """Begin to score one request and return the values as they come; what the author's code raises comes out."""
        answer = self._predict(records)
        return self._event_loop.iterate(answer) if inspect.isasyncgen(answer) else iter(answer)

    def score(self, requests: Sequence[tuple[str, Any]]) -> list[Outcome]:
        """Score a batch; a record that the model cannot take fails only the request that brought it."""
        if len(requests) == 1:
            return [self._score_alone(*requests[0])]
        records = [record for _, payload in requests for record in payload]
        try:
            predictions = self._call(records)
        except RefusedValuesError:
            return self._score_each(requests)
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything
            self._journal.write(
                "warning",
                "kiln.batch",
                f"a batch of {len(requests)} requests failed ({tell(error)}); each is tried alone",
            )
            return self._score_each(requests)
        outcomes: list[Outcome] = []
        start = 0
        for _, payload in requests:
            outcomes.append((OK, predictions[start : start + len(payload)]))
            start += len(payload)
        return outcomes

    def _score_each(self, requests: Sequence[tuple[str, Any]]) -> list[Outcome]:
        """Score each request on its own; those that are awaited, all at the same time."""
        if not self._awaits:
            return [self._score_alone(request_id, payload) for request_id, payload in requests]
        waiting = [self._accompany(request_id, payload) for request_id, payload in requests]
        answers = self._event_loop.run_all(waiting)
        return [
            self._settle(request_id, answer, len(payload))
            for (request_id, payload), answer in zip(requests, answers, strict=True)
        ]

    def _accompany(self, request_id: str, payload: list[Any]) -> Accompanied:
        def name_request() -> None:
            self._journal.requests = (request_id,)

        async def predict() -> Any:
            answer = self._predict(payload)
            return await answer if inspect.isawaitable(answer) else answer

        return Accompanied(predict(), name_request)

    def _score_alone(self, request_id: str, records: list[Any]) -> Outcome:
        self._journal.requests = (request_id,)
        answer: Any
        try:
            answer = self._ask(records)
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything
            answer = error
        return self._settle(request_id, answer, len(records))

    def _settle(self, request_id: str, answer: Any, count: int) -> Outcome:
        """Return the outcome of a request by what ``predict`` answered, or the exception it raised."""
        self._journal.requests = (request_id,)
        if not isinstance(answer, BaseException):
            try:
                return OK, make_plain(answer) if self.streams else make_predictions(answer, count)
            except Exception as error:  # noqa: BLE001 - a strange answer may raise anything when it is asked for its list
                answer = error
        if isinstance(answer, RefusedValuesError):
            return REFUSED, answer.refusals
        if isinstance(answer, UnansweredError):
            self._journal.write("error", "kiln.scoring", f"predict answered what cannot be sent: {answer}")
            return INTERNAL_ERROR, None
        self._journal.write_traceback("predict raised", answer)
        return USER_ERROR, None

    def _call(self, records: list[Any]) -> list[Any]:
        return make_predictions(self._ask(records), len(records))

    def _ask(self, records: list[Any]) -> Any:
        answer = self._predict(records)
        if inspect.isawaitable(answer):
            self._awaits = True
            return self._event_loop.run(answer)
        if inspect.isgenerator(answer):
            return list(answer)
        if inspect.isasyncgen(answer):
            return self._event_loop.run(collect(answer))
        return answer

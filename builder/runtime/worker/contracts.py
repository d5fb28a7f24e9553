"""The ways scoring code is called. A scorer loads once, then scores batches of payloads, each of one request."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..bundle import Bundle
from ..places import Places
from ..wire import INTERNAL_ERROR, OK, USER_ERROR
from .azure import AzureScorer
from .imports import import_script
from .known import load_known_model
from .output import Journal
from .values import UnansweredError, make_plain

Outcome = tuple[str, Any]
"""How one request went (a word of :mod:`wire`) and its answer, if any."""


class Scorer(Protocol):
    """Loaded scoring code."""

    def score(self, requests: Sequence[tuple[str, Any]]) -> list[Outcome]:
        """Score a batch of (request id, payload); one outcome for each, in order, whatever the author's code raises."""
        ...


class BatchScorer:
    """Calls ``predict(records)`` once for the records of all requests; when that fails, once for each request."""

    def __init__(self, predict: Callable[[list[Any]], Any], journal: Journal) -> None:
        self._predict = predict
        self._journal = journal

    def score(self, requests: Sequence[tuple[str, Any]]) -> list[Outcome]:
        """Score a batch; a record that the model cannot take fails only the request that brought it."""
        if len(requests) == 1:
            return [self._score_alone(*requests[0])]
        records = [record for _, payload in requests for record in payload]
        try:
            predictions = self._call(records)
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything
            self._journal.write(
                "warning",
                "kiln.batch",
                f"a batch of {len(requests)} requests failed ({type(error).__name__}: {error}); each is tried alone",
            )
            return [self._score_alone(request_id, payload) for request_id, payload in requests]
        outcomes: list[Outcome] = []
        start = 0
        for _, payload in requests:
            outcomes.append((OK, predictions[start : start + len(payload)]))
            start += len(payload)
        return outcomes

    def _score_alone(self, request_id: str, records: list[Any]) -> Outcome:
        self._journal.requests = (request_id,)
        try:
            return OK, self._call(records)
        except UnansweredError as error:
            self._journal.write("error", "kiln.scoring", f"predict answered what cannot be sent: {error}")
            return INTERNAL_ERROR, None
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything
            self._journal.write_traceback("predict raised", error)
            return USER_ERROR, None

    def _call(self, records: list[Any]) -> list[Any]:
        predictions = self._predict(records)
        if inspect.isawaitable(predictions):
            predictions = asyncio.run(_wait_for(predictions))
        plain = make_plain(predictions)
        if not isinstance(plain, list):
            raise UnansweredError(
                f"predict answered {type(predictions).__name__} where a sequence of predictions was expected"
            )
        if len(plain) != len(records):
            raise UnansweredError(f"{len(plain)} predictions for {len(records)} records")
        return plain


async def _wait_for(awaitable: Any) -> Any:
    return await awaitable


def load_scorer(bundle: Bundle, places: Places, journal: Journal) -> Scorer:
    """Import the author's code and load the model; whatever it raises comes out."""
    if bundle.contract == "none":
        model = load_known_model(places.locate(bundle.model_path), bundle.framework, bundle.feature_names)
        return BatchScorer(model, journal)
    module = import_script(places.locate(bundle.script or ""))
    if bundle.contract == "azure":
        return AzureScorer(module, journal)
    for name in ("load", "predict"):
        if not callable(getattr(module, name, None)):
            raise TypeError(f"{bundle.script} defines no function {name}")
    loaded = module.load(str(places.model_dir))
    if inspect.isawaitable(loaded):
        loaded = asyncio.run(_wait_for(loaded))

    def predict(records: list[Any]) -> Any:
        return module.predict(loaded, records)

    return BatchScorer(predict, journal)

"""Azure ML's contract: ``init()`` once, then ``run(data)`` per request, as azureml-inference-server-http 1.5.1 does.

Here are the undecorated forms: the first parameter gets the body as text, and a parameter called ``request_headers``
gets the headers. A payload is (body text, [(header name, value), …]).
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from ..wire import INTERNAL_ERROR, OK, USER_ERROR
from .output import Journal

HEADERS_PARAMETER = "request_headers"


class AzureScorer:
    """Calls ``run``; an answer is (text of JSON, milliseconds spent in ``run``)."""

    def __init__(self, module: ModuleType, journal: Journal) -> None:
        for name in ("init", "run"):
            if not callable(getattr(module, name, None)):
                raise TypeError(f"{module.__file__} defines no function {name}")
        inner = getattr(module, "driver_module", None)
        wraps = isinstance(inner, ModuleType) and callable(getattr(inner, "run", None))
        self._run: Callable[..., Any] = inner.run if wraps and inner is not None else module.run
        self._parameter, self._wants_headers = read_signature(self._run)
        self._journal = journal
        module.init()

    def score(self, requests: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """Score each request on its own: the contract knows no batches."""
        return [self._score_one(request_id, *payload) for request_id, payload in requests]

    def _score_one(self, request_id: str, body: str, headers: list[tuple[str, str]]) -> tuple[str, Any]:
        self._journal.requests = (request_id,)
        arguments: dict[str, Any] = {self._parameter: body}
        if self._wants_headers:
            arguments[HEADERS_PARAMETER] = {_title(name): value for name, value in headers}
        started = time.perf_counter()
        try:
            answer = self._run(**arguments)
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything
            self._journal.write_traceback("run raised", error)
            return USER_ERROR, None
        spent = (time.perf_counter() - started) * 1e3
        try:
            return OK, (dump_answer(answer), spent)
        except Exception as error:  # noqa: BLE001 - whatever json or a strange object raises
            self._journal.write_traceback("run answered what JSON cannot express:", error)
            return INTERNAL_ERROR, None


def dump_answer(answer: Any) -> str:
    """Return the body Azure ML's server would send: ``{}`` for None, else ``json.dumps``, which refuses arrays."""
    return json.dumps({} if answer is None else answer)


def read_signature(run: Callable[..., Any]) -> tuple[str, bool]:
    """Return the name of the parameter that gets the body, and whether headers are wanted."""
    parameters = list(inspect.signature(run).parameters.values())
    if any(each.kind not in {each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD} for each in parameters):
        raise TypeError("run() cannot accept positional-only arguments, *args, or **kwargs.")
    names = [each.name for each in parameters]
    wants_headers = HEADERS_PARAMETER in names
    names = [name for name in names if name != HEADERS_PARAMETER]
    if not names:
        other = ' other than "request_headers"' if wants_headers else " for input data"
        raise TypeError(f"run() needs to accept an argument{other}.")
    return names[0], wants_headers


def _title(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))

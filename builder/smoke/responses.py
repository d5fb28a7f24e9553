"""Answers against the bundle's response schema: what the bundle promises its callers is held to as well. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator

from builder.bundle.model import Schemas, SchemaScope
from builder.engine.runner import Answer
from builder.smoke.comparison import SHOWN, Difference, show

_ANSWERS = "predictions"
"""Where the answers to records stand in a body."""


def response_judge(schemas: Schemas) -> Callable[[Answer], tuple[Difference, ...]] | None:
    """Return what holds an accepted answer to the response schema; None when the bundle has none.

    The schema of a record is held against each of ``predictions``, that of a body against the whole body.
    """
    if schemas.response is None:
        return None
    validator = Draft202012Validator(schemas.response)

    def judge(answer: Answer) -> tuple[Difference, ...]:
        try:
            body = json.loads(answer.body)
        except ValueError:
            return (Difference(at="$", want="a JSON body, as the response schema says", got="no JSON"),)
        return tuple(islice(_faults(validator, body, schemas.scope), SHOWN))

    return judge


def _faults(validator: Draft202012Validator, body: Any, scope: SchemaScope) -> Iterator[Difference]:
    if scope is SchemaScope.BODY:
        yield from _differences(validator, body, "$")
        return
    answers = body.get(_ANSWERS) if isinstance(body, dict) else None
    if not isinstance(answers, list):
        yield Difference(at=f"$.{_ANSWERS}", want="an answer for each record", got=show(body))
        return
    for number, answer in enumerate(answers):
        yield from _differences(validator, answer, f"$.{_ANSWERS}[{number}]")


def _differences(validator: Draft202012Validator, value: Any, at: str) -> Iterator[Difference]:
    for error in validator.iter_errors(value):
        path = at + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
        yield Difference(
            at=path, want=f"schema.response: {error.validator} {show(error.validator_value)}", got=error.message
        )

"""Smoke requests against the request schema, and expected answers against the response schema."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.bundle.document import show_path
from builder.bundle.json_schema import subschemas
from builder.bundle.model import Bundle, SchemaScope, SmokeTest
from builder.check.finding import Finding, Level, Place, Rule
from builder.check.intake import find_faults, foresee_refusal, is_fully_checkable, speaks_platform, validator
from builder.check.places import value_place, yaml_place
from builder.check.subject import Subject

SAMPLE_REFUSED = Rule(
    id="KILN501",
    name="sample-refused",
    level=Level.ERROR,
    summary="A smoke test expects an answer to a request that the image refuses before the model sees it.",
    why="The sample is what callers copy: either it or the schema is not what the model is called with.",
    remedy="Correct the sample, or the request schema; or expect the refusal.",
)
REFUSAL_ACCEPTED = Rule(
    id="KILN502",
    name="refusal-accepted",
    level=Level.WARNING,
    summary="A smoke test expects a refusal of a request that satisfies the request schema.",
    why="The request reaches the model, which answers it or fails with 500; what should be refused is not.",
    remedy="Tighten the schema: required fields, types, enum, minimum and maximum, additionalProperties: false.",
)
ANSWER_BREAKS_SCHEMA = Rule(
    id="KILN503",
    name="answer-breaks-schema",
    level=Level.ERROR,
    summary="A smoke test expects an answer that breaks the response schema.",
    why="Callers generate their readers from the schema; one of the two is not what the model answers.",
    remedy="Correct the expected body, or the response schema.",
)
NO_REQUEST_SCHEMA = Rule(
    id="KILN504",
    name="no-request-schema",
    level=Level.NOTE,
    summary="The bundle has no request schema.",
    why="Nothing is checked before the model sees it: a missing or misspelt field is a 500, or a wrong answer.",
    remedy="Describe a record under schema.request; `kiln init` writes one from the model's features.",
)
NO_RESPONSE_SCHEMA = Rule(
    id="KILN505",
    name="no-response-schema",
    level=Level.NOTE,
    summary="The bundle has no response schema.",
    why="Callers have nothing to write their readers from, and a change of the answer's form is not noticed.",
    remedy="Describe a prediction under schema.response.",
)
RULES: tuple[Rule, ...] = (
    SAMPLE_REFUSED,
    REFUSAL_ACCEPTED,
    ANSWER_BREAKS_SCHEMA,
    NO_REQUEST_SCHEMA,
    NO_RESPONSE_SCHEMA,
)

_SHOWN = 3
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]|\[[\"']([^\"']+)[\"']\]")


def find_samples(subject: Subject) -> Iterator[Finding]:
    """Yield every smoke test that contradicts a schema, and schemas that are not there."""
    bundle = subject.bundle
    for index, test in enumerate(bundle.smoke):
        if speaks_platform(test.path):
            continue
        yield from _request(bundle, index, test)
        if bundle.schemas.response is not None and test.expect.status == 200:
            yield from _answer(bundle, index, test, bundle.schemas.response)
    if bundle.schemas.request is None:
        remedy = "add schema.request: a JSON Schema of one record, or its path"
        yield _finding(NO_REQUEST_SCHEMA, bundle, ("schema", "request"), "no request schema", remedy)
    if bundle.schemas.response is None:
        remedy = "add schema.response: a JSON Schema of one prediction, or its path"
        yield _finding(NO_RESPONSE_SCHEMA, bundle, ("schema", "response"), "no response schema", remedy)


def _request(bundle: Bundle, index: int, test: SmokeTest) -> Iterator[Finding]:
    refusal = foresee_refusal(bundle, test)
    expected = test.expect.status
    where = ("smoke", index, "request")
    if refusal is not None and expected == 200:
        more = len(refusal.reasons) - _SHOWN
        reasons = "; ".join(refusal.reasons[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        remedy = f"correct the request or the schema; or expect the refusal, status: {refusal.status}"
        place = value_place(bundle.root, where, *_blamed(refusal.reasons[0]))
        if refusal.broken_at is not None:
            line, column = refusal.broken_at
            place, remedy = (
                Place(path=place.path, line=line, column=column, detail=show_path(where)),
                "correct the JSON",
            )
        message = f"smoke test '{test.name}' expects 200, but the request is refused with {refusal.status}: {reasons}"
        yield Finding(rule=SAMPLE_REFUSED, place=place, message=message, remedy=remedy)
    elif refusal is None and expected in (400, 404, 413, 415, 422):
        if bundle.schemas.request is not None and not is_fully_checkable(bundle.schemas.request):
            return
        if bundle.schemas.request is None and bundle.scoring.contract.reads_requests:
            reason = "there is no request schema, so the request reaches the script"
        else:
            reason = "the request satisfies the schema" if bundle.schemas.request else "nothing refuses the request"
        message = f"smoke test '{test.name}' expects {expected}, but {reason}"
        yield _finding(REFUSAL_ACCEPTED, bundle, where, message, "tighten the schema so that this request breaks it")


def _blamed(reason: str) -> tuple[str | int, ...]:
    """Return the part of a request that a reason names first: ``records[3].age: …``."""
    name = reason.partition(": ")[0]
    if name == "body":
        return ()
    return _steps(f"${name}" if name.startswith("[") else f"$.{name}") or ()


def _answer(bundle: Bundle, index: int, test: SmokeTest, schema: Mapping[str, Any]) -> Iterator[Finding]:
    """Hold what is expected against the schema of a prediction, or of the whole body."""
    expect, where = test.expect, ("smoke", index, "expect")
    if expect.has_body:
        readings = list(_readings(bundle, expect.body))
        faults = [
            [fault for place, value in reading for fault in find_faults(schema, value, place)] for reading in readings
        ]
        if faults and all(faults):
            message = f"smoke test '{test.name}' expects an answer that breaks the response schema: {faults[0][0]}"
            remedy = "correct the expected body or the response schema"
            yield _finding(ANSWER_BREAKS_SCHEMA, bundle, (*where, "body"), message, remedy)
    for path, value in expect.subset.items():
        parts = [_part_at(schema, steps) for steps in _step_readings(bundle, path)]
        known = [part for part in parts if part is not None]
        if known and len(known) == len(parts) and not any(_fits(part, schema, value) for part in known):
            fault = next(find_faults(_with_definitions(known[0], schema), value, path))
            message = f"smoke test '{test.name}' expects a value that breaks the response schema: {fault}"
            remedy = "correct the expected value or the response schema"
            yield _finding(ANSWER_BREAKS_SCHEMA, bundle, (*where, "subset", path), message, remedy)


def _readings(bundle: Bundle, body: Any) -> Iterator[list[tuple[str, Any]]]:
    """Yield what the response schema may describe: the predictions, each on its own, or the body."""
    if bundle.schemas.scope is SchemaScope.RECORD and not bundle.scoring.contract.reads_requests:
        if isinstance(body, dict) and isinstance(body.get("predictions"), list):
            yield [(f"predictions[{index}]", value) for index, value in enumerate(body["predictions"])]
    elif bundle.schemas.scope is SchemaScope.RECORD:
        if isinstance(body, list):
            yield [(f"[{index}]", value) for index, value in enumerate(body)]
        if isinstance(body, dict):
            for name, values in body.items():
                if isinstance(values, list):
                    yield [(f"{name}[{index}]", value) for index, value in enumerate(values)]
    yield [("", body)]


def _step_readings(bundle: Bundle, path: str) -> Iterator[tuple[str | int, ...]]:
    """Yield the steps of ``$.predictions[0].label``, from the body and from a single prediction."""
    steps = _steps(path)
    if steps is None:
        return
    if bundle.schemas.scope is SchemaScope.RECORD:
        is_listed = len(steps) >= 2 and isinstance(steps[1], int)
        if not bundle.scoring.contract.reads_requests and not (is_listed and steps[0] == "predictions"):
            return  # a schema of one prediction says nothing of what is around it
        if is_listed:
            yield steps[2:]
        elif steps and isinstance(steps[0], int):
            yield steps[1:]
    yield steps


def _steps(path: str) -> tuple[str | int, ...] | None:
    if not path.startswith("$"):
        return None
    steps: list[str | int] = []
    position = 1
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            return None
        name, number, quoted = match.groups()
        steps.append(int(number) if number is not None else name or quoted)
        position = match.end()
    return tuple(steps)


def _part_at(schema: Mapping[str, Any], steps: tuple[str | int, ...]) -> Mapping[str, Any] | None:
    """Return the part of a schema that describes a value; None where it cannot be told by properties and items."""
    part: Any = schema
    for step in steps:
        part = _resolve(part, schema)
        if not isinstance(part, Mapping):
            return None
        if isinstance(step, int):
            prefix = part.get("prefixItems")
            part = prefix[step] if isinstance(prefix, list) and step < len(prefix) else part.get("items")
        elif step in part.get("properties", {}):
            part = part["properties"][step]
        elif part.get("additionalProperties") is False and not part.get("patternProperties"):
            return {"not": {}}
        else:
            return None
    part = _resolve(part, schema)
    return part if isinstance(part, Mapping) else None


def _resolve(part: Any, schema: Mapping[str, Any]) -> Any:
    """Follow ``$ref`` within the document, as long as nothing stands beside it."""
    for _ in range(16):
        target = part.get("$ref") if isinstance(part, Mapping) else None
        if not isinstance(target, str) or not target.startswith("#/"):
            return part
        part = schema
        for token in target[2:].split("/"):
            key = token.replace("~1", "/").replace("~0", "~")
            part = part.get(key) if isinstance(part, Mapping) else None
    return None


def _fits(part: Mapping[str, Any], schema: Mapping[str, Any], value: Any) -> bool:
    return bool(validator(_with_definitions(part, schema)).is_valid(value))


def _with_definitions(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part that still finds what it refers to."""
    refers = any("$ref" in inner for _, inner in subschemas(part))
    if not refers:
        return part
    return {**part, **{key: schema[key] for key in ("$defs", "definitions") if key in schema}}


def _finding(rule: Rule, bundle: Bundle, path: tuple[str | int, ...], message: str, remedy: str) -> Finding:
    return Finding(rule=rule, place=yaml_place(bundle.root, *path), message=message, remedy=remedy)

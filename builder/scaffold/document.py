"""The text of bundle.yaml: every value with where it comes from, every guess and every blank marked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.scaffold.draft import Draft

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./@ -]*[A-Za-z0-9_./@-]|[A-Za-z_]\Z")
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9._-]*(?:\[[A-Za-z0-9,._-]+\])?(?:[<>=~!]=?[A-Za-z0-9.*+,<>=~!]+)?")
"""A requirement that needs no quotes."""
_RESERVED = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"})


def render_document(draft: Draft) -> str:
    """Return bundle.yaml. ``# guessed:`` tells what was assumed, ``# fill in:`` what only a person knows."""
    return "\n".join(line.rstrip() for line in _lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    yield f"# Made by `kiln init` from {draft.source} ({draft.form})."
    if draft.guesses:
        yield "# What is marked `guessed:` was not written anywhere; look it over."
    if draft.blanks:
        yield "# What is marked `fill in:` only you can know."
    for note in draft.left_behind:
        yield f"# Not carried over: {note.at}: {note.text}."
    yield _entry(draft, "name", draft.name)
    yield _entry(draft, "version", draft.version, always_quoted=True)
    if draft.description:
        yield _entry(draft, "description", draft.description)
    yield _entry(draft, "owner", draft.owner) if draft.owner else "# owner: who answers for the model"
    yield from _model(draft)
    yield ""
    yield from _environment(draft)
    if draft.request_schema or draft.response_schema or draft.scope != "record":
        yield ""
        yield "schema:"
        if draft.scope != "record":
            yield "  " + _entry(draft, "schema.scope", draft.scope)
        if draft.request_schema:
            yield "  " + _entry(draft, "schema.request", draft.request_schema)
        if draft.response_schema:
            yield "  " + _entry(draft, "schema.response", draft.response_schema)
    if draft.tests:
        yield ""
        yield from _tests(draft)
    if draft.cpu is not None or draft.memory is not None:
        yield ""
        yield "resources:"
        if draft.cpu is not None:
            yield "  " + _entry(draft, "resources.cpu", draft.cpu)
        if draft.memory is not None:
            yield "  " + _entry(draft, "resources.memory", draft.memory)
    if draft.workers is not None or draft.request_timeout is not None:
        yield ""
        yield "service:"
        if draft.workers is not None:
            yield "  " + _entry(draft, "service.workers", draft.workers)
        if draft.request_timeout is not None:
            yield "  " + _entry(draft, "service.request_timeout", draft.request_timeout)


def _model(draft: Draft) -> Iterator[str]:
    yield ""
    yield "model:"
    yield "  " + _entry(draft, "model.path", draft.model)
    if draft.hyperparameters:
        yield f"  hyperparameters: {json.dumps(draft.hyperparameters, ensure_ascii=False)}"
    if draft.training_code:
        yield f"  training_code: {_flow(draft.training_code)}"
    if draft.training_environment:
        yield f"  training_environment: {_scalar(draft.training_environment)}"
    if draft.metrics:
        yield f"  metrics: {_flow(draft.metrics)}"
    if draft.script:
        yield ""
        yield "scoring:"
        yield "  " + _entry(draft, "scoring.script", draft.script)
        if draft.sources:
            yield "  " + _entry(draft, "scoring.sources", draft.sources)


def _environment(draft: Draft) -> Iterator[str]:
    yield "environment:"
    yield "  " + _entry(draft, "environment.python", draft.python, always_quoted=True)
    if draft.requirements_file:
        yield "  " + _entry(draft, "environment.requirements", draft.requirements_file)
    elif draft.requirements:
        fill = draft.to_fill("environment.requirements")
        yield f"  requirements:{f' # fill in: {_comment(fill)}' if fill else ''}"
        for wanted in draft.requirements:
            yield f"    - {_requirement(wanted.line)} # {'guessed: ' if wanted.is_guess else ''}{_comment(wanted.why)}"
    else:
        yield "  " + _entry(draft, "environment.requirements", [])
    if draft.variables:
        yield "  variables:"
        for key, value in draft.variables.items():
            yield f"    {key}: {_scalar(value, always_quoted=True)}{_note(draft, f'environment.variables.{key}')}"
    if draft.system_packages:
        yield "  system_packages:"
        for name, why in draft.system_packages.items():
            yield f"    - {_scalar(name)} # {_comment(why)}"


def _tests(draft: Draft) -> Iterator[str]:
    yield "smoke:"
    for index, test in enumerate(draft.tests):
        yield f"  - name: {_scalar(test.name)}{f' # guessed: {_comment(test.why)}' if test.is_guess else ''}"
        yield "    " + _entry(draft, f"smoke[{index}].request", test.request)
        error = f", error: {_scalar(test.error)}" if test.error else ""
        yield f"    expect: {{status: {test.status}{error}}}"


def _entry(draft: Draft, at: str, value: Any, *, always_quoted: bool = False) -> str:
    key = at.rpartition(".")[2]
    note = _note(draft, at)
    if value is None:
        return f"{key}:{note}"
    if isinstance(value, list):
        return f"{key}: [{', '.join(_scalar(item) for item in value)}]{note}"
    return f"{key}: {_scalar(value, always_quoted=always_quoted)}{note}"


def _note(draft: Draft, at: str) -> str:
    fill, guess = draft.to_fill(at), draft.guessed(at)
    return f" # fill in: {_comment(fill)}" if fill else f" # guessed: {_comment(guess)}" if guess else ""


def _requirement(line: str) -> str:
    return line if _BARE.fullmatch(line) else _scalar(line)


def _comment(text: str) -> str:
    return " ".join(text.split())


def _flow(value: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{_scalar(key)}: {_scalar(item)}" for key, item in value.items()) + "}"


def _scalar(value: Any, *, always_quoted: bool = False) -> str:
    """Return a value so that YAML 1.1 and 1.2 both read it back."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if not always_quoted and _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    return json.dumps(value, ensure_ascii=False)

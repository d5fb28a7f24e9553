"""What a sample says otherwise than the model it is for: features it lacks, categories and kinds of no training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from builder.bundle.faults import closest
from builder.check.features_match import are_generic
from builder.errors import Fault, UsageError
from builder.scaffold.columns import Column, Intake

_SHOWN = 12
_HINT = "give a sample whose fields are the model's own, with values it was trained on; or leave --sample out"


def check_sample(intake: Intake | None, record: Any) -> None:
    """Hold the sample a person named against the model; a UsageError tells everything they disagree on."""
    found = list(find_contradictions(intake, record)) if record is not None else []
    if found:
        raise UsageError(found, hint=_HINT)


def find_contradictions(intake: Intake | None, record: Any) -> Iterator[Fault]:
    """Yield where a record and the features a model names disagree; nothing where the model does not say."""
    if intake is None or intake.takes != "features" or not intake.has_names or not intake.columns:
        return
    names = [column.name for column in intake.columns]
    if are_generic(names):  # the library made them up, and the service takes any others in their order
        return
    if not isinstance(record, dict):
        yield Fault(
            fact="the sample is no record of named fields", at="--sample", want=_listed(names), got=_kind(record)
        )
        return
    for column in intake.columns:
        if column.name not in record:
            yield _lacking(column.name, names, record)
        else:
            yield from _wrong(column, record[column.name])


def _lacking(name: str, names: list[str], record: dict[str, Any]) -> Fault:
    extra = [str(key) for key in record if key not in names]
    near = closest(name, extra)
    fact = f"the sample lacks {name}, which the model was trained with"
    return Fault(fact=fact, at="--sample", want=name, got=near or f"the fields {_listed(map(str, record))}")


def _wrong(column: Column, value: Any) -> Iterator[Fault]:
    if column.choices:
        if not any(value == choice and isinstance(value, str) == isinstance(choice, str) for choice in column.choices):
            fact = f"the model was not trained with this value of {column.name}"
            yield Fault(fact=fact, at="--sample", want=f"one of {_listed(map(str, column.choices))}", got=str(value))
    elif column.is_number and isinstance(value, str | list | dict):
        yield Fault(
            fact=f"the model takes a number for {column.name}", at="--sample", want="a number", got=_kind(value)
        )


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value!r}"
    return "an array" if isinstance(value, list) else "an object" if isinstance(value, dict) else str(value)


def _listed(words: Iterable[str]) -> str:
    shown = list(words)
    more = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

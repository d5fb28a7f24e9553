"""The request schema against the model's features, and against what the scoring code reads of a request."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from builder.bundle.model import Bundle, Contract, Framework
from builder.check.features import ModelFeatures, model_features
from builder.check.features_match import (
    RecordFields,
    all_names,
    are_generic,
    pair_renamed,
    record_fields,
    words_of_code,
)
from builder.check.finding import Finding, Level, Place, Rule
from builder.check.model_files import read_model_path
from builder.check.places import value_place
from builder.check.schema_parts import Presence
from builder.check.subject import Subject
from builder.check.walk.script import walk_scoring
from builder.check.walk.state import KeyUse

FEATURE_MISSING = Rule(
    id="KILN506",
    name="feature-missing",
    level=Level.ERROR,
    summary="The model expects a feature that the request schema does not name.",
    why="No request can carry it, so the model fails, or silently takes it for a missing value and answers nonsense.",
    remedy="Give the field the name the model was trained with, or map the names in a scoring script.",
)
FIELD_UNUSED = Rule(
    id="KILN507",
    name="field-unused",
    level=Level.WARNING,
    summary="The request schema names a field that the model does not know.",
    why="Callers send it and believe that it counts; the model never sees it.",
    remedy="Remove it from the schema, or train the model with it.",
)
FEATURE_COUNT = Rule(
    id="KILN508",
    name="feature-count",
    level=Level.ERROR,
    summary="The request schema has another number of fields than the model has features.",
    why="The model was fitted without names and takes the schema's fields in order: every request fails with 500.",
    remedy="List exactly the features the model was trained with, in the order of training.",
)
UNKNOWN_KEY = Rule(
    id="KILN509",
    name="unknown-key",
    level=Level.WARNING,
    summary="The scoring code reads a field that the request schema does not name.",
    why=(
        "A request that satisfies the schema lacks the field: it ends in 500 where 400 was due, or in a default. Where "
        "the schema forbids the field and every request comes by the line, all of them fail: that is an error."
    ),
    remedy="Correct the name, or add the field to the schema and to its required fields.",
)
OPTIONAL_KEY = Rule(
    id="KILN510",
    name="optional-key",
    level=Level.WARNING,
    summary="The scoring code reads a field that the request schema does not require, and nothing handles its absence.",
    why="A request without the field satisfies the schema, and is answered with 500 instead of 400.",
    remedy="Add the field to the schema's required fields, or read it with get().",
)
RULES: tuple[Rule, ...] = (FEATURE_MISSING, FIELD_UNUSED, FEATURE_COUNT, UNKNOWN_KEY, OPTIONAL_KEY)

_SHOWN = 8


def find_contract(subject: Subject) -> Iterator[Finding]:
    """Yield where schema, model and code speak of different fields."""
    bundle = subject.bundle
    if bundle.schemas.request is None:
        return
    features = model_features(bundle.root / bundle.model.path, bundle.model.framework, read_model_path(subject))
    fields = record_fields(bundle)
    if bundle.scoring.contract is Contract.NONE:
        if features is not None and fields is not None:
            yield from _served_as_is(bundle, features, fields)
        return
    if features is not None and features.names and fields is not None:
        yield from _with_script(subject, features.names, features.source)
    yield from _keys(subject)


def _served_as_is(bundle: Bundle, features: ModelFeatures, fields: RecordFields) -> Iterator[Finding]:
    """The server takes each feature by name, or all fields in the order of the schema."""
    if not features.names:
        if features.count is not None and features.count != len(fields.named):
            counts = f"the model has {features.count} features, and the schema {len(fields.named)} fields"
            remedy = "list exactly the features the model was trained with, in the order of training"
            yield _of_schema(bundle, FEATURE_COUNT, f"{counts} ({features.source})", remedy)
        return
    missing = [name for name in features.names if name not in fields.named]
    extra = [name for name in fields.named if name not in features.names]
    renamed = dict(pair_renamed(missing, extra))
    for name, field in renamed.items():
        message = f"the model expects '{name}' ({features.source}), and the schema names '{field}'"
        yield _of_schema(bundle, FEATURE_MISSING, message, f"rename '{field}' to '{name}'", field=field)
    lost = [name for name in missing if name not in renamed]
    if lost:
        message = f"the model expects {_listed(lost)} ({features.source}), which the schema does not name"
        level = None
        if not fields.is_closed:
            message += "; a request may still carry it, for the schema allows other fields"
            level = Level.WARNING
        remedy = f"add {_listed(lost)} to the schema's properties and required fields"
        yield _of_schema(bundle, FEATURE_MISSING, message, remedy, level=level)
    unused = [name for name in extra if name not in renamed.values()]
    if unused:
        message = f"the schema names {_listed(unused)}, which the model does not know ({features.source})"
        yield _of_schema(bundle, FIELD_UNUSED, message, f"remove {_listed(unused)} from the schema", field=unused[0])
    optional = [name for name in features.names if name in fields.named and name not in fields.required]
    if optional and bundle.model.framework is Framework.SKLEARN:
        message = f"{_listed(optional)} may be left out of a request; the model then gets a missing value"
        remedy = "add it to the schema's required fields, unless the model was trained to handle missing values"
        yield _of_schema(bundle, OPTIONAL_KEY, message, remedy, level=Level.NOTE, field=optional[0])


def _with_script(subject: Subject, names: tuple[str, ...], source: str) -> Iterator[Finding]:
    """A script may make features of anything; only what it clearly does not make is told."""
    bundle = subject.bundle
    schema = bundle.schemas.request or {}
    words, renames = words_of_code(subject.sources)
    if renames or are_generic(names):
        return
    named = all_names(schema)
    missing = [name for name in names if name not in named and name not in words]
    extra = [name for name in sorted(named) if name not in names and name not in words]
    renamed = dict(pair_renamed(missing, extra))
    for name, field in renamed.items():
        message = (
            f"the model expects '{name}' ({source}), the schema names '{field}', and the code mentions neither, "
            "unless it makes the name while it runs"
        )
        remedy = f"rename '{field}' to '{name}', or map the names in the script"
        yield _of_schema(bundle, FEATURE_MISSING, message, remedy, level=Level.WARNING, field=field)
    if len(missing) == len(names) > 1 and not renamed and not words & named:
        message = (
            f"the model expects {_listed(missing)} ({source}); neither the schema nor the code names any of them, "
            "unless it makes the names while it runs"
        )
        remedy = "describe the features the model was trained with, or name them in the script that makes them"
        yield _of_schema(bundle, FEATURE_MISSING, message, remedy, level=Level.WARNING)


def _keys(subject: Subject) -> Iterator[Finding]:
    """Report each key once, where it is read first; where that always fails, if there is such a place."""
    uses = [use for use in walk_scoring(subject).key_uses if not use.is_guarded]
    told: set[tuple[str, str]] = set()
    for use in sorted(uses, key=lambda use: (not _always_fails(use), use.module, use.line, use.column)):
        finding = _judge_key(use)
        if finding is not None and (use.module, use.key) not in told:
            told.add((use.module, use.key))
            yield finding


def _always_fails(use: KeyUse) -> bool:
    """Tell whether no request that satisfies the schema gets past this line."""
    return use.presence is Presence.NEVER and use.is_certain and not use.is_get


def _judge_key(use: KeyUse) -> Finding | None:
    place = Place(path=use.module, line=use.line, column=use.column)
    if use.presence is Presence.NEVER or (use.presence is Presence.UNNAMED and not use.is_get):
        forbids = "forbids" if use.presence is Presence.NEVER else "does not name"
        close = difflib.get_close_matches(use.key, use.named, n=1, cutoff=0.6)
        adding = "properties" if use.is_get else "properties and required fields"
        remedy = f"read '{close[0]}'" if close else f"add '{use.key}' to the schema's {adding}"
        message = f"'{use.key}' is read, and the request schema {forbids} it"
        if not _always_fails(use):
            return Finding(rule=UNKNOWN_KEY, place=place, message=message, remedy=remedy)
        message = f"{message}: every request fails"
        return Finding(rule=UNKNOWN_KEY, place=place, message=message, remedy=remedy, level=Level.ERROR)
    if use.presence is Presence.OPTIONAL and not use.is_get:
        message = f"'{use.key}' is read, and the request schema does not require it"
        remedy = f"add '{use.key}' to the schema's required fields, or read it with get('{use.key}')"
        return Finding(rule=OPTIONAL_KEY, place=place, message=message, remedy=remedy)
    return None


def _of_schema(
    bundle: Bundle, rule: Rule, message: str, remedy: str, *, level: Level | None = None, field: str | None = None
) -> Finding:
    place = value_place(bundle.root, ("schema", "request"), *(() if field is None else ("properties", field)))
    return Finding(rule=rule, place=place, message=message, remedy=remedy, level=level)


def _listed(names: Iterable[str]) -> str:
    shown = [f"'{name}'" for name in names]
    more = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

"""Requests of a service that takes records: their schema, and one that is accepted and one that is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from builder.scaffold.columns import Column, Intake
from builder.scaffold.compose import free
from builder.scaffold.draft import Draft, Test
from builder.scaffold.requests import (
    as_json,
    refused_record,
    sample_of_columns,
    sample_of_schema,
    schema_of_columns,
    schema_of_value,
)

SCHEMA_FILE = "schema/request.json"
RESPONSE_FILE = "schema/response.json"


def add_requests(
    draft: Draft,
    *,
    intake: Intake | None,
    record: Any = None,
    sample_file: str | None = None,
    schema: Mapping[str, Any] | None = None,
    schema_why: str = "",
) -> None:
    """Add schema and smoke tests of a service that takes records: one accepted, one refused.

    What is known best counts most: a schema the source declares, a sample, the features the model file names.
    """
    given = record is not None
    why = schema_why
    if schema is None:
        if given and (intake is None or not intake.has_names or not _has_all(intake, record)):
            schema, why = (
                schema_of_value(record, title=draft.name),
                f"made of the one sample {sample_file or ''}".strip(),
            )
        elif intake is not None and intake.columns:
            columns = [_told_by(column, record) for column in intake.columns]
            schema = schema_of_columns(columns, title=draft.name)
            if not given:
                record = sample_of_columns(columns)
            elif unknown := [key for key in record if key not in schema["properties"]]:
                record, sample_file = {key: record[key] for key in schema["properties"]}, None
                draft.guess("schema.request", f"the model does not know {', '.join(map(str, unknown))} of the sample")
            if wider := [column.name for column in columns if column.choices and column.takes_others]:
                draft.guess(
                    "schema.request",
                    f"{', '.join(wider)} may only be what the model was fitted on, though it passes over other values: "
                    "without the enum they are answered too",
                )
            named = "its names" if intake.has_names else "how many features it has"
            why = f"the model file says {named}, and little of what may be in them"
    if schema is None:
        draft.request_schema = None
        index = len(draft.tests)
        draft.tests.append(Test(name="a sample request is accepted", request=None, status=200))
        text = "a JSON file with a request the model accepts, or the request itself; or run init with --sample FILE"
        draft.blank(f"smoke[{index}].request", text)
        return
    write_schema(draft, schema, why)
    if record is None:
        record = sample_of_schema(schema)
    if sample_file is None or not given:
        sample_file = free(draft, "samples/accepted.json")
        draft.files[sample_file] = as_json(record)
    is_made_up = not given
    draft.tests.append(
        Test(
            name="a sample is accepted" if given else "a made-up record is accepted",
            request=sample_file,
            status=200,
            is_guess=is_made_up,
            why="its values mean nothing; put in a real one, and what it must be answered" if is_made_up else "",
        )
    )
    if is_made_up:
        draft.guess(sample_file, "its values are made up to fit the schema; put in a real request")
    add_refusal(draft, schema, record)


def _has_all(intake: Intake, record: Any) -> bool:
    return isinstance(record, Mapping) and {column.name for column in intake.columns} <= set(record)


def _told_by(column: Column, record: Any) -> Column:
    """Return a column with the kind a sample shows, where the model did not say."""
    if column.choices or not isinstance(record, Mapping) or column.name not in record:
        return column
    value = record[column.name]
    kind = {bool: "boolean", int: "number", float: "number", str: "string"}.get(type(value), "any")
    return replace(column, kind=kind)


def write_schema(draft: Draft, schema: Mapping[str, Any], why: str) -> None:
    """Put the request's schema into a file, unless the folder has one already."""
    draft.request_schema = SCHEMA_FILE
    if (draft.root / SCHEMA_FILE).is_file() or SCHEMA_FILE in draft.copies:
        return
    draft.files[SCHEMA_FILE] = as_json(schema)
    if why:
        draft.guess("schema.request", why)


def add_refusal(draft: Draft, schema: Mapping[str, Any], accepted: Any) -> None:
    """Add a smoke test of a request that must be refused, where the schema refuses any."""
    found = refused_record(schema, accepted)
    if found is None:
        return
    value, name = found
    path = free(draft, "samples/refused.json")
    draft.files[path] = as_json(value)
    shown = name if name.isascii() and name.isprintable() and not set(name) & set('"\\') else None
    title = f"a request without {shown or 'a field it must have'} is refused"
    draft.tests.append(Test(name=title, request=path, status=400, error=shown))


def is_valid(schema: Mapping[str, Any], value: Any) -> bool:
    """Tell whether a schema accepts a value; a schema that is none accepts nothing."""
    try:
        Draft202012Validator(schema).validate(value)
    except ValidationError:
        return False
    except Exception:  # noqa: BLE001 - a schema of the author's may be anything
        return False
    return True

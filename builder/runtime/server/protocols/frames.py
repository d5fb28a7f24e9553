"""MLflow's JSON: ``dataframe_split``, ``dataframe_records``, ``instances`` or ``inputs``, and ``params`` beside it."""

from __future__ import annotations

from typing import Any

from ..failure import Fault, refuse, refuse_faults
from ..intake import Reader
from ..schema import show

SPLIT, RECORDS, INSTANCES, INPUTS = "dataframe_split", "dataframe_records", "instances", "inputs"
FORMS = (SPLIT, RECORDS, INSTANCES, INPUTS)
PARAMETERS = ("params", "parameters")
SILENT = frozenset({"signature_name", "client_request_id"})
"""What clients of other servers add, and what changes nothing."""


def read_form(value: Any, reader: Reader) -> list[Any] | None:
    """Return the records of a body in one of the four shapes, checked; nothing when it is in none of them."""
    if not isinstance(value, dict):
        return None
    forms = [name for name in FORMS if name in value and name not in reader.features]
    if not forms:
        return None
    if len(forms) > 1:
        message = f"A body has exactly one of {', '.join(FORMS)}, but has {' and '.join(forms)}."
        raise refuse(400, message, [Fault(name, None, "oneOf", message) for name in forms])
    check_keys(value, forms[0])
    given = value[forms[0]]
    match forms[0]:
        case "dataframe_split":
            return read_split(given, reader)
        case "dataframe_records":
            records = expect_list(given, RECORDS)
            return reader.take_records([complete(record, reader) for record in records], RECORDS)
        case "inputs":
            return read_inputs(given, reader)
        case _:
            return read_instances(given, reader)


def check_keys(value: dict[str, Any], form: str) -> None:
    """Refuse parameters, which no model here takes, and keys that mean nothing; empty parameters are none."""
    faults = []
    for key, item in value.items():
        if key == form or key in SILENT or (key in PARAMETERS and item in (None, {}, [])):
            continue
        if key in PARAMETERS and isinstance(item, dict):
            faults += [
                Fault(f"{key}.{name}", each, "params", f'"{key}.{name}" is not known: this model takes no parameters.')
                for name, each in item.items()
            ]
        elif key in PARAMETERS:
            faults.append(Fault(key, item, "type", f'"{key}" must be an object, but is {show(item)}.'))
        else:
            faults.append(Fault(key, item, "additionalProperties", f'"{key}" is not a known field beside "{form}".'))
    if faults:
        raise refuse_faults(faults)


def read_instances(given: Any, reader: Reader, form: str = INSTANCES) -> list[Any]:
    """Return rows: objects of features, or arrays in the order of the schema."""
    if reader.takes_bodies:
        return reader.take_value({form: given})
    return reader.take_records(expect_list(given, form), form)


def read_split(given: Any, reader: Reader) -> list[Any]:
    """Return the rows of ``{"columns": […], "index": […], "data": [[…], …]}``; without columns, by position."""
    if not isinstance(given, dict):
        raise misfit(SPLIT, given, "an object with columns and data")
    unknown = [key for key in given if key not in {"columns", "index", "data"}]
    if unknown:
        raise refuse_faults(
            Fault(f"{SPLIT}.{key}", given[key], "additionalProperties", f'"{SPLIT}.{key}" is not a known field.')
            for key in unknown
        )
    place = f"{SPLIT}.data"
    rows = expect_list(given.get("data"), place)
    for index, row in enumerate(rows):
        if not isinstance(row, list):
            raise misfit(f"{place}[{index}]", row, "an array of values")
    expect_list(given.get("index", []), f"{SPLIT}.index")
    if "columns" not in given:
        return reader.take_rows(rows, place)
    columns = expect_list(given["columns"], f"{SPLIT}.columns")
    names = [str(name) for name in columns]
    if len(set(names)) < len(names):
        message = f'"{SPLIT}.columns" names a column more than once.'
        raise refuse(400, message, [Fault(f"{SPLIT}.columns", columns, "unique", message)])
    if reader.by_position and all(name == str(index) for index, name in enumerate(names)):
        return reader.take_rows(rows, place)  # what pandas calls columns that have no names
    for index, row in enumerate(rows):
        if len(row) != len(names):
            message = f'"{place}[{index}]" must have {len(names)} values, as there are columns, but has {len(row)}.'
            raise refuse(400, message, [Fault(f"{place}[{index}]", len(row), "length", message)])
    return reader.take_table(names, rows, place)


def read_inputs(given: Any, reader: Reader) -> list[Any]:
    """Return the rows of an object of columns, all as long, or of an array of rows."""
    if isinstance(given, list):
        if given and not any(isinstance(row, dict | list) for row in given) and len(reader.names) == 1:
            given = [[value] for value in given]
        return read_instances(given, reader, INPUTS)
    if not isinstance(given, dict):
        raise misfit(INPUTS, given, "an object of columns or an array of rows")
    if reader.takes_bodies:
        reader.refuse_bodies()
    columns = {str(name): column for name, column in given.items()}
    if columns and not any(isinstance(column, list) for column in columns.values()):
        columns = {name: [column] for name, column in columns.items()}
    lengths = {name: len(column) if isinstance(column, list) else None for name, column in columns.items()}
    longest = max((length for length in lengths.values() if length is not None), default=0)
    faults = [
        Fault(
            f"{INPUTS}.{name}",
            columns[name],
            "length",
            f'"{INPUTS}.{name}" must be an array of {longest} values, as other columns are, but '
            + (f"has {length}." if length is not None else f"is {show(columns[name])}."),
        )
        for name, length in lengths.items()
        if length != longest
    ]
    if faults:
        raise refuse_faults(faults)
    return reader.take_table(list(columns), list(zip(*columns.values(), strict=True)), INPUTS)


def complete(record: Any, reader: Reader) -> Any:
    """Return a record of a data frame, where null says that there is no value."""
    if not isinstance(record, dict):
        return record
    return {
        name: value
        for name, value in record.items()
        if value is not None or (feature := reader.features.get(name)) is None or feature.nullable or feature.required
    }


def expect_list(given: Any, place: str) -> list[Any]:
    """Return a list, or refuse what is none."""
    if not isinstance(given, list):
        raise misfit(place, given, "an array")
    return given


def misfit(place: str, given: Any, wanted: str) -> Exception:
    """Make the refusal of a value of the wrong type."""
    message = f'"{place}" must be {wanted}, but is {show(given)}.'
    return refuse(400, message, [Fault(place, given, "type", message)])

"""CSV as requests carry it (RFC 4180): SageMaker sends no header, MLflow sends one, and both say ``text/csv``.

The first row is a header when every cell names a feature, and is none when it is itself a record the schema accepts;
when it could be both, the content type must say which (``text/csv; header=present`` or ``header=absent``).
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .failure import Fault, RefusedError, refuse
from .features import NUMBER, read_cell
from .intake import Reader, show_bytes
from .schema import count, show

PLACE = "rows"
LONGEST_CELL = 1 << 20
REMEDY = "Say text/csv; header=present or text/csv; header=absent."


def read_csv(body: bytes, parameters: Mapping[str, str], reader: Reader, *, in_batch: bool = False) -> list[Any]:
    """Return the records of a body, checked.

    ``in_batch`` is for lines cut out of a file, of which only the first can be a header: it is one when it is exactly
    the names in their order.
    """
    rows = split_rows(body)
    if not rows:
        return []
    if has_header(rows, parameters, reader, in_batch=in_batch):
        names, *rows = rows
        return take_named(names, rows, reader)
    names = list(reader.names)
    if reader.by_position:
        return reader.take_rows([[read_cell(cell, None) for cell in row] for row in rows], PLACE)
    if names:
        check_lengths(rows, names)
    return reader.take_rows(read_rows(rows, names, reader), PLACE)


def split_rows(body: bytes) -> list[list[str]]:
    """Return the cells of every row; empty lines are none."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"The body is not UTF-8: byte {error.object[error.start]:#04x}."
        raise refuse(400, message, [Fault("", show_bytes(body), "csv", message)]) from None
    csv.field_size_limit(LONGEST_CELL)
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        message = f"The body is not valid CSV: {error}."
        raise refuse(400, message, [Fault("", show_bytes(body), "csv", message)]) from None


def has_header(
    rows: Sequence[list[str]], parameters: Mapping[str, str], reader: Reader, *, in_batch: bool = False
) -> bool:
    """Say whether the first row names the columns; see the module for the rule."""
    said = parameters.get("header")
    if said is not None:
        if said not in {"present", "absent"}:
            message = f"The header of text/csv is present or absent, not {show(said)}."
            raise refuse(415, message, [Fault("content-type", said, "header", message)])
        return said == "present"
    first = rows[0]
    if in_batch and reader.names:
        return tuple(first) == reader.names
    if not reader.names:
        return guess_header(rows, reader)
    cells = [cell.strip() for cell in first]
    names_all = set(cells) <= set(reader.names)
    if names_all and is_record(first, reader):
        message = f"The first row could be the names of the columns or a record. {REMEDY}"
        raise refuse(400, message, [Fault(f"{PLACE}[0]", first, "header", message)])
    return names_all or (not set(cells).isdisjoint(reader.names) and not is_record(first, reader))


def guess_header(rows: Sequence[list[str]], reader: Reader) -> bool:
    """Say whether the first row is a header where nothing says how columns are called."""
    if not reader.by_position:
        return True  # records are objects, and their names can come from nowhere else
    if any(NUMBER.fullmatch(cell.strip()) for cell in rows[0]):
        return False
    if len(rows) > 1 and any(NUMBER.fullmatch(cell.strip()) for cell in rows[1]):
        return True
    message = f"Whether the first row names the columns cannot be seen. {REMEDY}"
    raise refuse(400, message, [Fault(f"{PLACE}[0]", rows[0], "header", message)])


def is_record(row: list[str], reader: Reader) -> bool:
    """Say whether a row, taken by position, is a record the schema accepts."""
    if len(row) != len(reader.names):
        return False
    try:
        reader.take_rows(read_rows([row], reader.names, reader), PLACE)
    except RefusedError as error:
        if error.failure.status == 501:
            raise
        return False
    return True


def take_named(names: list[str], rows: list[list[str]], reader: Reader) -> list[Any]:
    """Return the records below a header, checked."""
    names = [name.strip() for name in names]
    doubled = [name for name, number in Counter(names).items() if number > 1]
    if doubled:
        messages = [f"The header names the column {show(name)} more than once." for name in doubled]
        raise refuse(
            400,
            " ".join(messages[:3]),
            [Fault("header", name, "unique", message) for name, message in zip(doubled, messages, strict=True)],
        )
    check_lengths(rows, names)
    return reader.take_table(names, read_rows(rows, names, reader), PLACE)


def read_rows(rows: Iterable[Sequence[str]], names: Sequence[str], reader: Reader) -> list[list[Any]]:
    """Return the values of rows, each cell as the schema wants it."""
    features = [reader.features.get(name) for name in names]
    if not features:
        return [[read_cell(cell, None) for cell in row] for row in rows]
    return [[read_cell(cell, feature) for cell, feature in zip(row, features, strict=True)] for row in rows]


def check_lengths(rows: Sequence[Sequence[str]], names: Sequence[str]) -> None:
    """Refuse rows that have another number of cells than there are columns."""
    faults = [
        Fault(f"{PLACE}[{index}]", len(row), "length", _say_length(index, row, names))
        for index, row in enumerate(rows)
        if len(row) != len(names)
    ]
    if faults:
        raise refuse(400, " ".join(fault.message for fault in faults[:3]), faults[:200])


def _say_length(index: int, row: Sequence[str], names: Sequence[str]) -> str:
    columns = ", ".join(names)
    return f'"{PLACE}[{index}]" must have {count(len(names), "value")} ({columns}), but has {len(row)}.'

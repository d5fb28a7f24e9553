"""Bodies that only the bundle's own packages can read, turned into plain columns for the server to check."""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from typing import Any

from ..wire import OK
from .output import Journal
from .values import UnansweredError, make_plain

Answer = tuple[str, Any]
COLUMNS = "columns"
"""(COLUMNS, [name, …], [[value, …], …]): the table of a body."""
UNREADABLE = "unreadable"
"""(UNREADABLE, status, sentence): why there is none."""
NO_PYARROW = "Parquet is read with the model's own pyarrow, which this image does not have; send JSON or CSV."
BATCH_ROWS = 256
EXPANSION = 64
"""How many times the size of a body its values may take in memory."""


def decode(requests: Sequence[tuple[str, Any]], journal: Journal) -> list[Answer]:
    """Read each request's body, (format, body, cells there may be at most); a bad one is no error of ours."""
    return [(OK, read_table(body, most_cells, request_id, journal)) for request_id, (_, body, most_cells) in requests]


def read_table(body: bytes, most_cells: int, request_id: str, journal: Journal) -> Answer | tuple[Any, ...]:
    """Return the columns of a Parquet file, or why it cannot be read."""
    journal.requests = (request_id,)
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        return UNREADABLE, 415, NO_PYARROW
    try:
        return read_parquet(parquet, body, most_cells)
    except UnansweredError as error:
        return UNREADABLE, 400, f"The Parquet file holds {error}."
    except Exception as error:  # noqa: BLE001 - pyarrow raises many kinds, ArrowInvalid and OSError among them
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return UNREADABLE, 400, f"The body is not a Parquet file that can be read: {lines[0]}."


def read_parquet(parquet: Any, body: bytes, most_cells: int) -> tuple[Any, ...]:
    """Read a file in small steps, so that one that unfolds without end is given up in time."""
    file = parquet.ParquetFile(io.BytesIO(body))
    names = [str(name) for name in file.schema_arrow.names]
    cells = file.metadata.num_rows * max(len(names), 1)
    if cells > most_cells:
        return UNREADABLE, 413, f"The Parquet file has {cells} values; the limit is {most_cells}."
    columns: list[list[Any]] = [[] for _ in names]
    size = 0
    for batch in file.iter_batches(batch_size=BATCH_ROWS):
        size += batch.nbytes
        if size > EXPANSION * most_cells:
            return UNREADABLE, 413, f"The Parquet file takes over {EXPANSION * most_cells} bytes in memory."
        for column, values in zip(columns, batch.columns, strict=True):
            column += [make_text(value) if isinstance(value, bytes) else value for value in values.to_pylist()]
    return COLUMNS, names, make_plain(columns)


def make_text(value: bytes) -> str:
    """Return bytes as the text they are; Parquet files of old writers do not say which columns are text."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise UnansweredError("bytes that are not UTF-8 text") from None

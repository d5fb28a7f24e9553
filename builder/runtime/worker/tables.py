"""Parquet files read and written with the bundle's own pyarrow, in a process that has the worker's import root.

One process reads, another writes; each talks to the batch command by frames (see :mod:`wire`) over its standard input
or output. Neither loads the model.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..places import find_places
from ..wire import Unpacker, pack
from .decode import make_text
from .imports import arrange_imports
from .values import make_plain

ROWS = "rows"
"""When reading (ROWS, file number, number of the first row from 0, names, [(value, …), …]); when writing
(ROWS, [record, …])."""
END = "end"
"""(END,): nothing more comes; when writing, the file is complete."""
FAULT = "fault"
"""(FAULT, what is wrong)."""

REMEDY = (
    "Parquet takes pyarrow, which is not among the requirements of this bundle; "
    "add pyarrow to them and build again, or use JSON lines or CSV"
)
FIRST_ROWS = 16384
"""Rows that are looked at before the types of the columns are decided."""


def run(arguments: list[str]) -> int:
    """Read or write, as the job on standard input or in the arguments says; faults are told in frames, not raised."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the batch command ends this process
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    arrange_imports(find_places(), None)
    job = json.loads(arguments[1])
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        return tell(output, REMEDY)
    except Exception as error:  # noqa: BLE001 - whatever a broken library raises
        return tell(output, f"pyarrow cannot be imported: {type(error).__name__}: {error}")
    try:
        if arguments[0] == "read":
            read(parquet, job, output)
        else:
            write(parquet, job, sys.stdin.buffer)
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001 - pyarrow's errors have many classes
        return tell(output, f"{type(error).__name__}: {str(error).strip()}")
    output.write(pack((END,)))
    output.flush()
    return 0


def tell(output: BinaryIO, fault: str) -> int:
    """Send a fault and return the exit code."""
    output.write(pack((FAULT, fault)))
    output.flush()
    return 1


def read(parquet: Any, job: dict[str, Any], output: BinaryIO) -> None:
    """Send the rows of one part of the files, taken together and counted through, in order."""
    index, count = job["shard"]
    files = []
    for path in job["files"]:
        try:
            files.append(parquet.ParquetFile(path))
        except Exception as error:
            raise ValueError(f"{path} is not Parquet: {error}") from error
    total = sum(file.metadata.num_rows for file in files)
    start, end = total * index // count, total * (index + 1) // count
    first = 0
    for number, file in enumerate(files):
        rows = file.metadata.num_rows
        names = [str(name) for name in file.schema_arrow.names]
        for place, values in read_rows(file, max(0, start - first), min(rows, end - first), job["size"]):
            output.write(pack((ROWS, number, place, names, values)))
            output.flush()
        first += rows


def read_rows(file: Any, start: int, end: int, size: int) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    """Yield the rows of a range and the number of the first of each lot; row groups outside it are not read."""
    first = 0
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if first < end and first + rows > start:
            place = first
            for batch in file.iter_batches(batch_size=size, row_groups=[group]):
                low, high = max(start - place, 0), min(end - place, batch.num_rows)
                if low < high:
                    yield place + low, make_rows(batch.slice(low, high - low))
                place += batch.num_rows
        first += rows


def make_rows(batch: Any) -> list[tuple[Any, ...]]:
    """Return plain rows."""
    columns = [
        make_plain([make_text(value) if isinstance(value, bytes) else value for value in column.to_pylist()])
        for column in batch.columns
    ]
    return list(zip(*columns, strict=True))


def write(parquet: Any, job: dict[str, Any], source: BinaryIO) -> None:
    """Write what comes until its end; the types are those of the first rows, so that a later row must fit them."""
    unpacker = Unpacker()
    waiting: list[dict[str, Any]] = []
    writer = None
    ended = False
    while not ended and (data := os.read(source.fileno(), 1 << 20)):
        for message in unpacker.feed(data):
            ended = message[0] == END
            if not ended:
                waiting += message[1]
        if len(waiting) >= FIRST_ROWS or ended:
            writer = write_rows(parquet, writer, waiting, job)
            waiting = []
    if not ended:
        raise EOFError("the batch command ended before its output did")
    if writer is not None:
        writer.close()


def write_rows(parquet: Any, writer: Any, records: list[dict[str, Any]], job: dict[str, Any]) -> Any:
    """Write one row group, and open the file with the first."""
    arrow = importlib.import_module("pyarrow")
    names = list(dict.fromkeys(name for record in records for name in record)) or job["columns"]
    try:
        if writer is not None:
            unknown = set(names).difference(writer.schema.names)
            if records and unknown:
                raise ValueError(f"a later record has columns that the first ones lack: {', '.join(sorted(unknown))}")
            writer.write_table(arrow.Table.from_pylist(records, schema=writer.schema))
            return writer
        table = arrow.table({name: arrow.array([each.get(name) for each in records]) for name in names})
        types = [arrow.string() if arrow.types.is_null(each.type) else each.type for each in table.schema]
        table = table.cast(arrow.schema(list(zip(names, types, strict=True))))
    except (arrow.ArrowInvalid, arrow.ArrowTypeError) as error:
        raise ValueError(
            f"the predictions do not have one type for each column ({error}); write JSON lines instead"
        ) from error
    writer = parquet.ParquetWriter(job["path"], table.schema)
    writer.write_table(table)
    return writer

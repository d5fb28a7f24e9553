"""The rows of one shard of the whole input, in order, with constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from ..server.features import Feature, make_records, read_cell
from .files import InputError, Source
from .lines import read_lines
from .rows import Row
from .separated import read_cells
from .shards import Shard
from .tables import read_table_rows

WHOLE = Shard()


def read_rows(
    sources: Sequence[Source],
    shard: Shard,
    *,
    limit: int,
    features: Mapping[str, Feature],
    environment: Mapping[str, str],
) -> Iterator[Row]:
    """Yield this shard's rows.

    How the input is cut depends on what it is. Plain JSON lines: by bytes, a line belonging to where it begins.
    Parquet: by rows. Either way all files count as one. What can only be read from its beginning, CSV and gzip: by
    whole files when there are as many as shards, else by dealing out the records in turn.
    """
    for kind, group in groupby(sources, key=find_kind):
        files = list(group)
        match kind:
            case "parquet":
                yield from read_table_rows(files, shard, features, environment)
            case "bytes":
                yield from read_ranges(files, shard, limit)
            case _:
                yield from read_dealt(files, shard, limit, features)


def find_kind(source: Source) -> str:
    """Return how a file is cut into shards."""
    if source.format == "parquet":
        return "parquet"
    return "bytes" if source.format == "jsonl" and not source.zipped and source.path is not None else "dealt"


def read_ranges(sources: Sequence[Source], shard: Shard, limit: int) -> Iterator[Row]:
    """Yield the lines that begin in this shard's part of all bytes."""
    if shard.count == 1:
        for source in sources:
            yield from read_lines(source, limit)
        return
    start, end = shard.take_range(sum(source.size for source in sources))
    first = 0
    for source in sources:
        if first < end and first + source.size > start:
            yield from read_lines(source, limit, max(0, start - first), min(source.size, end - first))
        first += source.size


def read_dealt(sources: Sequence[Source], shard: Shard, limit: int, features: Mapping[str, Feature]) -> Iterator[Row]:
    """Yield the rows of whole files, or every n-th row of each file."""
    by_files = len(sources) >= shard.count
    for number, source in enumerate(sources):
        if by_files and not shard.holds(number):
            continue
        rest = WHOLE if by_files else shard
        if source.format == "csv":
            yield from read_records(source, limit, rest, features)
        else:
            for index, row in enumerate(read_lines(source, limit)):
                if rest.holds(index):
                    yield row


def read_records(source: Source, limit: int, shard: Shard, features: Mapping[str, Feature]) -> Iterator[Row]:
    """Yield the records of a CSV file, the names of whose columns are in its first row."""
    rows = read_cells(source, limit, shard)
    header = next(rows, None)
    if header is None:
        return
    names = [str(name).strip() for name in header.value]
    if features and not set(names) & set(features):
        raise InputError(
            f"{header.place}: the first row names the columns, but {', '.join(names[:5])} are no fields of the schema"
        )
    if len(set(names)) != len(names):
        raise InputError(f"{header.place}: a column is named twice")
    known = [features.get(name) for name in names]
    for row in rows:
        cells = row.value
        if len(cells) != len(names):
            row.fault = f"the row has {len(cells)} cells, the header {len(names)}"
        elif any("\udc80" <= mark <= "\udcff" for cell in cells if not cell.isascii() for mark in cell):
            row.fault = "the row is not UTF-8"
        else:
            values = [read_cell(cell, feature) for cell, feature in zip(cells, known, strict=True)]
            row.value = make_records(names, [values], features)[0]
        yield row

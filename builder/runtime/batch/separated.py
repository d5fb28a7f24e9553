"""CSV: rows of cells, each row with the line it begins on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import IO

from .files import InputError, Source
from .lines import opened
from .rows import Row
from .shards import Shard


def read_cells(source: Source, limit: int, shard: Shard) -> Iterator[Row]:
    """Yield the header, numbered 0, and then this shard's rows as lists of cells; blank lines are no rows.

    Rows are dealt out to the shards in turn. A cell or line over ``limit`` characters ends the reading, since nobody
    can tell where the next row begins: an unclosed quote is the usual cause.
    """
    csv.field_size_limit(limit)
    number = -1
    with opened(source) as binary:
        lines = Lines(io.TextIOWrapper(binary, "utf-8-sig", errors="surrogateescape", newline=""), limit, source.name)
        reader = csv.reader(lines, strict=True)
        locate = f"{source.name}:{{}}".format
        line = 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise InputError(f"{source.name}:{line} is not CSV: {error}") from None
            if cells is None:
                return
            if cells:
                number += 1
                if number == 0 or shard.holds(number - 1):
                    yield Row(locate, line, value=cells)
            line = reader.line_num + 1


class Lines:
    """The lines of a text, none of them longer than the limit."""

    def __init__(self, text: IO[str], limit: int, name: str) -> None:
        self._text = text
        self._limit = limit
        self._name = name
        self._number = 0

    def __iter__(self) -> Lines:
        """Return itself."""
        return self

    def __next__(self) -> str:
        """Return the next line."""
        line = self._text.readline(self._limit + 1)
        self._number += 1
        if not line:
            raise StopIteration
        if len(line) > self._limit and not line.endswith("\n"):
            raise InputError(f"{self._name}:{self._number} is over the limit of {self._limit} characters")
        return line

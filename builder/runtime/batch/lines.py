"""JSON lines, plain or gzip, read with constant memory; a plain file also from any byte range of it."""

from __future__ import annotations

import contextlib
import gzip
import sys
import zlib
from collections.abc import Iterator
from typing import IO, cast

from .files import InputError, Source
from .rows import Row

BLOCK = 1 << 20
MARK = b"\xef\xbb\xbf"


@contextlib.contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """Open a source for reading; what is wrong with the file or its compression is an :class:`InputError`."""
    try:
        if source.path is None:
            yield sys.stdin.buffer
        elif source.zipped:
            with gzip.open(source.path, "rb") as unzipped:
                yield cast(IO[bytes], unzipped)
        else:
            with source.path.open("rb", buffering=BLOCK) as file:
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{source.name} is not a whole gzip file: {error}") from None
    except OSError as error:
        raise InputError(f"{source.name} cannot be read: {error.strerror or error}") from None


class LineNumbers:
    """Tells the number of a line of a file that was not read from its beginning; the lines before are counted once."""

    def __init__(self, source: Source, start: int) -> None:
        self._source = source
        self._start = start
        self._before: int | None = None if start else 0

    def locate(self, number: int) -> str:
        """Return ``file:line``; ``number`` counts from 1 at the start of the range."""
        if self._before is None:
            self._before = self._count()
        return f"{self._source.name}:{self._before + number}"

    def _count(self) -> int:
        left, count = self._start, 0
        with opened(self._source) as file:
            while left and (block := file.read(min(BLOCK, left))):
                count += block.count(b"\n")
                left -= len(block)
        return count


def read_lines(source: Source, limit: int, start: int = 0, end: int | None = None) -> Iterator[Row]:
    """Yield a row for each line that is not blank and whose first byte lies in the range.

    A line that is longer than ``limit`` bytes becomes a row with a fault; it is never held whole.
    """
    with opened(source) as file:
        if start:
            file.seek(start - 1)
            start += skip_line(file) - 1
        numbers = LineNumbers(source, start)
        position, number = start, 0
        while end is None or position < end:
            line = file.readline(limit + 2)
            if not line:
                return
            position += len(line)
            number += 1
            if len(line) > limit and not line.endswith(b"\n"):
                position += skip_line(file)
                yield Row(numbers.locate, number, fault=f"the line is over the limit of {limit} bytes")
                continue
            if number == 1 and position == len(line):
                line = line.removeprefix(MARK)
            if line := line.strip():
                yield Row(numbers.locate, number, line)


def skip_line(file: IO[bytes]) -> int:
    """Read on to the beginning of the next line; return how many bytes that were."""
    size = 0
    while part := file.readline(BLOCK):
        size += len(part)
        if part.endswith(b"\n"):
            break
    return size

"""Where predictions go: written aside under another name and renamed when they are whole, or to standard output."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import gzip
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol, cast

import msgspec

from .tables import TableError, TableWriter

MOST_WAITING = 16384
"""Results kept for the first prediction, whose fields are columns of CSV."""
PREDICTION = "prediction"
ERROR = "error"
encode = msgspec.json.Encoder().encode


class OutputError(Exception):
    """The output cannot be written."""


class Sink(Protocol):
    """Takes results in order."""

    def write(self, results: list[dict[str, Any]]) -> None:
        """Add results; each has the kept fields and either ``prediction`` or ``error`` and ``faults``."""
        ...

    def finish(self) -> None:
        """Complete the output; only then is it there under its name."""
        ...

    def abort(self) -> None:
        """Leave nothing behind."""
        ...


class AsideFile:
    """A file that is written under its name and ``.part``, and given its name when it is complete.

    What stood under the name before stays until then; what a killed run left is written over by the next.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.part.open("ab")
        except OSError as error:
            raise OutputError(f"{self.part} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise OutputError(f"{self.part} is being written by another run") from None
        except OSError:
            pass  # a file system without locks
        self._file.truncate(0)
        self.stream: IO[bytes] = self._file
        if path.name.endswith(".gz"):
            self.stream = cast(IO[bytes], gzip.GzipFile("", "wb", compresslevel=6, fileobj=self._file, mtime=0))

    def finish(self) -> None:
        """Bring it to the disk and give it its name."""
        if self.stream is not self._file:
            self.stream.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self.part.replace(self.path)
        self._file.close()
        with contextlib.suppress(OSError):  # not every file system syncs folders
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def abort(self) -> None:
        """Remove it."""
        with contextlib.suppress(OSError):
            self.part.unlink()
        with contextlib.suppress(OSError, ValueError):
            self._file.close()


class Pipe:
    """Standard output."""

    def __init__(self) -> None:
        self.stream: IO[bytes] = sys.stdout.buffer

    def finish(self) -> None:
        """Send what is left."""
        self.stream.flush()

    def abort(self) -> None:
        """What was sent cannot be taken back."""


class LinesSink:
    """JSON lines."""

    def __init__(self, target: AsideFile | Pipe) -> None:
        self._target = target

    def write(self, results: list[dict[str, Any]]) -> None:
        """Write one line for each result."""
        self._target.stream.write(b"".join([encode(result) + b"\n" for result in results]))

    def finish(self) -> None:
        """Complete the output."""
        self._target.finish()

    def abort(self) -> None:
        """Leave nothing."""
        self._target.abort()


class ColumnsSink:
    """CSV with a header. A prediction that is an object has a column for each of its fields.

    The columns are those of the first result that has a prediction, or of the response schema.
    """

    def __init__(self, target: AsideFile | Pipe, names: Sequence[str], *, errors: bool) -> None:
        self._target = target
        self._names = tuple(names)
        self._errors = errors
        self._columns: list[str] = []
        self._waiting: list[dict[str, Any]] = []

    def write(self, results: list[dict[str, Any]]) -> None:
        """Write one row for each result."""
        if not self._columns:
            self._waiting += results
            scored = any(PREDICTION in result for result in results)
            if not self._names and not scored and len(self._waiting) < MOST_WAITING:
                return
            self._begin()
            return
        self._write(results)

    def _begin(self) -> None:
        results, self._waiting = self._waiting, []
        scored = next((result for result in results if PREDICTION in result), {})
        kept = [name for name in (scored or next(iter(results), {})) if name not in {PREDICTION, ERROR, "faults"}]
        told = scored.get(PREDICTION)
        names = list(told) if isinstance(told, dict) else [] if scored else list(self._names)
        self._names = tuple(names)
        self._columns = [*kept, *(names or [PREDICTION]), *([ERROR] if self._errors else [])]
        self._write_rows([self._columns])
        self._write(results)

    def _write(self, results: list[dict[str, Any]]) -> None:
        self._write_rows([self._make_row(result) for result in results])

    def _make_row(self, result: Mapping[str, Any]) -> list[str]:
        row = {name: value for name, value in result.items() if name != PREDICTION}
        told = result.get(PREDICTION)
        if isinstance(told, dict) and self._names:
            row |= told
        elif PREDICTION in result:
            row[PREDICTION] = told
        row.pop("faults", None)
        if unknown := row.keys() - set(self._columns):
            raise OutputError(
                f"a result has columns that the first lacks: {', '.join(sorted(unknown))}; write JSON lines"
            )
        return [show_cell(row.get(name)) for name in self._columns]

    def _write_rows(self, rows: list[list[str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._target.stream.write(text.getvalue().encode())

    def finish(self) -> None:
        """Complete the output."""
        if not self._columns:
            self._begin()
        self._target.finish()

    def abort(self) -> None:
        """Leave nothing."""
        self._target.abort()


class TableSink:
    """Parquet, by the bundle's own pyarrow."""

    def __init__(self, target: AsideFile, columns: Sequence[str], environment: Mapping[str, str]) -> None:
        self._target = target
        self._errors = ERROR in columns
        self._writer = TableWriter(target.part, columns, environment)

    def write(self, results: list[dict[str, Any]]) -> None:
        """Write one row for each result."""
        rows = [{name: value for name, value in result.items() if name != "faults"} for result in results]
        for row in rows:
            row.setdefault(PREDICTION, None)
            if self._errors:
                row.setdefault(ERROR, None)
        try:
            self._writer.write(rows)
        except TableError as error:
            raise OutputError(str(error)) from None

    def finish(self) -> None:
        """Complete the output."""
        try:
            self._writer.finish()
        except TableError as error:
            raise OutputError(str(error)) from None
        self._target.finish()

    def abort(self) -> None:
        """Leave nothing."""
        self._writer.abort()
        self._target.abort()


def show_cell(value: Any) -> str:
    """Return a value as a cell of CSV: text as it is, nothing for null, JSON for what has parts."""
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            text = encode(value).decode()
            return "" if text == "null" else text

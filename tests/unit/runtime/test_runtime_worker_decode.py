from __future__ import annotations

import math
import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from builder.runtime.wire import OK
from builder.runtime.worker.decode import BATCH_ROWS, decode
from builder.runtime.worker.output import Journal


class Column:
    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def to_pylist(self) -> list[Any]:
        return self._values


class ParquetFile:
    """As much of pyarrow's as is used."""

    table: dict[str, list[Any]]
    batches_read = 0

    def __init__(self, file: Any) -> None:
        if not file.read().startswith(b"PAR1"):
            raise OSError("Parquet magic bytes not found in footer.\nMore.")
        self.schema_arrow = SimpleNamespace(names=list(self.table))
        self.rows = len(next(iter(self.table.values()), []))
        self.metadata = SimpleNamespace(num_rows=self.rows)

    def iter_batches(self, batch_size: int) -> Any:
        for start in range(0, self.rows, batch_size):
            type(self).batches_read += 1
            parts = [Column(values[start : start + batch_size]) for values in self.table.values()]
            yield SimpleNamespace(columns=parts, nbytes=sum(len(str(part.to_pylist())) for part in parts))


@pytest.fixture
def journal() -> Journal:
    return Journal(os.open(os.devnull, os.O_WRONLY))


@pytest.fixture
def parquet(monkeypatch: pytest.MonkeyPatch) -> type[ParquetFile]:
    module = ModuleType("pyarrow.parquet")
    module.ParquetFile = ParquetFile  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyarrow", ModuleType("pyarrow"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", module)
    ParquetFile.batches_read = 0
    return ParquetFile


def read(journal: Journal, body: bytes, most_cells: int = 10_000) -> Any:
    ((outcome, answer),) = decode([("r", ("parquet", body, most_cells))], journal)
    assert outcome == OK
    return answer


def test_columns_come_as_plain_values(journal: Journal, parquet: type[ParquetFile]) -> None:
    parquet.table = {"a": [1, None, math.inf] * 200, "b": [b"x", "y", b"\xc3\xa4"] * 200}
    assert read(journal, b"PAR1") == ("columns", ["a", "b"], [[1, None, math.inf] * 200, ["x", "y", "ä"] * 200])
    assert parquet.batches_read == 600 // BATCH_ROWS + 1


def test_a_file_with_too_many_values_is_not_read(journal: Journal, parquet: type[ParquetFile]) -> None:
    parquet.table = {"a": [1] * 600, "b": [1] * 600}
    assert read(journal, b"PAR1", 1199) == ("unreadable", 413, "The Parquet file has 1200 values; the limit is 1199.")
    assert parquet.batches_read == 0


def test_a_file_that_unfolds_without_end_is_given_up(journal: Journal, parquet: type[ParquetFile]) -> None:
    parquet.table = {"a": ["x" * 1000] * 600}
    kind, status, _ = read(journal, b"PAR1", 1000)
    assert (kind, status, parquet.batches_read) == ("unreadable", 413, 1)


def test_what_is_no_parquet_is_told_in_a_line(journal: Journal, parquet: type[ParquetFile]) -> None:
    parquet.table = {"a": [b"\xff"]}
    assert read(journal, b"nothing")[1:] == (
        400, "The body is not a Parquet file that can be read: Parquet magic bytes not found in footer..",
    )  # fmt: skip
    assert read(journal, b"PAR1")[1:] == (400, "The Parquet file holds bytes that are not UTF-8 text.")


def test_without_pyarrow_there_is_no_parquet(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    assert read(journal, b"PAR1")[:2] == ("unreadable", 415)

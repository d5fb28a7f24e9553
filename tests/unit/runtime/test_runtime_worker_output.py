from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from builder.runtime.worker.output import LONGEST, MARK, Journal, JournalHandler, LineStream


class Tape:
    """A journal and what came out of it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the tape
        self.journal = Journal(self._file.fileno())
        self._read = 0

    def raw(self) -> bytes:
        return os.pread(self._file.fileno(), 1 << 20, 0)

    def lines(self) -> list[dict[str, Any]]:
        data = os.pread(self._file.fileno(), 1 << 20, self._read)
        self._read += len(data)
        assert all(line.startswith(MARK) for line in data.splitlines())
        return [json.loads(line[1:]) for line in data.splitlines()]

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def tape() -> Iterator[Tape]:
    made = Tape()
    yield made
    made.close()


def test_a_line_carries_the_request_it_belongs_to(tape: Tape) -> None:
    tape.journal.write("info", "x", "none")
    tape.journal.requests = ("a",)
    tape.journal.write("info", "x", "one")
    tape.journal.requests = ("a", "b")
    tape.journal.write("info", "x", "two", extra=1)
    none, one, two = tape.lines()
    assert "request_id" not in none
    assert one["request_id"] == "a"
    assert (two["request_ids"], two["extra"]) == (["a", "b"], 1)


def test_lines_are_as_compact_as_the_server_s(tape: Tape) -> None:
    tape.journal.requests = ("a", "b")
    tape.journal.write("info", "x", "one", extra={"k": [1, 2]})
    (line,) = tape.raw().splitlines()
    assert line == MARK + msgspec.json.encode(json.loads(line[1:]))


def test_print_makes_one_line_of_the_journal_per_line(tape: Tape) -> None:
    stream = LineStream(tape.journal, "stdout", "info")
    print("a", "b", file=stream)
    print("begin", end=" ", file=stream)
    print("end", file=stream)
    print("\n\n", file=stream)
    print("rest", end="", file=stream)
    assert [line["message"] for line in tape.lines()] == ["a b", "begin end"]
    stream.finish()
    assert [line["message"] for line in tape.lines()] == ["rest"]


def test_a_text_without_end_is_cut(tape: Tape) -> None:
    stream = LineStream(tape.journal, "stdout", "info")
    tape.journal.write("info", "x", "y" * (LONGEST + 10))
    assert len(tape.lines()[0]["message"]) == LONGEST + 1
    assert stream.write("lone surrogate \ud800\n") == 17
    assert "\\ud800" in json.dumps(tape.lines()[0]["message"])


def test_logging_keeps_level_name_and_traceback(tape: Tape) -> None:
    error = ValueError("no")
    record = logging.LogRecord("mine", logging.ERROR, "", 0, "it failed %d", (3,), (ValueError, error, None))
    JournalHandler(tape.journal).handle(record)
    (line,) = tape.lines()
    assert (line["level"], line["logger"], line["message"]) == ("error", "mine", "it failed 3")
    assert "ValueError: no" in line["exception"]

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from builder.runtime.request import NOTHING, enter
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
    enter(NOTHING)  # what another test began to score is over
    made = Tape()
    yield made
    enter(NOTHING)
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


def test_what_one_print_writes_is_one_line_of_the_journal(tape: Tape) -> None:
    stream = LineStream(tape.journal, "stdout", "info")
    print("a", "b", file=stream)
    print("begin", end=" ", file=stream)
    print("end", file=stream)
    print("\n\n", file=stream)
    print("a table\n  1 2\n  3 4", file=stream)
    print("rest", end="", file=stream)
    assert [line["message"] for line in tape.lines()] == ["a b", "begin end", "a table\n  1 2\n  3 4"]
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
    record = logging.LogRecord("mine", logging.ERROR, "", 0, "it failed %d\n", (3,), (ValueError, error, None))
    JournalHandler(tape.journal).handle(record)
    (line,) = tape.lines()
    assert (line["level"], line["logger"], line["message"]) == ("error", "mine", "it failed 3")
    assert "ValueError: no" in line["exception"]


def test_of_a_progress_bar_the_last_state_is_kept(tape: Tape) -> None:
    stream = LineStream(tape.journal, "stderr", "error")
    for percent in range(0, 101, 10):
        stream.write(f"\r{percent} %")
    stream.write("\n")
    stream.write("windows\r\n")
    assert [line["message"] for line in tape.lines()] == ["100 %", "windows"]


def test_a_stream_is_what_programs_take_it_for(tape: Tape) -> None:
    stream = LineStream(tape.journal, "stdout", "info")
    stream.reconfigure(line_buffering=True)
    stream.buffer.write(b"caf\xc3\xa9 \xff\n")
    stream.writelines(["one\n", "two\n"])
    stream.flush()
    assert [line["message"] for line in tape.lines()] == ["café \\xff", "one\ntwo"]
    assert (stream.encoding, stream.errors, stream.name, stream.fileno()) == (
        "utf-8",
        "backslashreplace",
        "<stdout>",
        1,
    )
    assert not stream.isatty()
    with pytest.raises(TypeError, match="must be str, not bytes"):
        stream.write(b"bytes")  # type: ignore[arg-type]


def test_lines_of_threads_do_not_mix(tape: Tape) -> None:
    stream = LineStream(tape.journal, "stdout", "info")
    barrier = threading.Barrier(4)

    def talk(name: str) -> None:
        barrier.wait()
        for _ in range(50):
            for part in (name, name, name, "\n"):
                stream.write(part)

    threads = [threading.Thread(target=talk, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {line["message"] for line in tape.lines()} == {"aaa", "bbb", "ccc", "ddd"}


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_extra_fields_are_kept_whatever_they_are(tape: Tape) -> None:
    logger = logging.getLogger("extra")
    logger.propagate = False
    logger.addHandler(JournalHandler(tape.journal))
    loop: list[Any] = []
    loop.append(loop)
    given = {
        "plain": 1,
        "time": "mine",
        "request_id": "theirs",
        "nan": float("nan"),
        "set": {1},
        "bytes": b"\xff",
        "key": {1: {None: 2}},
        "loop": loop,
        "unspeakable": Unspeakable(),
        "surrogate": "\udcff",
    }
    logger.warning("hello", extra=given)
    (line,) = tape.lines()
    assert line["plain"] == 1
    assert (line["extra_time"], line["extra_request_id"]) == ("mine", "theirs")
    assert "request_id" not in line
    assert (line["nan"], line["set"], line["bytes"], line["key"]) == ("nan", [1], "b'\\xff'", {"1": {"None": 2}})
    assert "cannot be shown: RuntimeError" in line["unspeakable"]


def test_fields_too_large_for_a_line_are_left_out(tape: Tape) -> None:
    tape.journal.write("info", "x", "hello", table="y" * 1_000_000)
    (line,) = tape.lines()
    assert (line["message"], line["cut"] > 1_000_000, "table" in line) == ("hello", True, False)


def test_a_trace_is_in_the_lines_of_its_own_request_only(tape: Tape) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    tape.journal.begin([("a", None), ("b", None)], [(parent, ""), ("", "")])
    tape.journal.write("info", "x", "both")
    tape.journal.requests = ("a",)
    tape.journal.write("info", "x", "first")
    tape.journal.requests = ("b",)
    tape.journal.write("info", "x", "second")
    both, first, second = tape.lines()
    assert "trace_id" not in both
    assert (first["trace_id"], first["span_id"]) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert "trace_id" not in second


def test_a_pipe_that_is_full_or_gone_fails_nobody() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    journal = Journal(write)
    taken = bytearray()

    def drain() -> None:
        while data := os.read(read, 65536):
            taken.extend(data)

    thread = threading.Thread(target=drain)
    thread.start()
    for _ in range(40):
        journal.write("info", "x", "y" * 60_000)
    os.close(write)
    thread.join()
    assert taken.count(b"\n") == 40
    os.close(read)
    journal.write("info", "x", "to nobody")


def test_a_child_does_not_wait_for_a_thread_it_does_not_have(tape: Tape) -> None:
    with tape.journal._lock:
        child = os.fork()
        if child == 0:
            tape.journal.write("info", "x", "from the child")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert tape.lines()[0]["message"] == "from the child"

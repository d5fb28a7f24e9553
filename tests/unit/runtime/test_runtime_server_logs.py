from __future__ import annotations

import json
import os
import threading
from typing import Any

import pytest

from builder.runtime.server.lines import LONGEST_LINE, LONGEST_MARKED, Lines
from builder.runtime.server.logs import MOST_PENDING, Log


class Pipe:
    """A log whose lines are read back."""

    def __init__(self, **environment: str) -> None:
        self._read, self._write = os.pipe()
        self.log = Log(self._write, environment)
        self._data = bytearray()
        self._thread = threading.Thread(target=self._drain)
        self._thread.start()

    def _drain(self) -> None:
        while data := os.read(self._read, 1 << 20):
            self._data += data
        os.close(self._read)

    def text(self) -> str:
        self.log.close(5)
        os.close(self._write)
        self._thread.join()
        return bytes(self._data).decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


def test_lines_come_out_in_order_whoever_writes() -> None:
    pipe = Pipe()
    pipe.log.write("info", "one", x=1)
    pipe.log.add(b'{"message":"two"}')
    assert [line["message"] for line in pipe.lines()] == ["one", "two"]


@pytest.mark.parametrize(
    ("line", "messages"),
    [
        (b'\x1e{"message":"ours"}', ["ours"]),
        (b'junk before\x1e{"message":"ours"}', ["junk before", "ours"]),
        (b"\xff\x00\x80", ["\\xff\x00\\x80"]),
        (b"\x1enot JSON", ["\x1enot JSON"]),
        (b"\x1e[1]", ["\x1e[1]"]),
        (b'\x1e{"message":NaN}', ['\x1e{"message":NaN}']),
        (b'\x1e{"message":"torn', ['\x1e{"message":"torn']),
        (b'\x1e{"message":"\xff"}', ['\x1e{"message":"\\xff"}']),
        (b"\x1e" + b'{"a":' * 5000, ["\x1e" + '{"a":' * 5000]),
        (b"  \t", []),
        (b"", []),
    ],
)
def test_whatever_a_worker_puts_out_is_json_in_the_log(line: bytes, messages: list[str]) -> None:
    pipe = Pipe()
    pipe.log.add_output(line, 7)
    assert [found["message"] for found in pipe.lines()] == messages


@pytest.mark.parametrize(
    ("held", "told"),
    [([], {}), (["a"], {"request_id": "a"}), (["a", "b"], {"request_ids": ["a", "b"]})],
)
def test_what_a_library_writes_carries_the_requests_its_worker_holds(held: list[str], told: dict[str, Any]) -> None:
    pipe = Pipe()
    pipe.log.add_output(b"from C", 7, lambda: held)
    (line,) = pipe.lines()
    assert (line["logger"], line["pid"]) == ("output", 7)
    assert {name: line[name] for name in ("request_id", "request_ids") if name in line} == told


def test_a_reader_who_stalls_costs_lines_and_is_told_how_many() -> None:
    read, write = os.pipe()
    log = Log(write, {})
    for _ in range(200):
        log.add(b'{"x":"' + b"y" * 100_000 + b'"}')
    assert log.dropped >= 100
    assert log.dropped <= 200 - MOST_PENDING // 100_100
    os.close(read)
    log.close(2)
    os.close(write)


def test_text_is_for_people() -> None:
    pipe = Pipe(KILN_LOG="text")
    pipe.log.write("warning", "look out", where="here")
    text = pipe.text()
    assert text.endswith(" WARNING  kiln: look out where=here\n")
    assert not text.startswith("{")


def cut(*chunks: bytes) -> list[bytes]:
    taken: list[bytes] = []
    lines = Lines(taken.append)
    for chunk in chunks:
        lines.data_received(chunk)
    lines.connection_lost(None)
    return taken


def test_lines_are_cut_where_they_end_however_they_arrive() -> None:
    assert cut(b"a\nb", b"c\n", b"\n\nd", b"", b"e") == [b"a", b"bc", b"de"]
    text = b"one\ntwo\nthree"
    assert cut(*(text[index : index + 1] for index in range(len(text)))) == [b"one", b"two", b"three"]


def test_a_line_without_end_is_cut_into_several() -> None:
    taken = cut(*[b"x" * 10_000] * 100)
    assert sum(map(len, taken)) == 1_000_000
    assert max(map(len, taken)) <= LONGEST_LINE + 10_000


def test_a_long_line_of_the_worker_s_own_stays_whole_within_reason() -> None:
    line = b'\x1e{"message":"' + b"x" * 500_000 + b'"}'
    assert cut(*(line[start : start + 4096] for start in range(0, len(line), 4096)), b"\n") == [line]
    assert max(map(len, cut(*[b"\x1e" + b"x" * 100_000] * 100))) <= LONGEST_MARKED + 100_001

from __future__ import annotations

import json
import os

from builder.runtime.log_text import show_fields, show_line, wants_color, wants_text

LINE = {"time": "2026-11-22T08:15:02.123+00:00", "level": "info", "logger": "mine", "message": "hello", "pid": 7}


def test_a_line_is_time_level_logger_message_and_the_rest() -> None:
    line = LINE | {"request_id": "r1", "rows": [1, 2], "note": "two words", "empty": ""}
    assert show_fields(line) == ('08:15:02.123 INFO     mine: hello request_id=r1 rows=[1,2] note="two words" empty=""')


def test_an_answer_is_told_in_a_few_words() -> None:
    line = LINE | {"logger": "kiln.access", "message": "request", "method": "POST", "path": "/predict", "status": 200}
    line |= {"duration_ms": 3.1, "bytes_in": 10, "bytes_out": 20, "client": "127.0.0.1", "request_id": "r", "batch": 2}
    assert show_fields(line) == "08:15:02.123 INFO     kiln.access: POST /predict 200 3.1 ms request_id=r batch=2"


def test_tracebacks_and_further_lines_are_indented() -> None:
    line = LINE | {"message": "a\nb", "exception": "Traceback:\n  File\n"}
    assert show_fields(line) == "08:15:02.123 INFO     mine: a\n    b\n    Traceback:\n      File"


def test_nothing_printed_can_command_the_terminal() -> None:
    shown = show_fields(LINE | {"message": "\x1b[2J\x07red", "field": "\x1b]0;title\x07\n", "exception": "\x9b31m"})
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)
    assert "\\x1b[2J\\x07red" in shown


def test_what_is_no_line_of_ours_stays_as_it_is() -> None:
    for line in (b"not JSON", b"[1]", b"\xff", b""):
        assert show_line(line) == line
    assert show_line(json.dumps({"level": None, "message": 5}).encode()).endswith(b"5")


def test_colours_mark_the_level_and_nothing_else_changes() -> None:
    plain, colored = show_fields(LINE), show_fields(LINE, color=True)
    assert "\x1b[32m" in colored
    for code in ("\x1b[2m", "\x1b[0m", "\x1b[32m"):
        colored = colored.replace(code, "")
    assert colored == plain


def test_a_terminal_gets_text_unless_told_otherwise() -> None:
    leader, follower = os.openpty()
    read, write = os.pipe()
    try:
        assert wants_text({}, follower)
        assert not wants_text({"KILN_LOG": "json"}, follower)
        assert not wants_text({}, write)
        assert wants_text({"KILN_LOG": "TEXT"}, write)
        assert wants_color({}, follower)
        assert not wants_color({"NO_COLOR": "1"}, follower)
        assert not wants_color({"TERM": "dumb"}, follower)
        assert not wants_color({}, write)
    finally:
        for descriptor in (leader, follower, read, write):
            os.close(descriptor)

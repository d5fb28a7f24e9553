from __future__ import annotations

import json
from typing import Any

import pytest

from builder.smoke.logs import find_load_fault, find_scoring_fault, render_logs


def line(**fields: Any) -> str:
    return json.dumps({"time": "2026-01-01T10:20:30.123+00:00", "level": "error", "logger": "kiln.scoring"} | fields)


def test_a_json_line_reads_as_prose_and_its_traceback_as_lines() -> None:
    text = line(message="predict raised KeyError: 'x'", exception="Traceback:\n  File\nKeyError: 'x'\n", pid=7)
    assert render_logs(text) == [
        "10:20:30.123 error kiln.scoring predict raised KeyError: 'x'",
        "    Traceback:",
        "      File",
        "    KeyError: 'x'",
    ]


def test_a_message_of_several_lines_is_indented_and_other_fields_are_kept() -> None:
    text = line(message="model loaded\nat last", seconds=0.5, where={"a": 1})
    assert render_logs(text) == [
        "10:20:30.123 error kiln.scoring model loaded",
        '    at last seconds=0.5 where={"a": 1}',
    ]


def test_an_access_line_says_what_was_asked_and_answered() -> None:
    fields = {"method": "POST", "path": "/predict", "status": 500, "duration_ms": 1.5, "bytes_in": 3}
    assert render_logs(line(message="request", logger="kiln.access", **fields)) == [
        "10:20:30.123 error kiln.access POST /predict 500 in 1.5 ms"
    ]


@pytest.mark.parametrize("text", ["plain words", "{not JSON", '{"no": "text"}', "[1]", "1", '{"message"'])
def test_what_is_not_a_log_line_stays_as_it_is(text: str) -> None:
    assert render_logs(text) == [text]
    assert find_load_fault(text) is None


def test_fields_of_other_kinds_are_no_error() -> None:
    assert render_logs(line(message=None, time=7, level=None, exception=3)) == ["kiln.scoring None", "    3"]


def test_control_characters_are_replaced_even_when_json_hides_them() -> None:
    assert render_logs(line(message="\x1b[2Jgone\x07", logger="x")) == ["10:20:30.123 error x gone�"]
    text = line(message="the model does not load: \x1b[1m\x1b[31mbad\x1b[0m", level="critical", logger="kiln")
    assert find_load_fault(text) == "the model does not load: bad"


def test_the_last_frame_of_the_author_s_code_is_named() -> None:
    text = line(
        message="the model does not load: SyntaxError: invalid syntax",
        level="critical",
        logger="kiln",
        exception='  File "/opt/model/code/score.py", line 1, in <module>\n  File "/opt/model/code/lib/x.py", line 3\n',
    )
    assert find_load_fault(text) == "the model does not load: SyntaxError: invalid syntax (lib/x.py:3)"


def test_what_the_author_logged_as_an_error_is_not_the_reason_unless_it_has_a_traceback() -> None:
    text = line(message="strange record", logger="mine", request_id="a")
    assert find_scoring_fault(text, "a") is None
    assert find_scoring_fault(line(message="it broke", logger="mine", request_id="a", exception="E"), "a") == "it broke"
    assert find_scoring_fault(text, "b") is None


def test_a_very_long_message_is_cut() -> None:
    found = find_scoring_fault(line(message="x" * 5000, request_id="a"), "a")
    assert found is not None
    assert len(found) < 400

from __future__ import annotations

import json

import pytest

from builder.errors import PlanError
from builder.render.quoting import array, comment, quoted


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("info", '"info"'),
        ("", '""'),
        ('say "hi"', '"say \\"hi\\""'),
        ("$HOME and ${HOME}", '"\\$HOME and \\${HOME}"'),
        ("C:\\models\\", '"C:\\\\models\\\\"'),
        ("# no comment", '"# no comment"'),
        ("naïve — 模型", '"naïve — 模型"'),
    ],
)
def test_a_value_is_quoted_so_that_nothing_in_it_is_expanded(value: str, written: str) -> None:
    assert quoted(value, what="x") == written


@pytest.mark.parametrize("value", ["two\nlines", "a\ttab", "a\rreturn", "\0", "\x7f"])
def test_what_a_dockerfile_cannot_say_is_refused_by_name(value: str) -> None:
    with pytest.raises(PlanError) as caught:
        quoted(value, what="label description")
    assert caught.value.faults[0].at == "label description"
    assert caught.value.faults[0].got == repr(value)


def test_a_command_is_a_json_array_on_one_line() -> None:
    words = ["/usr/bin/python3.11", 'a "b"', "line\nbreak", "é"]
    assert json.loads(array(words)) == words
    assert "\n" not in array(words)
    assert "é" in array(words)


def test_text_stays_on_its_comment_s_line() -> None:
    assert comment(" churn\nRUN rm -rf /  ") == "churn RUN rm -rf /"

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.bundle.model import Expectation
from builder.engine.runner import Answer
from builder.smoke.comparison import SHOWN, Difference, compare, compare_answer, parse_path, select, show

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def differences(want: Any, got: Any, rtol: float = 1e-6, atol: float = 1e-9) -> list[tuple[str, str, str]]:
    return [(one.at, one.want, one.got) for one in compare(want, got, rtol=rtol, atol=atol)]


def answer(body: Any, *, status: int = 200, seconds: float = 0.1) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers={}, body=content, seconds=seconds)


def judged(expect: Expectation, got: Answer) -> list[str]:
    return [one.at for one in compare_answer(expect, got)]


@given(JSON)
def test_a_value_equals_itself_with_no_tolerance(value: Any) -> None:
    assert differences(value, value, 0, 0) == []


@given(JSON)
def test_a_value_survives_json(value: Any) -> None:
    assert differences(value, json.loads(json.dumps(value)), 0, 0) == []


def test_numbers_within_tolerance_are_equal_and_ints_equal_floats() -> None:
    assert differences([1.0, 2, 1e-12], [1.0000005, 2.0, 0]) == []


def test_a_number_out_of_tolerance_says_how_far_it_is_off() -> None:
    assert differences({"p": [0.5]}, {"p": [0.75]}, 0.1, 0) == [("$.p[0]", "0.5 within 0.05", "0.75, off by 0.25")]


def test_tolerance_is_relative_to_what_was_wanted() -> None:
    assert differences(100.0, 109.9, 0.1, 0) == []
    assert differences(100.0, 110.1, 0.1, 0) != []


@pytest.mark.parametrize(
    ("want", "got"), [(1, True), (0, False), (True, 1), ("1", 1), (None, 0), (None, False), ([], {})]
)
def test_types_that_only_look_alike_differ(want: Any, got: Any) -> None:
    assert len(differences(want, got)) == 1


def test_missing_and_surplus_keys_are_both_reported() -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "c": 3}) == [
        ("$.b", "2", "nothing: the key is absent"),
        ("$.c", "no such key", "3"),
    ]


def test_arrays_of_other_length_report_the_length_and_what_differs() -> None:
    assert differences([1, 2, 3], [1, 5]) == [
        ("$", "3 elements", "2 elements"),
        ("$[1]", "2 within 2.001e-06", "5, off by 3"),
    ]


def test_keys_that_are_no_plain_words_are_quoted() -> None:
    assert differences({"a.b": {"c d": 1}}, {"a.b": {"c d": "x"}})[0][0] == "$['a.b'].c d"


@given(st.lists(st.text(st.characters(exclude_characters="'"), max_size=4) | st.integers(-3, 3), max_size=4))
def test_quoted_paths_are_read_as_written(steps: list[str | int]) -> None:
    path = "$" + "".join(f"['{step}']" if isinstance(step, str) else f"[{step}]" for step in steps)
    assert parse_path(path) == tuple(steps)


@pytest.mark.parametrize("path", ["", "a", "$a", "$..a", "$.a[", "$[x]", "$.a[0", "$['a]", "$."])
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_path(path)


def test_select_finds_by_name_index_and_from_the_end() -> None:
    value = {"a": [{"b": 1}, {"b c": 2}]}
    assert select(value, "$.a[0].b") == (True, 1)
    assert select(value, "$.a[-1]['b c']") == (True, 2)
    assert select(value, "$") == (True, value)


@pytest.mark.parametrize("path", ["$.b", "$.a[2]", "$.a[-3]", "$.a.b", "$[0]", "$.a[0].b.c"])
def test_select_says_when_nothing_is_there(path: str) -> None:
    assert select({"a": [{"b": 1}, 2]}, path) == (False, None)


def test_an_answer_as_expected_has_no_differences() -> None:
    expect = Expectation(status=200, has_body=True, body={"p": [1.0]}, subset={"$.p[0]": 1}, time_limit=1.0)
    assert judged(expect, answer({"p": [1]})) == []


EVERYTHING = Expectation(
    status=200, has_body=True, body={"p": 1}, subset={"$.q": 1}, time_limit=0.05, error="no such text"
)


def test_everything_wrong_is_reported_at_once() -> None:
    assert judged(EVERYTHING, answer({"p": 2})) == ["time", "error", "$.p", "$.q"]


def test_after_a_wrong_status_nothing_else_is_compared() -> None:
    assert judged(EVERYTHING, answer({"error": "scoring failed", "message": "scoring failed"}, status=500)) == [
        "status"
    ]


@pytest.mark.parametrize(
    ("body", "got"),
    [
        ({"error": "tenure is negative", "message": "other"}, "400: tenure is negative"),
        ({"error": 1, "detail": "tenure is negative"}, "400: tenure is negative"),
        ({"p": 1}, '400: {"p": 1}'),
        (b"Bad Request", "400: Bad Request"),
        (b"", "400"),
    ],
)
def test_a_wrong_status_is_told_in_the_answer_s_own_words(body: Any, got: str) -> None:
    (found,) = compare_answer(Expectation(status=200), answer(body, status=400))
    assert found == Difference(at="status", want="200", got=got)


def test_a_long_sentence_is_shortened() -> None:
    (found,) = compare_answer(Expectation(status=200), answer({"error": "too long " * 100}, status=400))
    assert len(found.got) < 220


def test_a_body_that_is_no_json_is_one_difference() -> None:
    expect = Expectation(status=200, has_body=True, body=1, subset={"$.a": 1})
    assert compare_answer(expect, answer(b"")) == (Difference(at="$", want="a JSON body", got="an empty body"),)


def test_a_body_of_null_can_be_expected() -> None:
    assert judged(Expectation(status=200, has_body=True, body=None), answer(None)) == []
    assert judged(Expectation(status=200, has_body=True, body=None), answer(0)) == ["$"]


@pytest.mark.parametrize("body", [{"error": 'field "größe" is 1'}, b'field "gr\xc3\xb6\xc3\x9fe" is 1, plain'])
def test_error_text_is_found_through_json_escapes_and_in_plain_text(body: Any) -> None:
    assert judged(Expectation(status=200, error='"größe" is 1'), answer(body)) == []


def test_what_is_not_looked_at_does_not_matter() -> None:
    assert judged(Expectation(status=200), answer(b"\xff\xfe not JSON")) == []


def test_only_the_first_differences_are_kept() -> None:
    expect = Expectation(status=200, has_body=True, body=[0] * 100)
    assert len(compare_answer(expect, answer([1] * 100))) == SHOWN


def test_long_values_are_cut_in_the_middle() -> None:
    text = show("a" * 1000 + "z")
    assert len(text) < 500
    assert text.startswith('"a')
    assert text.endswith('z"')


def test_infinite_answers_are_never_close() -> None:
    assert len(differences(1.0, json.loads("Infinity"))) == 1
    assert len(differences(1.0, json.loads("NaN"))) == 1

from __future__ import annotations

from builder.lock.requirements import logical_lines


def test_comments_and_blank_lines_are_left_out() -> None:
    assert list(logical_lines(["# header", "", "numpy>=2  # fast", "pandas"])) == [(3, "numpy>=2"), (4, "pandas")]


def test_continued_lines_are_one_line_with_the_number_of_the_first() -> None:
    assert list(logical_lines(["a==1 \\", "  --hash=x", "b"])) == [(1, "a==1    --hash=x"), (3, "b")]


def test_line_continued_into_nothing_is_still_a_line() -> None:
    assert list(logical_lines(["a==1 \\"])) == [(1, "a==1")]


def test_fragment_of_an_address_is_no_comment() -> None:
    assert list(logical_lines(["a @ https://host/a.whl#sha256=0"])) == [(1, "a @ https://host/a.whl#sha256=0")]

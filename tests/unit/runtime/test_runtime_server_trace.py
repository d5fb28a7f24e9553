from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.runtime.server.trace import parse_parent, parse_state, read_trace

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-01", 1),
        (f"00-{TRACE}-{SPAN}-00", 0),
        (f"00-{TRACE}-{SPAN}-03", 3),
        (f"  00-{TRACE}-{SPAN}-01\t", 1),
        (f"cc-{TRACE}-{SPAN}-ff-what-the-future-brings", 1),
        (f"01-{TRACE}-{SPAN}-01", 1),
    ],
)
def test_a_valid_parent_is_read(text: str, flags: int) -> None:
    assert parse_parent(text) == (TRACE, SPAN, flags)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00_{TRACE}-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE}-{SPAN}-01\n",
        f"0\u0660-{TRACE}-{SPAN}-01",
    ],
)
def test_a_parent_that_breaks_the_grammar_is_none(text: str) -> None:
    assert parse_parent(text) is None


@pytest.mark.parametrize(
    ("texts", "state"),
    [
        (["a=1"], "a=1"),
        (["a=1, b=2", "c@d=3"], "a=1,b=2,c@d=3"),
        (["a=1,,b=2 ,"], "a=1,b=2"),
        (["1tenant@vendor=x y"], "1tenant@vendor=x y"),
        (["a=1,a=2"], ""),
        (["A=1"], ""),
        (["a"], ""),
        (["a=="], ""),
        (["a=é"], ""),
        ([f"k{number}=1" for number in range(33)], ""),
        ([f"k{number}=1" for number in range(32)], ",".join(f"k{number}=1" for number in range(32))),
        (["a=" + "x" * 257], ""),
    ],
)
def test_the_state_is_passed_on_whole_or_not_at_all(texts: list[str], state: str) -> None:
    assert parse_state(texts) == state


def test_the_trace_is_that_of_the_headers() -> None:
    parent = f"00-{TRACE}-{SPAN}-01"
    trace = read_trace([("host", "x"), ("traceparent", parent), ("tracestate", "a=1"), ("tracestate", "b=2")])
    assert trace is not None
    assert (trace.parent, trace.state, trace.sampled) == (parent, "a=1,b=2", True)
    assert read_trace([("tracestate", "a=1")]) is None
    assert read_trace([("traceparent", parent), ("traceparent", parent)]) is None
    broken = read_trace([("traceparent", parent), ("tracestate", "Ä")])
    assert broken is not None
    assert broken.state == ""


@given(st.text(), st.lists(st.text()))
def test_no_header_breaks_the_reading(parent: str, states: list[str]) -> None:
    read_trace([("traceparent", parent), *(("tracestate", state) for state in states)])

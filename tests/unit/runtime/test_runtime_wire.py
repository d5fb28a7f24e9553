from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from builder.runtime.wire import Unpacker, pack

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(st.tuples(st.text(), PLAIN), max_size=5), st.integers(1, 50))
def test_messages_survive_any_cutting_of_the_stream(messages: list[tuple[Any, ...]], step: int) -> None:
    stream = b"".join(map(pack, messages))
    unpacker = Unpacker()
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(stream), step):
        found.extend(unpacker.feed(stream[start : start + step]))
    assert found == messages

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.oci.canonical import canonical_json, readable_json

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(_json)
def test_both_forms_read_back_to_the_same_value(value: object) -> None:
    try:
        canonical = canonical_json(value)
    except UnicodeEncodeError:
        return
    assert json.loads(canonical) == json.loads(readable_json(value)) == value


def test_key_order_does_not_matter() -> None:
    assert canonical_json({"b": 1, "a": {"d": 2, "c": "é"}}) == '{"a":{"c":"é","d":2},"b":1}'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_refused(value: float) -> None:
    for write in (canonical_json, readable_json):
        with pytest.raises(ValueError, match="JSON"):
            write([value])


def test_the_readable_form_ends_with_one_newline() -> None:
    assert readable_json({"b": [1], "a": 2}) == '{\n  "a": 2,\n  "b": [\n    1\n  ]\n}\n'

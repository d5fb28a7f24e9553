from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.base.version import DebVersion

# dpkg --compare-versions says so of each neighbouring pair
ASCENDING = [
    "0~~", "0~", "0", "0.1~rc1-1", "0.1-1~bpo12+1", "0.1-1", "0.1-1+b1", "0.1-1.1", "0.9", "0.10", "1.0~~a", "1.0~rc1",
    "1.0", "1.0-1", "1.0a", "1.0+dfsg", "1.0.0", "2.36-9+deb12u7", "2.36-9+deb12u14", "2026b-0+deb12u1",
    "2026f-0+deb12u1", "1:0.1", "1:1.2.13.dfsg-1", "2:0",
]  # fmt: skip


def test_versions_come_in_the_order_dpkg_gives_them() -> None:
    for lower, higher in pairwise(ASCENDING):
        assert DebVersion.parse(lower) < DebVersion.parse(higher), (lower, higher)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0-0"), ("1.0", "0:1.0"), ("1.00", "1.0"), ("1.01", "1.1")])
def test_versions_that_dpkg_calls_equal_are_equal(one: str, other: str) -> None:
    assert DebVersion.parse(one) == DebVersion.parse(other)
    assert hash(DebVersion.parse(one)) == hash(DebVersion.parse(other))


@pytest.mark.parametrize("text", ["", "a1", "1:", ":1", "1.0-", "1_0", "x:1", "1.0 ", "-1"])
def test_what_is_not_a_version_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="not a Debian version"):
        DebVersion.parse(text)


VERSIONS = st.from_regex(r"(?:[0-9]:)?[0-9][0-9a-b.+~]{0,5}(?:-[0-9a-b.+~]{1,4})?", fullmatch=True)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_total(a: str, b: str, c: str) -> None:
    x, y, z = sorted(map(DebVersion.parse, (a, b, c)))
    assert x <= y <= z
    assert x <= z
    assert str(DebVersion.parse(a)) == a

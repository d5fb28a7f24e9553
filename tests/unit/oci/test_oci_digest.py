from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.oci.digest import Digest


@given(st.binary())
def test_reads_back_what_it_writes(content: bytes) -> None:
    digest = Digest.of(content)
    assert Digest.parse(str(digest)) == digest
    assert digest.hex == hashlib.sha256(content).hexdigest()
    assert digest.short == digest.hex[:12]


@pytest.mark.parametrize(
    "text", ["", "sha256", "sha256:", "sha512:" + "0" * 64, "sha256:" + "A" * 64, "sha256:" + "0" * 63, "0" * 64,
             "sha256:" + "0" * 64 + "\n", "sha256:" + "0" * 65]
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        Digest.parse(text)


def test_digests_are_values() -> None:
    assert Digest.of(b"a") == Digest.of(bytearray(b"a")) == Digest.of(memoryview(b"a"))
    assert len({Digest.of(b"a"), Digest.of(b"a"), Digest.of(b"b")}) == 2
    assert min(Digest("b" * 64), Digest("a" * 64)) == Digest("a" * 64)

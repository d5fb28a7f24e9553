from __future__ import annotations

import gzip
import zlib

import pytest

from builder.runtime.server.encoding import unpack
from builder.runtime.server.failure import RefusedError

BODY = b'{"a": 1}' * 10


def bare(body: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(body) + packing.flush()


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [(gzip.compress(BODY), "gzip"), (gzip.compress(BODY), "X-GZIP "), (zlib.compress(BODY), "deflate"),
     (bare(BODY), "deflate"), (gzip.compress(BODY[:30]) + gzip.compress(b"") + gzip.compress(BODY[30:]), "gzip"),
     (gzip.compress(BODY) + b"\0" * 20, "gzip")],
)  # fmt: skip
def test_a_body_comes_out_as_it_was(packed: bytes, encoding: str) -> None:
    assert unpack(packed, encoding, len(BODY)) == BODY


@pytest.mark.parametrize(
    ("packed", "encoding", "status"),
    [
        (gzip.compress(BODY), "br", 415),
        (b"nothing of the kind", "gzip", 400),
        (b"nothing of the kind", "deflate", 400),
        (gzip.compress(BODY)[:-9], "gzip", 400),
        (gzip.compress(b"\0" * 10_000_000), "gzip", 413),
        (gzip.compress(BODY + b"x"), "gzip", 413),
        (gzip.compress(BODY) + gzip.compress(b"x"), "gzip", 413),
        (gzip.compress(BODY) + b"and more", "gzip", 400),
        (gzip.compress(BODY) + gzip.compress(b"")[:-1], "gzip", 400),
        (gzip.compress(b"") * 5000, "gzip", 400),
    ],
)
def test_what_cannot_be_unpacked_is_refused(packed: bytes, encoding: str, status: int) -> None:
    with pytest.raises(RefusedError) as caught:
        unpack(packed, encoding, len(BODY))
    assert caught.value.failure.status == status

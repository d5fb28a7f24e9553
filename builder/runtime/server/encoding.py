"""Bodies that come compressed, as Triton's client and some gateways send them."""

from __future__ import annotations

import zlib

from .failure import Fault, refuse
from .schema import show

EITHER_HEADER = zlib.MAX_WBITS | 32
"""gzip's header or zlib's."""
TAKEN = (("accept-encoding", "gzip, deflate"),)
KNOWN = frozenset({"gzip", "x-gzip", "deflate"})


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """Return a body as it was before it was compressed; never more than the limit in bytes is unfolded."""
    name = encoding.strip().lower()
    if name not in KNOWN:
        message = f"The content encoding must be gzip or deflate, but is {show(encoding)}."
        raise refuse(415, message, [Fault("content-encoding", encoding, "encoding", message)], TAKEN)
    try:
        unpacked = _inflate(body, EITHER_HEADER, limit)
    except zlib.error:
        try:
            unpacked = _inflate(body, -zlib.MAX_WBITS if name == "deflate" else EITHER_HEADER, limit)
        except zlib.error:
            message = f"The body is not valid {name}."
            raise refuse(400, message, [Fault("", None, "encoding", message)]) from None
    if unpacked is None:
        raise refuse(413, f"the body unfolds to more than {limit} bytes, which is the limit")
    return unpacked


def _inflate(body: bytes, window: int, limit: int) -> bytes | None:
    """Return what is inside, or None when it is more than the limit; what is cut short is an error of zlib."""
    unfolding = zlib.decompressobj(window)
    unpacked = unfolding.decompress(body, limit + 1)
    if len(unpacked) > limit:
        return None
    if not unfolding.eof:
        raise zlib.error("the end is missing")
    return unpacked

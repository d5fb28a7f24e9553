"""Bodies that come compressed, as Triton's client and some gateways send them."""

from __future__ import annotations

import zlib

from .failure import Fault, refuse
from .schema import show

EITHER_HEADER = zlib.MAX_WBITS | 32
"""gzip's header or zlib's."""
TAKEN = (("accept-encoding", "gzip, deflate"),)
MOST_MEMBERS = 4096
"""Each costs a copy of what follows it."""
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
    """Return what is inside, or None when it is more than the limit; what is cut short is an error of zlib.

    A gzip file may have several members (RFC 1952 §2.2), as parallel compressors write them: all of them are the body.
    """
    parts, size = [], 0
    for _ in range(MOST_MEMBERS):
        unfolding = zlib.decompressobj(window)
        parts.append(unfolding.decompress(body, limit - size + 1))
        size += len(parts[-1])
        if size > limit:
            return None
        if not unfolding.eof:
            raise zlib.error("the end is missing")
        body = unfolding.unused_data
        if not body.strip(b"\0"):
            return b"".join(parts)
    raise zlib.error("too many members")

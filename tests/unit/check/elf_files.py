"""Makes ELF files that are sound as far as their dynamic section goes."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def make_elf(
    *,
    needed: Sequence[str] = (),
    soname: str | None = None,
    runpath: str | None = None,
    rpath: str | None = None,
    machine: int = 62,
    padding: int = 0,
    symbols: int = 0,
) -> bytes:
    """Return a shared library of x86-64, or another ``machine``, whose strings begin ``padding`` bytes in.

    ``symbols`` bytes of other names stand before the first that is needed, and again between the last and the rest.
    """
    strings = bytearray(b"\0" + b"s" * symbols + b"\0" * bool(symbols))

    def put(text: str) -> int:
        offset = len(strings)
        strings.extend(text.encode() + b"\0")
        return offset

    entries = [(1, put(name)) for name in needed]
    strings.extend(b"s" * symbols + b"\0" * bool(symbols))
    for tag, text in ((14, soname), (15, rpath), (29, runpath)):
        if text is not None:
            entries.append((tag, put(text)))
    start = 64 + 2 * 56 + padding
    address = 0x400000
    dynamic_at = start + len(strings)
    entries += [(5, address + start), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in entries)
    size = dynamic_at + len(dynamic)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, machine, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, size, size, 4096)
    table = struct.pack(
        "<IIQQQQQQ", 2, 6, dynamic_at, address + dynamic_at, address + dynamic_at, len(dynamic), len(dynamic), 8
    )
    return header + load + table + bytes(padding) + bytes(strings) + dynamic

"""What a shared library says of itself and of others, read from its dynamic section (System V ABI, gABI 4.1 ch. 5).

Only 64-bit little-endian files are read, which is what x86-64 and aarch64 are. Nothing is ever loaded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

MACHINES = {62: "amd64", 183: "arm64"}
"""``e_machine`` by the platform's name for it (psABI of x86-64 and of aarch64)."""

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_DYNAMIC = struct.Struct("<qQ")
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 10, 14, 15, 29
_MOST_SEGMENTS = 512
_MOST_BYTES = 16 << 20


class ElfError(ValueError):
    """The file is no ELF file this module reads, or is damaged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ElfFacts:
    """One dynamic object. ``search`` are the folders it looks in first, as written: ``$ORIGIN/../x.libs``."""

    machine: str
    soname: str | None
    needed: tuple[str, ...]
    search: tuple[str, ...]
    inherits: bool
    """True when ``search`` also holds for the libraries it needs (DT_RPATH without DT_RUNPATH)."""


def read_elf(file: BinaryIO) -> ElfFacts:
    """Read a seekable file. Anything but a sound 64-bit ELF file with a known machine is an ElfError."""
    try:
        return _read(file)
    except (struct.error, OverflowError, OSError, EOFError) as error:
        raise ElfError(f"damaged: {error}") from error


def _read(file: BinaryIO) -> ElfFacts:
    ident, _, machine, _, _, offset, _, _, _, entry_size, count, *_ = _HEADER.unpack(_at(file, 0, _HEADER.size))
    if ident[:4] != b"\x7fELF":
        raise ElfError("no ELF file")
    if ident[4:6] != b"\x02\x01" or machine not in MACHINES:
        raise ElfError("not of a processor that is known here")
    if entry_size != _SEGMENT.size or count > _MOST_SEGMENTS:
        raise ElfError("its program headers have another shape")
    headers = _at(file, offset, entry_size * count)
    segments = [_SEGMENT.unpack_from(headers, number * entry_size) for number in range(count)]
    loads = [(address, start, size) for kind, _, start, address, _, size, _, _ in segments if kind == _PT_LOAD]
    dynamic = next(((start, size) for kind, _, start, _, _, size, _, _ in segments if kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return ElfFacts(machine=MACHINES[machine], soname=None, needed=(), search=(), inherits=False)
    entries = _entries(_at(file, *dynamic))
    values = dict(reversed(entries))
    text = _strings(file, values, loads)
    needed = tuple(_text(text, value) for tag, value in entries if tag == _DT_NEEDED)
    search = next((values[tag] for tag in (_DT_RUNPATH, _DT_RPATH) if tag in values), None)
    return ElfFacts(
        machine=MACHINES[machine],
        soname=_text(text, values[_DT_SONAME]) if _DT_SONAME in values else None,
        needed=needed,
        search=tuple(part for part in _text(text, search).split(":") if part) if search is not None else (),
        inherits=_DT_RPATH in values and _DT_RUNPATH not in values,
    )


def _entries(table: bytes) -> list[tuple[int, int]]:
    entries = []
    for tag, value in _DYNAMIC.iter_unpack(table[: len(table) // _DYNAMIC.size * _DYNAMIC.size]):
        if tag == _DT_NULL:
            break
        entries.append((tag, value))
    return entries


def _strings(file: BinaryIO, values: dict[int, int], loads: list[tuple[int, int, int]]) -> bytes:
    if _DT_STRTAB not in values:
        return b""
    address = values[_DT_STRTAB]
    for start, offset, size in loads:
        if start <= address < start + size:
            return _at(file, offset + address - start, values.get(_DT_STRSZ, 0))
    raise ElfError("its strings are in no segment")


def _text(strings: bytes, offset: int) -> str:
    end = strings.find(b"\0", offset)
    if offset >= len(strings) or end < 0:
        raise ElfError("a name is outside its strings")
    return strings[offset:end].decode("utf-8", "surrogateescape")


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    if size > _MOST_BYTES:
        raise ElfError("a table of it is too large to be one")
    file.seek(offset)
    data = file.read(size)
    if len(data) < size:
        raise ElfError("it ends too early")
    return data

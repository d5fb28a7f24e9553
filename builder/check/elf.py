"""What a shared library says of itself and of others, read from its dynamic section (System V ABI, gABI 4.1 ch. 5).

Only 64-bit little-endian files are read, which is what x86-64 and aarch64 are. Nothing is ever loaded.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

MACHINES = {62: "amd64", 183: "arm64"}
"""``e_machine`` by the platform's name for it (psABI of x86-64 and of aarch64)."""

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_DYNAMIC = struct.Struct("<qQ")
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 10, 14, 15, 29
_NAMED = frozenset({_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_RUNPATH})
"""Entries whose value is the offset of a string."""
_MOST_SEGMENTS = 512
_MOST_BYTES = 16 << 20
_LONGEST = 1 << 16
"""Of a name: search paths of a build tool's making have thousands of bytes."""


class ElfError(ValueError):
    """The file is no ELF file this module reads, or is damaged.

    ``machine`` is what it was made for, where at least its head could be read: its dynamic section could not.
    """

    def __init__(self, reason: str, *, machine: str | None = None) -> None:
        super().__init__(reason)
        self.machine = machine


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
    machine = None
    try:
        header = _HEADER.unpack(_at(file, 0, _HEADER.size))
        machine = _machine(header)
        return _read(file, header, machine)
    except (ElfError, struct.error, OverflowError, OSError, EOFError) as error:
        reason = str(error) if isinstance(error, ElfError) else f"damaged: {error}"
        raise ElfError(reason, machine=machine) from error


def _machine(header: tuple[Any, ...]) -> str:
    ident, _, machine, *_ = header
    if ident[:4] != b"\x7fELF":
        raise ElfError("no ELF file")
    if ident[4:6] != b"\x02\x01" or machine not in MACHINES:
        raise ElfError("not of a processor that is known here")
    return MACHINES[machine]


def _read(file: BinaryIO, header: tuple[Any, ...], machine: str) -> ElfFacts:
    _, _, _, _, _, offset, _, _, _, entry_size, count, *_ = header
    if entry_size != _SEGMENT.size or count > _MOST_SEGMENTS:
        raise ElfError("its program headers have another shape")
    headers = _at(file, offset, entry_size * count)
    segments = [_SEGMENT.unpack_from(headers, number * entry_size) for number in range(count)]
    loads = [(address, start, size) for kind, _, start, address, _, size, _, _ in segments if kind == _PT_LOAD]
    dynamic = next(((start, size) for kind, _, start, _, _, size, _, _ in segments if kind == _PT_DYNAMIC), None)
    if dynamic is None:
        return ElfFacts(machine=machine, soname=None, needed=(), search=(), inherits=False)
    entries = _entries(_at(file, *dynamic))
    values = dict(reversed(entries))
    names = _names(file, entries, _strings(values, loads))
    search = next((names[values[tag]] for tag in (_DT_RUNPATH, _DT_RPATH) if tag in values), "")
    return ElfFacts(
        machine=machine,
        soname=names[values[_DT_SONAME]] if _DT_SONAME in values else None,
        needed=tuple(names[value] for tag, value in entries if tag == _DT_NEEDED),
        search=tuple(part for part in search.split(":") if part),
        inherits=_DT_RPATH in values and _DT_RUNPATH not in values,
    )


def _entries(table: bytes) -> list[tuple[int, int]]:
    entries = []
    for tag, value in _DYNAMIC.iter_unpack(table[: len(table) // _DYNAMIC.size * _DYNAMIC.size]):
        if tag == _DT_NULL:
            break
        entries.append((tag, value))
    return entries


def _strings(values: dict[int, int], loads: list[tuple[int, int, int]]) -> tuple[int, int]:
    """Return where the strings begin in the file, and how many bytes they are."""
    if _DT_STRTAB not in values:
        return 0, 0
    address = values[_DT_STRTAB]
    for start, offset, size in loads:
        if start <= address < start + size:
            return offset + address - start, values.get(_DT_STRSZ, 0)
    raise ElfError("its strings are in no segment")


def _names(file: BinaryIO, entries: list[tuple[int, int]], strings: tuple[int, int]) -> dict[int, str]:
    """Return the names the entries refer to, by their offset.

    Only what is around them is read, and only forwards: the strings of a library of C++ are mostly its symbols', and
    may be more than anybody wants in memory; a file inside of an archive cannot go back without beginning again.
    """
    start, size = strings
    wanted = sorted({value for tag, value in entries if tag in _NAMED})
    found: dict[int, str] = {}
    first, text = 0, b""
    for index, offset in enumerate(wanted):
        if offset >= size:
            raise ElfError("a name is outside its strings")
        if not text or offset - first >= len(text):
            last = offset
            for other in wanted[index:]:
                if other - last >= _LONGEST:
                    break
                last = other
            first, text = offset, _at(file, start + offset, min(size, last + _LONGEST) - offset)
        end = text.find(b"\0", offset - first)
        if end < 0:
            raise ElfError("a name is outside its strings")
        found[offset] = text[offset - first : end].decode("utf-8", "surrogateescape")
    return found


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    if size > _MOST_BYTES:
        raise ElfError("a table of it is too large to be one")
    file.seek(offset)
    data = file.read(size)
    if len(data) < size:
        raise ElfError("it ends too early")
    return data

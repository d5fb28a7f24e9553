"""Tar headers (docs/reference/layers.md § 2): POSIX ustar, and pax records only where ustar cannot say it."""

from __future__ import annotations

from builder.oci.entry import Entry, EntryKind
from builder.plan.model import EPOCH

BLOCK = 512
END = bytes(2 * BLOCK)
"""What ends an archive: two zero blocks and nothing more."""

_NAME_MAX = 100
_PREFIX_MAX = 155
_SIZE_MAX = 8**11
_ID_MAX = 8**7

_TYPES = {
    EntryKind.FILE: b"0",
    EntryKind.HARDLINK: b"1",
    EntryKind.SYMLINK: b"2",
    EntryKind.DIRECTORY: b"5",
}
_PAX = b"x"
_MTIME = b"%011o\0" % EPOCH
_MAGIC_AND_OWNERS = b"ustar\x0000" + bytes(64) + b"0000000\0" * 2


def padding(size: int) -> bytes:
    """Return the zeros that fill the last block of a file of ``size`` bytes."""
    return bytes(-size % BLOCK)


def header(entry: Entry) -> bytes:
    """Return all blocks that precede an entry's content: a multiple of 512 bytes, equal for equal entries."""
    path = entry.path.encode() + (b"/" if entry.kind is EntryKind.DIRECTORY else b"")
    link = entry.link.encode()
    size = entry.content.size if entry.content is not None else 0
    records: list[tuple[bytes, bytes]] = []

    parts = _split(path)
    if parts is None:
        records.append((b"path", path))
        parts = _fallback(path), b""
    if len(link) > _NAME_MAX or not link.isascii():
        records.append((b"linkpath", link))
        link = _fallback(link)
    if size >= _SIZE_MAX:
        records.append((b"size", b"%d" % size))
        size = 0
    ids = [entry.uid, entry.gid]
    for index, name in enumerate((b"uid", b"gid")):
        if ids[index] >= _ID_MAX:
            records.append((name, b"%d" % ids[index]))
            ids[index] = 0

    block = _block(parts, entry.mode & 0o7777, ids[0], ids[1], size, _TYPES[entry.kind], link)
    return _extended(records) + block if records else block


def _split(path: bytes) -> tuple[bytes, bytes] | None:
    """Return name and prefix as ustar holds them, or None where it cannot. The prefix is as short as it can be."""
    if not path.isascii():
        return None
    if len(path) <= _NAME_MAX:
        return path, b""
    cut = path.find(b"/", len(path) - _NAME_MAX - 1, len(path) - 1)
    if cut <= 0 or cut > _PREFIX_MAX:
        return None
    return path[cut + 1 :], path[:cut]


def _fallback(path: bytes) -> bytes:
    """Return what a reader that knows no pax sees in place of a path."""
    return path.decode().encode("ascii", "replace")[:_NAME_MAX]


def _extended(records: list[tuple[bytes, bytes]]) -> bytes:
    """Return a pax header (POSIX pax § "pax Extended Header") with its records, sorted by keyword."""
    body = b"".join(_record(keyword, value) for keyword, value in sorted(records))
    return _block((b"PaxHeaders/entry", b""), 0o644, 0, 0, len(body), _PAX, b"") + body + padding(len(body))


def _record(keyword: bytes, value: bytes) -> bytes:
    """Return length, space, keyword, ``=``, value and line feed; the length counts its own digits."""
    rest = b" %b=%b\n" % (keyword, value)
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return b"%d%b" % (length, rest)


def _block(  # noqa: PLR0917 - one argument for each field of the header, in its order
    parts: tuple[bytes, bytes], mode: int, uid: int, gid: int, size: int, kind: bytes, link: bytes
) -> bytes:
    name, prefix = parts
    before = b"%b%07o\0%07o\0%07o\0%011o\0%b" % (name.ljust(_NAME_MAX, b"\0"), mode, uid, gid, size, _MTIME)
    after = b"%b%b%b%b" % (kind, link.ljust(_NAME_MAX, b"\0"), _MAGIC_AND_OWNERS, prefix.ljust(_PREFIX_MAX + 12, b"\0"))
    checksum = sum(before) + sum(after) + 8 * 0x20
    return b"%b%06o\0 %b" % (before, checksum, after)

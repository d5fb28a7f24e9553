"""Reading a wheel as the zip it is, distrusting it (docs/reference/layers.md § 6; APPNOTE.TXT 6.3).

Names, sizes and offsets come from the central directory and must agree with the local headers; content is taken as
raw deflate streams and verified by inflating it.
"""

from __future__ import annotations

import zipfile
from itertools import pairwise
from pathlib import Path

from builder.assemble.member import ArchiveFile, Member
from builder.errors import Fault, PlanError
from builder.host.zip_errors import ZIP_ERRORS

_ENCRYPTED = 0x1 | 0x40
_PATCH = 0x20
_RATIO = 1032
"""Deflate cannot do better."""
_GROWTH = 100
_GROWTH_FLOOR = 64 << 20
_MODE_TYPE = 0o170000
_REGULAR = 0o100000
_SYMLINK = 0o120000


def read_archive(path: Path, *, name: str | None = None) -> list[Member]:
    """Return the files of an archive, by name. Directories are left out, as installers leave them.

    ``name`` is what the archive is called where its file is not. Everything a careful reader would not unpack is a
    PlanError: all faults at once.
    """
    archive_name = name or path.name
    try:
        file = ArchiveFile(path)
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            end = archive.start_dir
    except ZIP_ERRORS as error:
        raise PlanError.of(
            f"{archive_name} cannot be read as a zip archive: {error}", at=str(path), hint="fetch the wheel again"
        ) from error
    faults: list[Fault] = []
    members: dict[str, Member] = {}
    infos_in_place = [info for info in infos if 0 <= info.header_offset < end]
    if len(infos_in_place) < len(infos):
        faults.append(Fault(fact=f"{archive_name}: members that begin outside the archive", at=str(path)))
    limits = _limits([info.header_offset for info in infos_in_place], end)
    for info in infos_in_place:
        member_name = info.orig_filename
        if fact := _fault(info):
            faults.append(Fault(fact=f"{archive_name}: {member_name!r}: {fact}", at=str(path)))
            continue
        if member_name.endswith("/"):
            continue
        if member_name in members:
            faults.append(Fault(fact=f"{archive_name}: {member_name!r}: the archive has it twice", at=str(path)))
            continue
        mode = info.external_attr >> 16
        members[member_name] = Member(
            archive=archive_name,
            name=member_name,
            size=info.file_size,
            crc32=info.CRC,
            deflated_size=info.compress_size,
            executable=mode & _MODE_TYPE == _REGULAR and bool(mode & 0o111),
            deflated=info.compress_type == zipfile.ZIP_DEFLATED,
            file=file,
            offset=info.header_offset,
            limit=limits[info.header_offset],
            flags=info.flag_bits,
        )
    unpacked = sum(member.size for member in members.values())
    if unpacked > _GROWTH_FLOOR and unpacked > _GROWTH * path.stat().st_size:
        faults.append(
            Fault(
                fact=f"{archive_name} unpacks to more than {_GROWTH} times its size",
                at=str(path),
                got=f"{unpacked} bytes",
            )
        )
    if faults:
        raise PlanError(faults, hint="choose another version of the package, or report the wheel to its authors")
    return [members[name] for name in sorted(members)]


def _limits(offsets: list[int], end: int) -> dict[int, int]:
    return dict(pairwise([*sorted(set(offsets)), end]))


def _fault(info: zipfile.ZipInfo) -> str | None:
    """Say why a member must not be unpacked, or None."""
    name = info.orig_filename
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "a path that is absolute, leaves the archive or is not in its shortest form"
    if "\\" in name or any(ord(char) < 0x20 or char == "\x7f" for char in name):
        return "a path with a backslash or control character"
    if any("\ud800" <= char <= "\udfff" for char in name):
        return "a path that is not valid text"
    if max(len(part.encode()) for part in parts) > 255 or len(name.encode()) > 3000:
        return "a path too long for a file system"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted"
    if info.flag_bits & _PATCH:
        return "a patch, not a file"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"compression method {info.compress_type}; wheels are stored or deflated"
    if info.external_attr >> 16 & _MODE_TYPE == _SYMLINK:
        return "a symbolic link; wheels cannot hold one"
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        return "stored, yet with two sizes"
    if info.file_size > _RATIO * info.compress_size + _RATIO:
        return "it says it unpacks to more than deflate can"
    return None

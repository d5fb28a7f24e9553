"""Whether two images are the same to the last bit, and where they first are not."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any

from builder.compare.difference import Difference
from builder.compare.opened import OpenedImage, OpenedLayer
from builder.engine.saved import Slice, archive_faults
from builder.oci.entry import CHUNK

_CONFIGURATION = "configuration"
_NOTHING = "nothing"
_READABLE = 1 << 20
"""Texts up to this size are compared line by line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """All that a tar says of one path, and the digest of its content."""

    kind: str
    mode: str
    owner: str
    names: str
    mtime: str
    link: str
    size: str
    content: str
    extended: str


def differences(want: OpenedImage, got: OpenedImage) -> Iterator[Difference]:
    """Yield in what ``got`` is not ``want``, layers from the bottom up and then the configuration.

    Images with equal IDs whose layers are what they are said to be yield nothing. Layers that are stored the same
    are not unpacked.
    """
    told = False
    for number, (one, other) in enumerate(zip_longest(want.layers, got.layers), 1):
        for difference in _layer_differences(number, one, other):
            told = True
            yield difference
    if want.configuration != got.configuration:
        found = list(_values("", want.config, got.config))
        # Digests of layers follow from the layers, which have been told.
        yield from (one for one in found if not (told and one.path.startswith("/rootfs")))
        if not found:
            yield Difference(
                place=_CONFIGURATION,
                path="/",
                field="bytes",
                want=str(want.image_id),
                got=str(got.image_id),
            )


def _layer_differences(number: int, want: OpenedLayer | None, got: OpenedLayer | None) -> Iterator[Difference]:
    place = f"layer {number}: {(want or got).title}"  # type: ignore[union-attr]  # one of them is there
    if want is None or got is None:
        yield Difference(
            place=place,
            path="/",
            field="layer",
            want=str(want.diff_id) if want else _NOTHING,
            got=str(got.diff_id) if got else _NOTHING,
        )
        return
    if want.diff_id == got.diff_id:
        got.check()
        return
    left, right = read_headers(want.tar, place), read_headers(got.tar, place)
    found = False
    for path in sorted({*left, *right}, key=lambda path: path.encode().replace(b"/", b"\0")):
        for one in _path_differences(left.get(path), right.get(path)):
            found = True
            values = _texts(path, want.tar, got.tar) if one == "content" else None
            yield Difference(
                place=place,
                path=f"/{path}",
                field=one if values is None else f"content, line {values[0]}",
                want=values[1] if values else _value(left.get(path), one),
                got=values[2] if values else _value(right.get(path), one),
            )
    if not found and list(left) != list(right):
        found = True
        first = next((a, b) for a, b in zip_longest(left, right) if a != b)
        yield Difference(place=place, path="/", field="order", want=str(first[0]), got=str(first[1]))
    if not found:
        offset = _first_byte(want.tar, got.tar)
        yield Difference(
            place=place,
            path="/",
            field=f"byte {offset} of the tar",
            want=_byte(want.tar, offset),
            got=_byte(got.tar, offset),
        )


def read_headers(tar: Slice, at: str) -> dict[str, Header]:
    """Return what a tar says of each path, in its own order. A path that stands there twice is named apart."""
    found: dict[str, Header] = {}
    with archive_faults(at), tar.opened() as file, tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            name = member.name.strip("/")
            while name in found:
                name += " (again)"
            digest = "-"
            if member.isreg():
                hasher = hashlib.sha256()
                stream = archive.extractfile(member)
                while stream and (chunk := stream.read(CHUNK)):
                    hasher.update(chunk)
                digest = f"sha256:{hasher.hexdigest()}"
            found[name] = Header(
                kind=_KINDS.get(member.type, f"type {member.type!r}"),
                mode=f"{member.mode:04o}",
                owner=f"{member.uid}:{member.gid}",
                names=f"{member.uname}:{member.gname}",
                mtime=str(member.mtime),
                link=member.linkname,
                size=str(member.size),
                content=digest,
                extended=", ".join(f"{key}={value}" for key, value in sorted(member.pax_headers.items())),
            )
    return found


_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
}


def _path_differences(want: Header | None, got: Header | None) -> Iterator[str]:
    if want is None or got is None:
        yield "path"
        return
    for field in fields(Header):
        if getattr(want, field.name) != getattr(got, field.name):
            yield field.name


def _value(header: Header | None, field: str) -> str:
    if header is None:
        return _NOTHING
    return header.kind if field == "path" else str(getattr(header, field))


def _texts(path: str, want: Slice, got: Slice) -> tuple[int, str, str] | None:
    """Return the first line in which two small text files differ, and both lines; None for anything else."""
    one, other = _small(path, want), _small(path, got)
    if one is None or other is None:
        return None
    try:
        pairs = zip_longest(one.decode().splitlines(), other.decode().splitlines())
    except UnicodeDecodeError:
        return None
    for number, (left, right) in enumerate(pairs, 1):
        if left != right:
            return number, "the end" if left is None else left.strip(), "the end" if right is None else right.strip()
    return None


def _small(path: str, tar: Slice) -> bytes | None:
    with tar.opened() as file, tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            if member.name.strip("/") == path and member.isreg() and member.size <= _READABLE:
                stream = archive.extractfile(member)
                return stream.read() if stream else None
    return None


def _values(path: str, want: Any, got: Any) -> Iterator[Difference]:
    """Yield where two JSON values differ, by their paths."""
    if isinstance(want, dict) and isinstance(got, dict):
        for key in sorted({*want, *got}):
            yield from _values(f"{path}/{key}", want.get(key, _NOTHING), got.get(key, _NOTHING))
    elif isinstance(want, list) and isinstance(got, list):
        for number, (one, other) in enumerate(zip_longest(want, got, fillvalue=_NOTHING)):
            yield from _values(f"{path}/{number}", one, other)
    elif want != got or type(want) is not type(got):
        yield Difference(place=_CONFIGURATION, path=path or "/", field="value", want=str(want), got=str(got))


def _first_byte(want: Slice, got: Slice) -> int:
    offset = 0
    for one, other in zip_longest(want.chunks(), got.chunks(), fillvalue=b""):
        if one != other:
            return offset + next(
                (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
                min(len(one), len(other)),
            )
        offset += len(one)
    return offset


def _byte(tar: Slice, offset: int) -> str:
    if offset >= tar.size:
        return "the end"
    with tar.opened() as file:
        file.seek(offset)
        return f"0x{file.read(1).hex()}"

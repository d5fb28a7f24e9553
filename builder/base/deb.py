"""Reading a binary package (deb(5)): an ar archive of a control tar and a data tar."""

from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from builder.base.content import BlobSlice
from builder.base.control import Paragraph, read_paragraphs
from builder.base.model import LockedDeb
from builder.errors import BaseImageError, StoreError
from builder.oci.digest import Digest
from builder.oci.entry import Entry, EntryKind, InlineContent
from builder.store.blobs import BlobStore
from builder.store.growth import Growth
from builder.store.records import Records

_MAGIC = b"!<arch>\n"
_HEADER = 60
_PIECE = 1 << 14
"""xz reaches 7000 times, and its pieces are in memory at once."""


class _Decompressor(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


class _Stored:
    """A tar that is not compressed."""

    def decompress(self, data: bytes, /) -> bytes:
        return data


_DECOMPRESSORS: Mapping[str, Callable[[], _Decompressor]] = {
    ".xz": lzma.LZMADecompressor,
    ".gz": lambda: zlib.decompressobj(wbits=31),
    ".bz2": bz2.BZ2Decompressor,
    "": _Stored,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class UnpackedDeb:
    """A package taken apart: what it says of itself, its scripts, and its files as they are in the package.

    Paths of ``entries``, and targets of hard links, are as the package has them (``lib/x`` and ``usr/lib/x`` are
    different); a hard link follows the file it is a name of. Owners and times are dropped.
    """

    deb: LockedDeb
    control: Paragraph
    control_text: str
    scripts: Mapping[str, str]
    md5sums: str
    entries: tuple[Entry, ...]


def unpack_deb(deb: LockedDeb, store: BlobStore) -> UnpackedDeb:
    """Take a package in the store apart. Its files' bytes stay in the store, uncompressed, as one blob.

    A package that is damaged, is not the one the lock names, or holds an unsafe path, a link out of the tree or a
    special file is a BaseImageError that names package and path; so is one that grows beyond what is real.
    """
    try:
        return _unpack(deb, store)
    except StoreError as error:
        if error.faults[0].at != _archive(deb):
            raise
        raise _damaged(deb, error.faults[0].fact) from error
    except (lzma.LZMAError, zlib.error, tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise _damaged(deb, str(error) or type(error).__name__) from error


def _unpack(deb: LockedDeb, store: BlobStore) -> UnpackedDeb:
    records = Records(store.root, "deb")
    members = _members(store.path(deb.digest), deb)
    control_tar = b"".join(_member(members, "control.tar", store.path(deb.digest), deb))
    files = _control_files(control_tar)
    text = files.get("control", "")
    control = next(read_paragraphs(text.splitlines()), {})
    if (control.get("Package"), control.get("Version")) != (deb.name, deb.version):
        raise _damaged(deb, f"it says it is {control.get('Package', 'nothing')} {control.get('Version', '')}".rstrip())
    key = deb.digest.hex
    known = records.get(key)
    data = Digest(known) if known else None
    if data is None or not store.has(data):
        with store.writer() as writer:
            for chunk in _member(members, "data.tar", store.path(deb.digest), deb):
                writer.write(chunk)
        data = writer.digest
        records.put(key, data.hex)
    return UnpackedDeb(
        deb=deb,
        control=control,
        control_text=text.rstrip("\n") + "\n",
        scripts={name: files[name] for name in ("preinst", "postinst") if name in files},
        md5sums=files.get("md5sums", ""),
        entries=tuple(_entries(deb, data, store)),
    )


def _damaged(deb: LockedDeb, fact: str, *, at: str | None = None) -> BaseImageError:
    return BaseImageError.of(f"package {deb.name} {deb.version} cannot be unpacked: {fact}", at=at or _archive(deb))


def _archive(deb: LockedDeb) -> str:
    return deb.filename.rpartition("/")[2]


def _members(path: Path, deb: LockedDeb) -> dict[str, tuple[int, int]]:
    """Return offset and size of each member of the ar archive."""
    out: dict[str, tuple[int, int]] = {}
    end = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise _damaged(deb, "it is not an ar archive")
        while header := file.read(_HEADER):
            if len(header) < _HEADER or header[58:60] != b"`\n":
                raise _damaged(deb, "the ar archive is cut off or damaged")
            name = header[:16].decode("ascii", "replace").rstrip(" /")
            size_text = header[48:58].strip()
            if not size_text.isdigit():
                raise _damaged(deb, "the ar archive is damaged")
            size, offset = int(size_text), file.tell()
            if offset + size > end:
                raise _damaged(deb, f"its member {name} is cut off")
            out[name] = (offset, size)
            file.seek(offset + size + size % 2)
    return out


def _member(members: Mapping[str, tuple[int, int]], stem: str, path: Path, deb: LockedDeb) -> Iterator[bytes]:
    """Yield a member's bytes, uncompressed."""
    name = next((name for name in members if name == stem or name.startswith(f"{stem}.")), None)
    if name is None:
        raise _damaged(deb, f"it has no {stem}")
    make = _DECOMPRESSORS.get(name.removeprefix(stem))
    if make is None:
        raise _damaged(deb, f"{name} is compressed in a way Debian's archive does not use")
    offset, left = members[name]
    decompressor = make()
    growth = Growth(deb.size, at=_archive(deb))
    with path.open("rb") as file:
        file.seek(offset)
        while left:
            chunk = file.read(min(_PIECE, left))
            if not chunk:
                raise _damaged(deb, f"its member {name} is cut off")
            left -= len(chunk)
            if getattr(decompressor, "eof", False):
                break
            data = decompressor.decompress(chunk)
            growth.add(len(data))
            yield data
    if not getattr(decompressor, "eof", True):
        raise _damaged(deb, f"its member {name} is cut off")


def _control_files(content: bytes) -> dict[str, str]:
    out: dict[str, str] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for member in tar:
            if member.isreg() and (file := tar.extractfile(member)):
                out[member.name.removeprefix("./")] = file.read().decode("utf-8", "replace")
    return out


def _entries(deb: LockedDeb, data: Digest, store: BlobStore) -> Iterator[Entry]:
    with store.path(data).open("rb") as file:
        yield from _tar_entries(deb, data, store, file)


def _tar_entries(deb: LockedDeb, data: Digest, store: BlobStore, file: BinaryIO) -> Iterator[Entry]:
    files: set[str] = set()
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            path = _checked_path(deb, member.name)
            if not path:
                continue
            if member.isreg() and member.offset_data + member.size > end:
                raise _damaged(deb, "the file is cut off", at=path)
            mode = member.mode & 0o7777
            if member.isdir():
                yield Entry.directory(path, mode=mode)
            elif member.issym():
                _check_link(deb, path, member.linkname)
                yield Entry.symlink(path, member.linkname)
            elif member.islnk():
                target = _checked_path(deb, member.linkname)
                if target not in files:
                    raise _damaged(deb, f"hard link to {member.linkname}, which is not before it", at=path)
                yield Entry(path=path, kind=EntryKind.HARDLINK, mode=mode, link=target)
            elif member.isreg() and not member.issparse():
                content = BlobSlice(store, data, member.offset_data, member.size) if member.size else InlineContent(b"")
                files.add(path)
                yield Entry.file(path, content, mode=mode)
            else:
                raise _damaged(deb, "a device or other special file has no place in an image", at=path)
        # tarfile takes a damaged header in the middle for the end
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise _damaged(deb, "its data.tar is damaged or cut off")


def _checked_path(deb: LockedDeb, name: str) -> str:
    if name.startswith("/"):
        raise _damaged(deb, "absolute path", at=name)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _damaged(deb, "path that leaves the tree", at=name)
    return "/".join(parts)


def _check_link(deb: LockedDeb, path: str, target: str) -> None:
    """Refuse a relative link that climbs over the root; an absolute one is relative to the image's root."""
    if not target:
        raise _damaged(deb, "symbolic link to nothing", at=path)
    if target.startswith("/"):
        return
    depth = path.count("/")
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            raise _damaged(deb, f"symbolic link that leaves the tree: {target}", at=path)

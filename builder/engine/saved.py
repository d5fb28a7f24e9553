"""What an engine built, as a tree: `docker save` read without unpacking anything to disk."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from builder.errors import EngineError
from builder.oci.entry import CHUNK, Entry, EntryKind
from builder.store.blobs import store_faults

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_GZIP = b"\x1f\x8b"

Tree = dict[str, Entry]
"""A file system by path. Hard links are files with the content of what they lead to."""


@contextmanager
def saved_tree(chunks: Iterable[bytes], scratch: Path, *, at: str) -> Iterator[Tree]:
    """Lend the final file system of an image archive (docker-archive, or the OCI layout newer engines write).

    Layers are applied from the bottom up with their whiteouts (image-spec, layer.md § "Change Types"). Contents are
    slices of a file below ``scratch`` that is gone when the block is left. An archive that cannot be read is an
    EngineError naming ``at``.
    """
    with store_faults("write the engine's image", scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=scratch, prefix="saved-"))
    try:
        archive = folder / "image.tar"
        with store_faults("write the engine's image", archive), archive.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        try:
            tree: Tree = {}
            for number, layer in enumerate(_layers(archive)):
                _apply(tree, layer, folder / f"{number}.tar")
        except (tarfile.TarError, KeyError, ValueError, EOFError, gzip.BadGzipFile) as error:
            raise EngineError.of(f"the engine's image archive cannot be read: {error!r}", at=at) from error
        yield tree
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Slice:
    """Part of a file below the scratch folder: a layer, or a file in one."""

    path: Path
    offset: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            left = self.size
            while left and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk


def _layers(archive: Path) -> list[_Slice]:
    with tarfile.open(archive, mode="r:") as tar:
        members = {member.name: member for member in tar}
        manifest = members.get("manifest.json")
        stream = tar.extractfile(manifest) if manifest else None
        if stream is None:
            msg = "it has no manifest.json"
            raise ValueError(msg)
        [image] = json.load(stream)
        return [_find(archive, members, str(name)) for name in image["Layers"]]


def _find(archive: Path, members: dict[str, tarfile.TarInfo], name: str) -> _Slice:
    """Follow the links by which an archive names a layer that occurs twice."""
    member = members[name]
    if member.issym():
        parts = [*name.split("/")[:-1], *member.linkname.split("/")]
        resolved: list[str] = []
        for part in parts:
            if part == "..":
                resolved.pop()
            else:
                resolved.append(part)
        member = members["/".join(resolved)]
    return _Slice(path=archive, offset=member.offset_data, size=member.size)


def _apply(tree: Tree, layer: _Slice, aside: Path) -> None:
    path, offset = layer.path, layer.offset
    if next(iter(layer.chunks()), b"")[:2] == _GZIP:
        _inflate(layer, aside)
        path, offset = aside, 0
    with path.open("rb") as file, tarfile.open(fileobj=cast("IO[bytes]", _Window(file, offset)), mode="r:") as tar:
        for member in tar:
            name = member.name.removeprefix("./").strip("/")
            if not name or name == ".":
                continue
            parent, _, base = name.rpartition("/")
            if base == _OPAQUE:
                _remove(tree, parent, keep_folder=True)
            elif base.startswith(_WHITEOUT):
                _remove(tree, f"{parent}/{base[len(_WHITEOUT) :]}".lstrip("/"))
            else:
                if not member.isdir():
                    _remove(tree, name)
                tree[name] = _entry(member, name, tree, path, offset)


def _entry(member: tarfile.TarInfo, name: str, tree: Tree, path: Path, offset: int) -> Entry:
    owned: dict[str, Any] = {"path": name, "mode": member.mode & 0o7777, "uid": member.uid, "gid": member.gid}
    if member.isdir():
        return Entry(kind=EntryKind.DIRECTORY, **owned)
    if member.issym():
        return Entry(kind=EntryKind.SYMLINK, link=member.linkname, **(owned | {"mode": 0o777}))
    if member.islnk():
        return Entry(kind=EntryKind.FILE, content=tree[member.linkname.removeprefix("./").strip("/")].content, **owned)
    if not member.isreg():
        msg = f"{name} is neither file, folder nor link"
        raise ValueError(msg)
    content = _Slice(path=path, offset=offset + member.offset_data, size=member.size)
    return Entry(kind=EntryKind.FILE, content=content, **owned)


def _remove(tree: Tree, path: str, *, keep_folder: bool = False) -> None:
    if not keep_folder:
        entry = tree.pop(path, None)
        if entry is None or entry.kind is not EntryKind.DIRECTORY:
            return
    for below in [name for name in tree if name.startswith(f"{path}/")]:
        del tree[below]


def _inflate(layer: _Slice, aside: Path) -> None:
    with (
        store_faults("write the engine's image", aside),
        layer.path.open("rb") as source,
        aside.open("wb") as sink,
        gzip.open(cast("IO[bytes]", _Window(source, layer.offset, layer.size))) as inflated,
    ):
        shutil.copyfileobj(inflated, sink, CHUNK)


class _Window:
    """Part of a file, as a file of its own; enough of one for tarfile and gzip."""

    def __init__(self, file: IO[bytes], offset: int, size: int | None = None) -> None:
        self._file = file
        self._offset = offset
        self._size = size
        file.seek(offset)

    def read(self, size: int = -1) -> bytes:
        """Read on from where it stands."""
        if self._size is not None:
            left = max(0, self._size - self.tell())
            size = left if size < 0 else min(size, left)
        return self._file.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        """Go to a place counted from the window's beginning."""
        self._file.seek(position + (self._offset if whence == 0 else 0), whence)
        return self.tell()

    def tell(self) -> int:
        """Say where it stands, counted from the window's beginning."""
        return self._file.tell() - self._offset

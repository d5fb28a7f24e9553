"""What an engine has, as a tree: `docker save` read without unpacking anything to a path an archive names."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from builder.errors import EngineError, StoreError
from builder.oci.entry import CHUNK, Entry, EntryKind
from builder.store.blobs import store_faults
from builder.store.growth import Growth

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"

Tree = dict[str, Entry]
"""A file system by path. Hard links are files with the content of what they lead to."""


@contextmanager
def saved_tree(chunks: Iterable[bytes], scratch: Path, *, at: str) -> Iterator[Tree]:
    """Lend the final file system of an image archive (docker-archive, or the OCI layout newer engines write).

    Layers are applied from the bottom up with their whiteouts (image-spec, layer.md § "Change Types"). Contents are
    slices of a file below ``scratch`` that is gone when the block is left. An archive that cannot be read is an
    EngineError naming ``at``.
    """
    with saved_image(chunks, scratch, at=at) as saved:
        tree: Tree = {}
        for number, layer in enumerate(saved.layers):
            with archive_faults(at):
                apply_layer(tree, inflated(layer, saved.folder / f"{number}.tar"))
        yield tree


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedImage:
    """The parts of one image archive: its configuration as it is, and its layers from the bottom up."""

    folder: Path
    config: bytes
    layers: tuple[Slice, ...]


@contextmanager
def saved_image(chunks: Iterable[bytes], scratch: Path, *, at: str) -> Iterator[SavedImage]:
    """Lend an image archive's parts, in a folder below ``scratch`` that is gone when the block is left."""
    with store_faults("write the engine's image", scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=scratch, prefix="saved-"))
    try:
        archive = folder / "image.tar"
        with store_faults("write the engine's image", archive), archive.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        with archive_faults(at):
            config, layers = _parts(archive)
            saved = SavedImage(folder=folder, config=b"".join(config.chunks()), layers=tuple(layers))
        yield saved
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def archive_faults(at: str) -> Iterator[None]:
    """Turn whatever is wrong with an archive into one EngineError that names ``at``."""
    try:
        yield
    except (tarfile.TarError, KeyError, IndexError, TypeError, ValueError, EOFError, OSError, zlib.error) as error:
        raise EngineError.of(f"the image archive cannot be read: {error!r}", at=at) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """Part of a file: a layer in an archive, a blob, or a file in a layer."""

    path: Path
    offset: int
    size: int

    @classmethod
    def of(cls, path: Path) -> Slice:
        """Return the whole of a file."""
        with store_faults("read", path):
            return cls(path=path, offset=0, size=path.stat().st_size)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; fewer than ``size`` when the file ends early is a StoreError."""
        left = self.size
        with store_faults("read", self.path), self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            while left and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk
        if left:
            raise StoreError.of("a file ends early", at=str(self.path), want=str(self.size), got=str(self.size - left))

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Lend the bytes as a file that can be searched."""
        with self.path.open("rb") as file:
            yield cast("IO[bytes]", _Window(file, self.offset, self.size))


def inflated(layer: Slice, aside: Path) -> Slice:
    """Return a layer's tar: the layer itself, or written to ``aside`` when it is compressed with gzip.

    One that grows beyond what is real is a StoreError, with nothing left aside.
    """
    start = next(iter(layer.chunks()), b"")
    if start.startswith(_ZSTD):
        raise StoreError.of("a layer's compression is not supported here", want="gzip or none", got="zstd")
    if not start.startswith(_GZIP):
        return layer
    with store_faults("write an image's layer", aside):
        sink = aside.open("wb")
    growth = Growth(layer.size, at=str(layer.path))
    try:
        with sink, layer.opened() as source, gzip.open(source) as stream:
            while chunk := stream.read(CHUNK):
                growth.add(len(chunk))
                with store_faults("write an image's layer", aside):
                    sink.write(chunk)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return Slice.of(aside)


def apply_layer(tree: Tree, layer: Slice) -> None:
    """Lay a layer's tar over a tree. A path or link that leaves the root, and a device, is a ValueError."""
    with layer.opened() as file, tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            name = _clean(member.name)
            if not name:
                continue
            parent, _, base = name.rpartition("/")
            if base == _OPAQUE:
                _remove(tree, parent, keep_folder=True)
            elif base.startswith(_WHITEOUT):
                _remove(tree, f"{parent}/{base[len(_WHITEOUT) :]}".lstrip("/"))
            else:
                entry = _entry(member, name, tree, layer)
                if not member.isdir():
                    _remove(tree, name)
                tree[name] = entry


def _parts(archive: Path) -> tuple[Slice, list[Slice]]:
    with tarfile.open(archive, mode="r:") as tar:
        members = {member.name: member for member in tar}
        manifest = members.get("manifest.json")
        stream = tar.extractfile(manifest) if manifest else None
        if stream is None:
            msg = "it has no manifest.json"
            raise ValueError(msg)
        [image] = json.load(stream)
        config = _find(archive, members, str(image["Config"]))
        return config, [_find(archive, members, str(name)) for name in image["Layers"]]


def _find(archive: Path, members: dict[str, tarfile.TarInfo], name: str) -> Slice:
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
    if not member.isreg():
        msg = f"{name} is not a file"
        raise ValueError(msg)
    return Slice(path=archive, offset=member.offset_data, size=member.size)


def _clean(name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        msg = f"{name} leads out of the image"
        raise ValueError(msg)
    return "/".join(parts)


def _entry(member: tarfile.TarInfo, name: str, tree: Tree, layer: Slice) -> Entry:
    owned: dict[str, Any] = {"path": name, "mode": member.mode & 0o7777, "uid": member.uid, "gid": member.gid}
    if member.isdir():
        return Entry(kind=EntryKind.DIRECTORY, **owned)
    if member.issym():
        return Entry(kind=EntryKind.SYMLINK, link=member.linkname, **(owned | {"mode": 0o777}))
    if member.islnk():
        target = tree[_clean(member.linkname)]
        if target.content is None:
            msg = f"{name} is a hard link to what is no file"
            raise ValueError(msg)
        return Entry(kind=EntryKind.FILE, content=target.content, **owned)
    if not member.isreg() or member.issparse():
        msg = f"{name} is neither file, folder nor link"
        raise ValueError(msg)
    content = Slice(path=layer.path, offset=layer.offset + member.offset_data, size=member.size)
    if member.offset_data + member.size > layer.size:
        msg = f"{name} ends after its archive"
        raise ValueError(msg)
    return Entry(kind=EntryKind.FILE, content=content, **owned)


def _remove(tree: Tree, path: str, *, keep_folder: bool = False) -> None:
    if not keep_folder:
        entry = tree.pop(path, None)
        if entry is None or entry.kind is not EntryKind.DIRECTORY:
            return
    for below in [name for name in tree if name.startswith(f"{path}/")]:
        del tree[below]


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

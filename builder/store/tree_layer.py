"""One layer's archive, verified while it is read, kept as a flat pool of files and an index of paths.

Nothing of an archive is ever written to a path it names: contents go into numbered files, and what belongs where is
plain data. So no name, link or order of entries in a hostile archive can reach outside the pool (image-spec, layer.md).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from builder.errors import DigestMismatchError, StoreError
from builder.host.removal import take_away
from builder.oci.digest import Digest
from builder.oci.entry import CHUNK
from builder.oci.image import BlobSource, Layer
from builder.oci.media_type import MediaType
from builder.store.blobs import store_faults
from builder.store.growth import Growth

_PIECE = 1 << 16  # a layer may be thousands of gzip members, and zlib copies what is left after each
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_GZIP = (MediaType.OCI_LAYER_GZIP, MediaType.DOCKER_LAYER_GZIP)


class NodeKind(StrEnum):
    """What an entry of a layer is, or does to the layers below."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    WHITEOUT = "whiteout"
    """The path is gone, when a lower layer has it."""
    OPAQUE = "opaque"
    """Everything lower layers have below the path is gone."""


@dataclass(frozen=True, slots=True)
class Node:
    """One entry. ``path`` is relative to the root, ``""`` for the root itself; ``content`` numbers a pool file.

    ``mode`` is the nine permission bits, and the sticky bit of a directory; setuid and setgid are gone.
    """

    path: str
    kind: NodeKind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    link: str = ""
    content: int | None = None


@dataclass(frozen=True, slots=True)
class LayerPool:
    """A layer that was unpacked: where its files are, its entries in order, and what was left out and why."""

    root: Path
    nodes: tuple[Node, ...]
    skipped: tuple[str, ...]

    def file(self, number: int) -> Path:
        """Return where a numbered file is."""
        return self.root / "files" / str(number)


def open_pool(root: Path) -> LayerPool | None:
    """Read a pool that was unpacked before; None when there is none, or it was made by another version."""
    try:
        data = json.loads((root / "index.json").read_bytes())
        nodes = tuple(Node(path, NodeKind(kind), *rest) for path, kind, *rest in data["nodes"])
        return LayerPool(root=root, nodes=nodes, skipped=tuple(data["skipped"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def unpack_layer(layer: Layer, source: BlobSource, root: Path, *, own: bool, aside: Path) -> LayerPool:
    """Unpack a layer into ``root``, or return what is already there.

    Both the blob's digest and the diff_id are checked before anything is put in place. ``own`` keeps owners and
    modes (needs root); without it files belong to this user and their modes become what a stranger in group 0
    would be granted, so that a run sees the permissions it will see in production. Other bytes than the layer
    names are a DigestMismatchError; an archive that cannot be unpacked, or grows beyond what is real, is a StoreError.
    """
    if pool := open_pool(root):
        return pool
    with store_faults("unpack a layer", root):
        aside.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=aside))
        try:
            (scratch / "files").mkdir()
            nodes, skipped = _extract(layer, source, scratch / "files", own=own)
            index: dict[str, Any] = {
                "nodes": [[n.path, n.kind, n.mode, n.uid, n.gid, n.link, n.content] for n in nodes],
                "skipped": skipped,
            }
            (scratch / "index.json").write_text(json.dumps(index))
            root.parent.mkdir(parents=True, exist_ok=True)
            if root.exists() and open_pool(root) is None:
                take_away(root)  # damaged, or made by another version
            put_in_place(scratch, root)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return LayerPool(root=root, nodes=tuple(nodes), skipped=tuple(skipped))


def put_in_place(scratch: Path, root: Path) -> None:
    """Rename a finished folder to its name; when another process was faster, its result stands."""
    try:
        scratch.rename(root)
    except OSError:
        if not root.is_dir():
            raise


def granted_mode(mode: int, gid: int) -> int:
    """Return what a user who is not the owner, in group 0, is granted by these bits; for all three classes alike."""
    bits = (mode >> 3 if gid == 0 else mode) & 7
    return bits * 0o111 | mode & 0o1000


def _extract(layer: Layer, source: BlobSource, files: Path, *, own: bool) -> tuple[list[Node], list[str]]:
    stream = _LayerStream(layer, source)
    nodes: list[Node] = []
    skipped: list[str] = []
    try:
        with tarfile.open(fileobj=io.BufferedReader(stream, CHUNK), mode="r|", bufsize=_PIECE) as archive:
            for member in archive:
                node = _node(member, len(nodes), layer)
                if isinstance(node, str):
                    skipped.append(node)
                    continue
                if node.kind is NodeKind.FILE:
                    _write_file(archive, member, files / str(node.content), node, own=own)
                nodes.append(node)
        stream.drain()
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError) as error:  # headers of noise give any
        stream.verify_blob()
        raise StoreError.of(f"a layer is not a readable archive: {error}", at=str(layer.descriptor.digest)) from error
    stream.verify()
    return nodes, skipped


def _node(member: tarfile.TarInfo, number: int, layer: Layer) -> Node | str:
    path = _clean(member.name, layer)
    folder, _, name = path.rpartition("/")
    if name == _OPAQUE:
        return Node(folder, NodeKind.OPAQUE)
    if name.startswith(_WHITEOUT):
        hidden = name.removeprefix(_WHITEOUT)
        if hidden in ("", ".", "..") or hidden.startswith(_WHITEOUT):
            return f"/{path}: not a whiteout the specification knows"
        return Node(f"{folder}/{hidden}" if folder else hidden, NodeKind.WHITEOUT)
    mode, owner = member.mode & 0o777, (member.uid, member.gid)
    if member.isdir():
        return Node(path, NodeKind.DIRECTORY, member.mode & 0o1777, *owner)
    if member.issym():
        return Node(path, NodeKind.SYMLINK, 0o777, *owner, member.linkname)
    if member.islnk():
        return Node(path, NodeKind.HARDLINK, mode, *owner, _clean(member.linkname, layer))
    if member.isfile():
        return Node(path, NodeKind.FILE, mode, *owner, "", number)
    what = "device file" if member.isdev() and not member.isfifo() else "special file"
    return f"/{path}: {what}s are not unpacked"


def _clean(name: str, layer: Layer) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise StoreError.of(
            "a layer names a path outside its root",
            at=f"{layer.descriptor.digest} {name}",
            hint="do not trust this image",
        )
    return "/".join(parts)


def _write_file(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, node: Node, *, own: bool) -> None:
    content: IO[bytes] | None = archive.extractfile(member)
    with path.open("wb") as file:
        if content is not None:
            shutil.copyfileobj(content, file, CHUNK)
        if own:
            os.fchown(file.fileno(), node.uid, node.gid)
        os.fchmod(file.fileno(), node.mode if own else granted_mode(node.mode, node.gid))


class _LayerStream(io.RawIOBase):
    """The uncompressed tar of a layer, read once from front to back; both digests are taken on the way."""

    def __init__(self, layer: Layer, source: BlobSource) -> None:
        super().__init__()
        self._layer = layer
        media_type = layer.descriptor.media_type
        if media_type not in (*_GZIP, MediaType.OCI_LAYER_TAR):
            raise StoreError.of(
                "a layer's compression is not supported here",
                at=str(layer.descriptor.digest),
                want="gzip or none",
                got=str(media_type),
                hint="run this image with a container engine, or choose a base with gzip layers",
            )
        self._blob_hash = hashlib.sha256()
        self._diff_hash = hashlib.sha256()
        self._blob = self._hashed(source.chunks(layer.descriptor.digest))
        self._pieces = self._inflated() if media_type in _GZIP else self._blob
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._diff_hash.update(piece)
            self._left = memoryview(piece)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def drain(self) -> None:
        """Read what follows the archive's end; it is part of both digests."""
        for piece in self._pieces:
            self._diff_hash.update(piece)

    def verify(self) -> None:
        """Raise a DigestMismatchError unless every byte was as named."""
        self.verify_blob()
        _demand("a layer's uncompressed bytes are not what the image names", self._layer.diff_id, self._diff_hash)

    def verify_blob(self) -> None:
        """Read the blob to its end and compare its digest."""
        for _ in self._blob:
            pass
        _demand("a layer's bytes are not what the image names", self._layer.descriptor.digest, self._blob_hash)

    def _hashed(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._blob_hash.update(chunk)
            yield chunk

    def _inflated(self) -> Iterator[bytes]:
        member = zlib.decompressobj(wbits=31)
        growth = Growth(self._layer.descriptor.size, at=str(self._layer.descriptor.digest))
        is_open = False
        for chunk in self._blob:
            view = memoryview(chunk)
            for start in range(0, len(chunk), _PIECE):
                data: bytes | memoryview = view[start : start + _PIECE]
                while data:
                    if not is_open and not bytes(data[:512]).strip(b"\0"):
                        data = bytes(data).lstrip(b"\0")  # padding after the last member, which gzip allows
                        continue
                    is_open = True
                    out = member.decompress(data)
                    if out:
                        growth.add(len(out))
                        yield out
                    data = b""
                    if member.eof:
                        data, is_open = member.unused_data, False
                        member = zlib.decompressobj(wbits=31)
        if is_open:
            raise EOFError("it ends in the middle of a gzip member")


def _demand(fact: str, want: Digest, got: Any) -> None:
    if got.hexdigest() != want.hex:
        raise DigestMismatchError.of(
            fact, want=str(want), got=f"sha256:{got.hexdigest()}", hint="build again; the damaged blob must be replaced"
        )


def chain_id(diff_ids: Sequence[Digest]) -> Digest:
    """Return the ChainID of a stack of layers (image-spec, config.md § "Layer ChainID")."""
    first, *rest = diff_ids
    chain = first
    for diff_id in rest:
        chain = Digest.of(f"{chain} {diff_id}".encode())
    return chain

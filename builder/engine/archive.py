"""Tar streams an engine takes in: an image to load, a context to build. Nothing is staged on disk.

Headers depend on nothing but the plan: owner 0:0, no names, the plan's epoch, and modes reduced to 0644 and 0755.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from builder.errors import HostError
from builder.oci.digest import Digest
from builder.oci.entry import CHUNK
from builder.oci.image import BlobSource, Image
from builder.oci.manifest import ImageIndex
from builder.oci.media_type import ManifestFormat
from builder.plan.model import EPOCH

_END = bytes(2 * tarfile.BLOCKSIZE)


def image_archive(image: Image, blobs: BlobSource, *, present: int = 0) -> Iterator[bytes]:
    """Yield an archive for ``docker load``, without the ``present`` lowest layers, which the engine has already.

    A whole archive is readable both ways: as an OCI layout, by engines that keep manifests, and by ``manifest.json``,
    by those that keep configurations. One that lacks layers is only the latter. It names no tag.
    """
    config = image.config.encode()
    names = [_blob_name(layer.descriptor.digest) for layer in image.layers]
    docker_manifest = [{"Config": _blob_name(image.image_id), "RepoTags": None, "Layers": names}]
    yield from _file("manifest.json", json.dumps(docker_manifest).encode())
    yield from _file(_blob_name(image.image_id), config)
    if not present:
        manifest = image.manifest(ManifestFormat.OCI)
        yield from _file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        yield from _file("index.json", ImageIndex(manifests=(manifest.descriptor,)).encode())
        yield from _file(_blob_name(manifest.descriptor.digest), manifest.encode())
    sent = {_blob_name(layer.descriptor.digest) for layer in image.layers[:present]}
    for layer in image.layers[present:]:
        name = _blob_name(layer.descriptor.digest)
        if name not in sent:
            sent.add(name)
            yield from _streamed(name, layer.descriptor.size, blobs.chunks(layer.descriptor.digest))
    yield _END


def context_archive(context: Path) -> Iterator[bytes]:
    """Yield a build context as a tar, sorted by path. Whatever the umask it was written under, the modes are right."""
    for path in sorted(context.rglob("*")):
        name = path.relative_to(context).as_posix()
        try:
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise HostError.of("a build context holds files and folders only", at=str(path))
            if path.is_dir():
                yield _header(name, mode=0o755, kind=tarfile.DIRTYPE)
                continue
            status = path.stat()
            executable = bool(status.st_mode & 0o100)
            yield from _streamed(name, status.st_size, _read(path), mode=0o755 if executable else 0o644)
        except OSError as error:
            raise HostError.of(f"the build context cannot be read: {error.strerror}", at=str(path)) from error
    yield _END


def _blob_name(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"


def _header(name: str, *, size: int = 0, mode: int = 0o644, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type, info.mtime = size, mode, kind, EPOCH
    return info.tobuf(format=tarfile.PAX_FORMAT, encoding="utf-8")


def _file(name: str, content: bytes) -> Iterator[bytes]:
    yield from _streamed(name, len(content), iter((content,)))


def _streamed(name: str, size: int, chunks: Iterator[bytes], *, mode: int = 0o644) -> Iterator[bytes]:
    yield _header(name, size=size, mode=mode)
    sent = 0
    for chunk in chunks:
        sent += len(chunk)
        yield chunk
    if sent != size:
        raise HostError.of("a file changed while it was sent to the engine", at=name, want=str(size), got=str(sent))
    if rest := size % tarfile.BLOCKSIZE:
        yield bytes(tarfile.BLOCKSIZE - rest)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk

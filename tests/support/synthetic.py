"""Small images whose layers are in a store, for tests that only move bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Sequence

from builder.oci.config import ImageConfig
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Image, Layer
from builder.oci.media_type import MediaType
from builder.oci.platform import Platform
from builder.store.blobs import BlobStore

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")


def noise(seed: str, size: int) -> bytes:
    """Return bytes that do not compress, the same for the same seed."""
    return hashlib.shake_256(seed.encode()).digest(size)


def tar_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def layer_of(store: BlobStore, name: str, content: bytes, media_type: MediaType = MediaType.OCI_LAYER_GZIP) -> Layer:
    tar = tar_of({name: content})
    blob = gzip.compress(tar, compresslevel=1, mtime=0) if media_type is MediaType.OCI_LAYER_GZIP else tar
    digest = store.add(blob)
    return Layer(
        descriptor=Descriptor(media_type=media_type, digest=digest, size=len(blob)),
        diff_id=Digest.of(tar),
        title=name,
    )


def image_of(layers: Sequence[Layer], *, platform: Platform = AMD64, label: str = "") -> Image:
    config = ImageConfig(
        platform=platform,
        created=946684800,
        user="10001:0",
        env=(("PATH", "/usr/bin:/bin"),),
        entrypoint=("/bin/true",),
        labels={"label": label} if label else {},
    )
    return Image(config=config.with_layers(tuple(layer.diff_id for layer in layers)), layers=tuple(layers))


def synthetic_image(store: BlobStore, *seeds: str, size: int = 50_000, platform: Platform = AMD64) -> Image:
    """Make an image with a layer for each seed, all in the store."""
    layers = [layer_of(store, f"{seed}.bin", noise(seed, size)) for seed in seeds or ("one", "two")]
    return image_of(layers, platform=platform)

"""A finished image: immutable, named by digests, its bytes read from wherever they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from builder.oci.config import ImageConfig
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.manifest import ImageIndex, ImageManifest
from builder.oci.media_type import ManifestFormat, MediaType


class BlobSource(Protocol):
    """A place blobs can be read from: a store, a layout, a registry."""

    def chunks(self, digest: Digest, *, offset: int = 0) -> Iterator[bytes]:
        """Yield the blob's bytes from ``offset``; a blob that is not there is a StoreError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One layer: its blob, the digest of its uncompressed tar, and what it holds in a few words."""

    descriptor: Descriptor
    diff_id: Digest
    title: str

    def to_dict(self) -> dict[str, Any]:
        """Return the form shown by ``kiln build --json``."""
        return {
            "digest": str(self.descriptor.digest),
            "diff_id": str(self.diff_id),
            "size": self.descriptor.size,
            "media_type": str(self.descriptor.media_type),
            "holds": self.title,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A configuration and the layers it names, from the bottom up."""

    config: ImageConfig
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if self.config.diff_ids != tuple(layer.diff_id for layer in self.layers):
            msg = "an image's configuration must name exactly its layers"
            raise ValueError(msg)

    @property
    def image_id(self) -> Digest:
        """The digest of the configuration; independent of compression and manifest dialect."""
        return Digest.of(self.config.encode())

    @property
    def config_descriptor(self) -> Descriptor:
        """The configuration blob."""
        content = self.config.encode()
        return Descriptor(media_type=MediaType.OCI_CONFIG, digest=Digest.of(content), size=len(content))

    def manifest(self, manifest_format: ManifestFormat) -> ImageManifest:
        """Return the manifest in one dialect."""
        return ImageManifest.of(
            manifest_format,
            config=self.config_descriptor,
            layers=tuple(layer.descriptor for layer in self.layers),
        )


def index_of(images: Sequence[Image], manifest_format: ManifestFormat) -> ImageIndex:
    """Return what names the images of several platforms in one dialect."""
    manifests = (
        replace(image.manifest(manifest_format).descriptor, platform=image.config.platform) for image in images
    )
    return ImageIndex(manifests=tuple(manifests), media_type=MediaType.OCI_INDEX.converted(manifest_format))

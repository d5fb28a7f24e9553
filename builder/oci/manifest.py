"""Image manifests and indexes (image-spec, manifest.md and image-index.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from builder.oci.canonical import canonical_json
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.media_type import ManifestFormat, MediaType


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageManifest:
    """Names a configuration and its layers, from the bottom up."""

    media_type: MediaType
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        manifest_format: ManifestFormat,
        *,
        config: Descriptor,
        layers: tuple[Descriptor, ...],
        annotations: Mapping[str, str] | None = None,
    ) -> Self:
        """Make the manifest in one dialect. Docker's has no place for annotations, so they are left out there."""
        is_oci = manifest_format is ManifestFormat.OCI
        return cls(
            media_type=MediaType.OCI_MANIFEST if is_oci else MediaType.DOCKER_MANIFEST,
            config=config.converted(manifest_format),
            layers=tuple(layer.converted(manifest_format) for layer in layers),
            annotations=(annotations or {}) if is_oci else {},
        )

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read a manifest; anything malformed is a ValueError."""
        try:
            data = json.loads(content)
            return cls(
                media_type=MediaType(data.get("mediaType", MediaType.OCI_MANIFEST)),
                config=Descriptor.from_dict(data["config"]),
                layers=tuple(Descriptor.from_dict(layer) for layer in data["layers"]),
                annotations=data.get("annotations") or {},
            )
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"not an image manifest: {error!r}"
            raise ValueError(msg) from error

    def encode(self) -> bytes:
        """Return the manifest as canonical JSON; its digest names the image in a registry."""
        out: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": str(self.media_type),
            "config": self.config.to_dict(),
            "layers": [layer.to_dict() for layer in self.layers],
        }
        if self.annotations:
            out["annotations"] = dict(self.annotations)
        return canonical_json(out)

    @property
    def descriptor(self) -> Descriptor:
        """The descriptor of this manifest's own bytes."""
        content = self.encode()
        return Descriptor(media_type=self.media_type, digest=Digest.of(content), size=len(content))


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageIndex:
    """Names several manifests: one for each platform, or the contents of a layout."""

    manifests: tuple[Descriptor, ...]
    media_type: MediaType = MediaType.OCI_INDEX
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read an index; anything malformed is a ValueError."""
        try:
            data = json.loads(content)
            return cls(
                manifests=tuple(Descriptor.from_dict(entry) for entry in data["manifests"]),
                media_type=MediaType(data.get("mediaType", MediaType.OCI_INDEX)),
                annotations=data.get("annotations") or {},
            )
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"not an image index: {error!r}"
            raise ValueError(msg) from error

    def encode(self) -> bytes:
        """Return the index as canonical JSON."""
        out: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": str(self.media_type),
            "manifests": [entry.to_dict() for entry in self.manifests],
        }
        if self.annotations:
            out["annotations"] = dict(self.annotations)
        return canonical_json(out)

    @property
    def descriptor(self) -> Descriptor:
        """The descriptor of this index's own bytes."""
        content = self.encode()
        return Descriptor(media_type=self.media_type, digest=Digest.of(content), size=len(content))

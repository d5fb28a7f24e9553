"""What a build made, as ``kiln build --json`` prints it and as it is kept beside the layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.oci.digest import Digest
from builder.oci.image import Image, index_of
from builder.oci.manifest import ImageIndex
from builder.oci.media_type import ManifestFormat


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """One build: its images, one for each platform, and where they are.

    ``engine_ids`` are the IDs an engine gave to the images it built itself from the same plans; empty for a native
    build.
    """

    repository: str
    version: str
    images: tuple[Image, ...]
    plans: tuple[Digest, ...]
    layout: Path
    context: Path
    builder: str
    timings: Mapping[str, float] = field(default_factory=dict)
    engine_ids: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    """What a person was told of the bundle's soundness; told again whenever this build is taken up."""
    warned: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """``repository:version``."""
        return f"{self.repository}:{self.version}"

    @property
    def pinned_reference(self) -> str:
        """The reference with the digest of the manifest, or index of platforms, that is pushed by default."""
        pushed = self.images[0].manifest(ManifestFormat.DOCKER) if len(self.images) == 1 else self._index()
        return f"{self.reference}@{pushed.descriptor.digest}"

    @property
    def tags(self) -> tuple[str, ...]:
        """The names the image gets in an engine: by version, and by version and image ID."""
        return (self.reference, f"{self.reference}-{self.images[0].image_id.short}")

    def to_dict(self) -> dict[str, Any]:
        """Return one object that describes the first image, and lists all where there are several."""
        described = [self._describe(number) for number in range(len(self.images))]
        out: dict[str, Any] = {
            "reference": self.reference,
            **described[0],
            "tags": list(self.tags),
            "layout": str(self.layout),
            "context": str(self.context),
            "builder": self.builder,
            "timings": dict(self.timings),
        }
        if len(described) > 1:
            out["index_digest"] = str(self._index().descriptor.digest)
            out["platforms"] = described
        return out

    def _index(self) -> ImageIndex:
        return index_of(self.images, ManifestFormat.DOCKER)

    def _describe(self, number: int) -> dict[str, Any]:
        image = self.images[number]
        manifests = {dialect: image.manifest(dialect).descriptor.digest for dialect in ManifestFormat}
        out = {
            "platform": str(image.config.platform),
            "image_id": str(image.image_id),
            "manifest_digest": str(manifests[ManifestFormat.DOCKER]),
            "manifests": {str(dialect): str(digest) for dialect, digest in manifests.items()},
            "plan": str(self.plans[number]),
            "size": sum(layer.descriptor.size for layer in image.layers),
            "layers": [layer.to_dict() for layer in image.layers],
        }
        if self.engine_ids:
            out["engine_image_id"] = self.engine_ids[number]
        return out

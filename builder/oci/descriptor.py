"""A pointer to content (image-spec, descriptor.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from builder.oci.digest import Digest
from builder.oci.media_type import ManifestFormat, MediaType
from builder.oci.platform import Platform


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """Media type, digest and size in bytes of a blob; enough to fetch it and know it is right."""

    media_type: MediaType
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``from_dict`` is its inverse."""
        out: dict[str, Any] = {
            "mediaType": str(self.media_type),
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.annotations:
            out["annotations"] = dict(sorted(self.annotations.items()))
        if self.platform:
            out["platform"] = {"architecture": self.platform.architecture, "os": self.platform.os}
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form; a missing or malformed field is a ValueError or KeyError."""
        platform = data.get("platform")
        size = data["size"]
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            msg = f"not a size: {size!r}"
            raise ValueError(msg)
        return cls(
            media_type=MediaType(data["mediaType"]),
            digest=Digest.parse(data["digest"]),
            size=size,
            annotations=dict(data.get("annotations") or {}),
            platform=Platform.parse(f"{platform['os']}/{platform['architecture']}") if platform else None,
        )

    def converted(self, manifest_format: ManifestFormat) -> Self:
        """Return the same pointer with its media type in the given dialect and no annotations."""
        return type(self)(
            media_type=self.media_type.converted(manifest_format),
            digest=self.digest,
            size=self.size,
            platform=self.platform,
        )

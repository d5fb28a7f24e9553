"""Definitions and locks of base images as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Layer
from builder.oci.platform import Platform


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class LockedDeb:
    """One Debian package, exactly. ``filename`` is its path below the mirror's root."""

    name: str
    version: str
    architecture: str
    archive: str
    """``main`` or ``security``: which of the configured mirrors holds it."""
    filename: str
    size: int
    digest: Digest

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``from_dict`` is its inverse."""
        return {
            "name": self.name,
            "version": self.version,
            "architecture": self.architecture,
            "archive": self.archive,
            "filename": self.filename,
            "size": self.size,
            "sha256": self.digest.hex,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        return cls(
            name=data["name"],
            version=data["version"],
            architecture=data["architecture"],
            archive=data["archive"],
            filename=data["filename"],
            size=data["size"],
            digest=Digest(data["sha256"]),
        )


class BaseKind(StrEnum):
    """Where a base image comes from."""

    DEBIAN = "debian"
    """Assembled here from a definition and lock under base-images/."""
    REGISTRY = "registry"
    """Pulled from a registry by digest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedBasePlatform:
    """A base image on one platform: its layers, its interpreter, and the environment it brings."""

    platform: Platform
    layers: tuple[Layer, ...]
    interpreter: str
    """Absolute path of the interpreter in the image; a regular file, not a link."""
    glibc: tuple[int, int]
    """Which manylinux wheels it can run."""
    env: tuple[tuple[str, str], ...] = ()
    manifest: Digest | None = None
    """The manifest the layers were read from; None for an assembled base."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``from_dict`` is its inverse."""
        return {
            "platform": str(self.platform),
            "interpreter": self.interpreter,
            "glibc": f"{self.glibc[0]}.{self.glibc[1]}",
            "env": [list(pair) for pair in self.env],
            "manifest": str(self.manifest) if self.manifest else None,
            "layers": [
                {**layer.descriptor.to_dict(), "diff_id": str(layer.diff_id), "title": layer.title}
                for layer in self.layers
            ],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        major, minor = str(data["glibc"]).split(".")
        return cls(
            platform=Platform.parse(data["platform"]),
            interpreter=data["interpreter"],
            glibc=(int(major), int(minor)),
            env=tuple((name, value) for name, value in data["env"]),
            manifest=Digest.parse(data["manifest"]) if data["manifest"] else None,
            layers=tuple(
                Layer(
                    descriptor=Descriptor.from_dict(layer),
                    diff_id=Digest.parse(layer["diff_id"]),
                    title=layer["title"],
                )
                for layer in data["layers"]
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedBase:
    """A base image pinned for a bundle.

    ``digest`` is what pins it: of the canonical base lock for an assembled base, of the manifest or index for a
    registry's.
    """

    kind: BaseKind
    name: str
    digest: Digest
    python: str
    platforms: tuple[LockedBasePlatform, ...] = field(default_factory=tuple)

    def on(self, platform: Platform) -> LockedBasePlatform:
        """Return the base on one platform; KeyError when it was not locked for it."""
        for candidate in self.platforms:
            if candidate.platform == platform:
                return candidate
        raise KeyError(str(platform))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``from_dict`` is its inverse."""
        return {
            "kind": str(self.kind),
            "name": self.name,
            "digest": str(self.digest),
            "python": self.python,
            "platforms": [platform.to_dict() for platform in self.platforms],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        return cls(
            kind=BaseKind(data["kind"]),
            name=data["name"],
            digest=Digest.parse(data["digest"]),
            python=data["python"],
            platforms=tuple(LockedBasePlatform.from_dict(platform) for platform in data["platforms"]),
        )

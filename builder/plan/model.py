"""The plan: for each layer the paths it owns and where their bytes come from, and the whole configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from builder.base.model import LockedBase, LockedBasePlatform, LockedDeb
from builder.lock.model import LockedWheel
from builder.oci.canonical import canonical_json
from builder.oci.config import ImageConfig
from builder.oci.digest import Digest
from builder.oci.platform import Platform

ASSEMBLY_VERSION = 1
"""Moves when, and only when, the same plan would give other bytes."""

EPOCH = 946_684_800
"""2000-01-01T00:00:00Z: the time every file in every layer carries, and every image's creation time."""

WITHOUT_BYTECODE = frozenset({"bin", "test", "tests"})
"""Modules below a folder of this name get no bytecode: commands are not modules, and test suites are not imported in
production; they would double the work and the bytes."""


WEIGHTS = 64 << 20
"""A model file of at least this many bytes gets a layer of its own."""


class Purpose(StrEnum):
    """What a layer is for; layers stand in this order, from the bottom up."""

    BASE = "base"
    SYSTEM = "system"
    RUNTIME = "runtime"
    DEPENDENCIES = "dependencies"
    MODEL = "model"
    CODE = "code"
    CONFIGURATION = "configuration"


class Origin(StrEnum):
    """Which folder on the host a planned file is read from."""

    BUNDLE = "bundle"
    RUNTIME = "runtime"


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelSource:
    """A wheel, unpacked below ``prefix`` for one interpreter."""

    wheel: LockedWheel
    prefix: str
    python: str
    interpreter: str

    def to_dict(self) -> dict[str, Any]:
        """Return the printable form."""
        return {
            "wheel": self.wheel.filename,
            "sha256": self.wheel.digest.hex,
            "prefix": self.prefix,
            "python": self.python,
            "interpreter": self.interpreter,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class FileSource:
    """A file copied as it is."""

    path: str
    """In the image."""
    origin: Origin
    source: str
    """Below the origin."""
    digest: Digest
    size: int
    mode: int = 0o644

    def to_dict(self) -> dict[str, Any]:
        """Return the printable form."""
        return {
            "path": self.path,
            "from": f"{self.origin}:{self.source}",
            "sha256": self.digest.hex,
            "size": self.size,
            "mode": f"{self.mode:04o}",
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class TextSource:
    """A file whose text is part of the plan."""

    path: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return the printable form."""
        return {"path": self.path, "sha256": Digest.of(self.text.encode()).hex, "size": len(self.text.encode())}


@dataclass(frozen=True, kw_only=True, slots=True)
class DebSource:
    """A Debian package, unpacked at the root."""

    deb: LockedDeb

    def to_dict(self) -> dict[str, Any]:
        """Return the printable form."""
        return {"deb": self.deb.name, "version": self.deb.version, "sha256": self.deb.digest.hex}


Source = WheelSource | FileSource | TextSource | DebSource


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedLayer:
    """A layer to make. Equal layers (purpose apart) have equal keys and so equal bytes, whatever bundle they are in."""

    purpose: Purpose
    title: str
    sources: tuple[Source, ...]

    @property
    def key(self) -> dict[str, Any]:
        """What the layer's bytes depend on, as a JSON value for a cache."""
        return {"assembly_version": ASSEMBLY_VERSION, "sources": [source.to_dict() for source in self.sources]}

    def to_dict(self) -> dict[str, Any]:
        """Return the printable form."""
        return {
            "purpose": str(self.purpose),
            "title": self.title,
            "sources": [source.to_dict() for source in self.sources],
        }


def is_weights(layer: PlannedLayer) -> bool:
    """Tell whether a layer holds one large file of the model and nothing else."""
    return layer.purpose is Purpose.MODEL and all(
        isinstance(source, FileSource) and source.size >= WEIGHTS for source in layer.sources
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One image of one bundle on one platform. ``config`` lacks only the diff_ids of the layers still to be made."""

    name: str
    version: str
    repository: str
    platform: Platform
    base: LockedBase
    layers: tuple[PlannedLayer, ...]
    config: ImageConfig
    requirements: str
    """The text of requirements.lock."""
    server_requirements: str
    """The text of the server's own locked requirements, with hashes."""
    installer: LockedWheel
    """pip itself, as a wheel: what the Dockerfile installs with. It never enters the image."""

    @property
    def base_on_platform(self) -> LockedBasePlatform:
        """The base on this plan's platform."""
        return self.base.on(self.platform)

    @property
    def tag(self) -> str:
        """``name:version``."""
        return f"{self.repository}:{self.version}"

    @property
    def digest(self) -> Digest:
        """The digest of the whole plan."""
        return Digest.of(canonical_json(self.to_dict()))

    def to_dict(self) -> dict[str, Any]:
        """Return the printable form."""
        base = self.base_on_platform
        return {
            "assembly_version": ASSEMBLY_VERSION,
            "name": self.name,
            "version": self.version,
            "platform": str(self.platform),
            "base": {
                "kind": str(self.base.kind),
                "name": self.base.name,
                "digest": str(self.base.digest),
                "diff_ids": [str(layer.diff_id) for layer in base.layers],
            },
            "layers": [layer.to_dict() for layer in self.layers],
            "config": self.config.to_dict(),
        }


def labels(pairs: Mapping[str, str | None]) -> dict[str, str]:
    """Return labels sorted by name, without the ones that have no value."""
    return {name: value for name, value in sorted(pairs.items()) if value}

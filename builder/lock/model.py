"""The lock of a bundle as plain values. ``to_dict`` and ``from_dict`` are inverses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from builder.base.model import LockedBase, LockedDeb
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.platform import Platform

LOCK_VERSION = 1
MODEL = "model "
"""What the labels of inputs that are files of the model begin with."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class LockedWheel:
    """One wheel, exactly. ``name`` is normalised (PyPA, "Names and normalization")."""

    name: str
    version: str
    filename: str
    size: int
    digest: Digest

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "version": self.version,
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
            filename=data["filename"],
            size=data["size"],
            digest=Digest(data["sha256"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedPlatform:
    """Everything chosen for one platform; each list sorted by name."""

    platform: Platform
    wheels: tuple[LockedWheel, ...]
    """The bundle's own dependencies."""
    server_wheels: tuple[LockedWheel, ...]
    """The dependencies of the server process; a separate import root."""
    installer: LockedWheel
    """pip itself, which the Dockerfile installs with; it never enters the image."""
    system_packages: tuple[LockedDeb, ...] = ()
    """What the bundle's system packages need beyond the base."""

    @property
    def all_wheels(self) -> tuple[LockedWheel, ...]:
        """Every wheel an image on this platform is made with, each once."""
        return tuple(sorted({*self.wheels, *self.server_wheels, self.installer}))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "platform": str(self.platform),
            "wheels": [wheel.to_dict() for wheel in self.wheels],
            "server_wheels": [wheel.to_dict() for wheel in self.server_wheels],
            "installer": self.installer.to_dict(),
            "system_packages": [deb.to_dict() for deb in self.system_packages],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form."""
        return cls(
            platform=Platform.parse(data["platform"]),
            wheels=tuple(LockedWheel.from_dict(wheel) for wheel in data["wheels"]),
            server_wheels=tuple(LockedWheel.from_dict(wheel) for wheel in data["server_wheels"]),
            installer=LockedWheel.from_dict(data["installer"]),
            system_packages=tuple(LockedDeb.from_dict(deb) for deb in data["system_packages"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """What was chosen for a bundle, and the inputs it was chosen for.

    ``inputs`` maps what mattered (``requirements``, ``environment.python``, ``model``, …) to a digest or short text,
    so that drift can be explained input by input; ``deep_checksum`` is the digest of all of them.
    """

    bundle: str
    python: str
    base: LockedBase
    requirements: Digest
    """Digest of requirements.lock."""
    inputs: Mapping[str, str]
    platforms: tuple[LockedPlatform, ...]
    deep_checksum: Digest

    def on(self, platform: Platform) -> LockedPlatform:
        """Return what was chosen for one platform; KeyError when it was not locked for it."""
        for candidate in self.platforms:
            if candidate.platform == platform:
                return candidate
        raise KeyError(str(platform))

    @property
    def model_inputs(self) -> dict[str, str]:
        """The files of the model it was made with, by label: no choice depends on them, and yet it names them."""
        return {label: value for label, value in self.inputs.items() if label.startswith(MODEL)}

    @property
    def is_sealed(self) -> bool:
        """True when the inputs are what the checksum says."""
        return deep_checksum(self.inputs) == self.deep_checksum

    def with_model(self, files: Mapping[str, str]) -> Self:
        """Return the lock with other model files: labels to digests."""
        kept = {label: value for label, value in self.inputs.items() if not label.startswith(MODEL)}
        inputs = dict(sorted({**kept, **files}.items()))
        return replace(self, inputs=inputs, deep_checksum=deep_checksum(inputs))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, as bundle.lock holds it."""
        return {
            "lock_version": LOCK_VERSION,
            "bundle": self.bundle,
            "python": self.python,
            "base": self.base.to_dict(),
            "requirements_lock": str(self.requirements),
            "inputs": dict(sorted(self.inputs.items())),
            "deep_checksum": str(self.deep_checksum),
            "platforms": [platform.to_dict() for platform in self.platforms],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form; anything missing or malformed is a KeyError, TypeError or ValueError."""
        if data["lock_version"] != LOCK_VERSION:
            msg = f"lock_version {data['lock_version']} is not {LOCK_VERSION}"
            raise ValueError(msg)
        return cls(
            bundle=data["bundle"],
            python=data["python"],
            base=LockedBase.from_dict(data["base"]),
            requirements=Digest.parse(data["requirements_lock"]),
            inputs=dict(data["inputs"]),
            deep_checksum=Digest.parse(data["deep_checksum"]),
            platforms=tuple(LockedPlatform.from_dict(platform) for platform in data["platforms"]),
        )


def deep_checksum(inputs: Mapping[str, str]) -> Digest:
    """Return the digest of all inputs together."""
    return Digest.of(canonical_json(dict(inputs)))

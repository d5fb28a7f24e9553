"""Which packages a base image is made of, exactly, as ``base-images/<name>/lock.json`` has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from builder.base.definition import BaseDefinition
from builder.base.model import LockedDeb
from builder.base.repository import SuiteFacts
from builder.errors import BaseImageError
from builder.host.aside import replacing
from builder.oci.canonical import canonical_json, readable_json
from builder.oci.digest import Digest
from builder.oci.platform import Platform

LOCK_VERSION = 1
TREE_VERSION = 1
"""Moves when, and only when, the same packages and definition would give another tree."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedDebs:
    """The packages of a base on one platform, by name, and the glibc among them."""

    platform: Platform
    glibc: tuple[int, int]
    debs: tuple[LockedDeb, ...]

    @property
    def versions(self) -> dict[str, str]:
        """Version by package name."""
        return {deb.name: deb.version for deb in self.debs}


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseLock:
    """A base image with every package chosen.

    ``digest`` names what the image will hold: the definition, the packages and the version of the rules that make
    a tree of them. When the suites were read, and from where, is not part of it.
    """

    name: str
    python: str
    definition: Digest
    suites: tuple[SuiteFacts, ...]
    platforms: tuple[LockedDebs, ...]

    def on(self, platform: Platform) -> LockedDebs:
        """Return the packages for one platform; a BaseImageError names the platforms there are."""
        for candidate in self.platforms:
            if candidate.platform == platform:
                return candidate
        raise BaseImageError.of(
            f"base {self.name} is not locked for {platform}",
            want=" or ".join(str(candidate.platform) for candidate in self.platforms),
            got=str(platform),
        )

    @property
    def digest(self) -> Digest:
        """The deep digest."""
        return Digest.of(
            canonical_json(
                {
                    "tree_version": TREE_VERSION,
                    "definition": self.definition.hex,
                    "python": self.python,
                    "debs": {str(one.platform): [deb.digest.hex for deb in one.debs] for one in self.platforms},
                }
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``from_dict`` is its inverse."""
        return {
            "lock_version": LOCK_VERSION,
            "name": self.name,
            "python": self.python,
            "definition": self.definition.hex,
            "suites": [facts.to_dict() for facts in self.suites],
            "platforms": {
                str(one.platform): {
                    "glibc": f"{one.glibc[0]}.{one.glibc[1]}",
                    "debs": [deb.to_dict() for deb in one.debs],
                }
                for one in self.platforms
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form; anything missing or malformed is a KeyError, TypeError or ValueError."""
        if data["lock_version"] != LOCK_VERSION:
            msg = f"lock_version {data['lock_version']} is not {LOCK_VERSION}"
            raise ValueError(msg)
        platforms = []
        for name, held in sorted(data["platforms"].items()):
            major, minor = held["glibc"].split(".")
            debs = tuple(LockedDeb.from_dict(deb) for deb in held["debs"])
            platforms.append(LockedDebs(platform=Platform.parse(name), glibc=(int(major), int(minor)), debs=debs))
        return cls(
            name=data["name"],
            python=data["python"],
            definition=Digest(data["definition"]),
            suites=tuple(SuiteFacts.from_dict(facts) for facts in data["suites"]),
            platforms=tuple(platforms),
        )


def read_lock(definition: BaseDefinition, path: Path) -> BaseLock:
    """Read a base's lock. A missing, malformed or outdated one is a BaseImageError whose remedy is to lock it."""
    hint = f"run `kiln base lock {definition.name}`"
    try:
        lock = BaseLock.from_dict(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise BaseImageError.of(f"base {definition.name} has no lock", at=str(path), hint=hint) from error
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BaseImageError.of(f"the base's lock cannot be read: {error!r}", at=str(path), hint=hint) from error
    if lock.definition != definition.digest:
        raise BaseImageError.of(
            f"the definition of base {definition.name} was changed after it was locked",
            at=str(path),
            want=definition.digest.hex,
            got=lock.definition.hex,
            hint=hint,
        )
    return lock


def write_lock(lock: BaseLock, path: Path) -> None:
    """Write a lock aside and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as aside:
        aside.write_text(readable_json(lock.to_dict()), encoding="utf-8")

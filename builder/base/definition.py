"""What a base image is made of, as written in ``base-images/<name>/definition.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from builder.base.mirrors import MAIN, SECURITY
from builder.base.resolve import Cut
from builder.errors import BaseImageError, Fault
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.platform import Platform

_TEXT = {"type": "string", "minLength": 1}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["distribution", "suites", "components", "platforms", "python", "interpreter", "packages"],
    "properties": {
        "description": _TEXT,
        "distribution": {"const": "debian"},
        "suites": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["suite", "archive"],
                "properties": {"suite": _TEXT, "archive": {"enum": [MAIN, SECURITY]}},
            },
        },
        "components": {"type": "array", "minItems": 1, "items": _TEXT},
        "platforms": {"type": "array", "minItems": 1, "items": {"enum": ["linux/amd64", "linux/arm64"]}},
        "python": {"type": "string", "pattern": r"^3\.\d+$"},
        "interpreter": {"type": "string", "pattern": "^/usr/bin/"},
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
        "packages": {"type": "array", "minItems": 1, "uniqueItems": True, "items": _TEXT},
        "cut": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["package", "needed_by", "reason"],
                "properties": {"package": _TEXT, "needed_by": _TEXT, "reason": _TEXT},
            },
        },
        "remove": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["paths", "reason"],
                "properties": {
                    "paths": {"type": "array", "minItems": 1, "items": _TEXT},
                    "keep": {"type": "array", "items": _TEXT},
                    "reason": _TEXT,
                },
            },
        },
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """A suite and the archive that holds it."""

    suite: str
    archive: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """Paths of packages that are left out, each a glob as ``fnmatch`` has it, except those that ``keep`` matches."""

    paths: tuple[str, ...]
    reason: str
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseDefinition:
    """A base image before any version is chosen. Suites are in order of preference among equal versions."""

    name: str
    distribution: str
    suites: tuple[Suite, ...]
    components: tuple[str, ...]
    platforms: tuple[Platform, ...]
    python: str
    interpreter: str
    env: tuple[tuple[str, str], ...]
    packages: tuple[str, ...]
    cuts: tuple[Cut, ...] = ()
    removals: tuple[Removal, ...] = ()

    @property
    def digest(self) -> Digest:
        """The digest of all that decides what the image holds; reasons and order of mention do not."""
        return Digest.of(
            canonical_json(
                {
                    "distribution": self.distribution,
                    "suites": [[suite.suite, suite.archive] for suite in self.suites],
                    "components": sorted(self.components),
                    "platforms": sorted(str(platform) for platform in self.platforms),
                    "python": self.python,
                    "interpreter": self.interpreter,
                    "env": [list(pair) for pair in self.env],
                    "packages": sorted(self.packages),
                    "cut": sorted([cut.package, cut.needed_by] for cut in self.cuts),
                    "remove": sorted([sorted(removal.paths), sorted(removal.keep)] for removal in self.removals),
                }
            )
        )


def read_definition(name: str, path: Path) -> BaseDefinition:
    """Read a definition; all that is wrong with it is one BaseImageError."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BaseImageError.of(f"the base's definition cannot be read: {error}", at=str(path)) from error
    errors = jsonschema.Draft202012Validator(SCHEMA).iter_errors(data)
    faults = [
        Fault(
            fact=f"the base's definition is not valid: {error.message}",
            at=f"{path}: {'.'.join(str(part) for part in error.absolute_path) or 'top level'}",
            got=repr(error.instance)[:200] if error.absolute_path else None,
        )
        for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path])
    ]
    if faults:
        raise BaseImageError(faults)
    return _definition(name, data)


def _definition(name: str, data: Mapping[str, Any]) -> BaseDefinition:
    return BaseDefinition(
        name=name,
        distribution=data["distribution"],
        suites=tuple(Suite(suite=suite["suite"], archive=suite["archive"]) for suite in data["suites"]),
        components=tuple(data["components"]),
        platforms=tuple(sorted(Platform.parse(platform) for platform in data["platforms"])),
        python=data["python"],
        interpreter=data["interpreter"],
        env=tuple(data.get("env", {}).items()),
        packages=tuple(data["packages"]),
        cuts=tuple(Cut(**cut) for cut in data.get("cut", ())),
        removals=tuple(
            Removal(paths=tuple(rule["paths"]), keep=tuple(rule.get("keep", ())), reason=rule["reason"])
            for rule in data.get("remove", ())
        ),
    )

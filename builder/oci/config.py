"""The image configuration, whose digest is the image ID (image-spec, config.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.platform import Platform

NANOSECONDS = 1_000_000_000


def rfc3339(epoch: int) -> str:
    """Return seconds since 1970 as the UTC text the specifications use."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name, value


@dataclass(frozen=True, kw_only=True, slots=True)
class Healthcheck:
    """Docker's HEALTHCHECK; times are whole seconds. OCI readers ignore it, as the specification asks."""

    test: tuple[str, ...]
    interval: int
    timeout: int
    start_period: int
    retries: int

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form Docker uses, with times in nanoseconds."""
        return {
            "Test": list(self.test),
            "Interval": self.interval * NANOSECONDS,
            "Timeout": self.timeout * NANOSECONDS,
            "StartPeriod": self.start_period * NANOSECONDS,
            "Retries": self.retries,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """One line of an image's history."""

    created_by: str
    empty_layer: bool = False
    comment: str = ""

    def to_dict(self, created: int) -> dict[str, Any]:
        """Return the JSON form; every line carries the image's own creation time."""
        out: dict[str, Any] = {"created": rfc3339(created), "created_by": self.created_by}
        if self.comment:
            out["comment"] = self.comment
        if self.empty_layer:
            out["empty_layer"] = True
        return out


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageConfig:
    """What an engine needs to run the image, and the diff_ids of its layers from the bottom up.

    ``encode`` gives the same bytes for equal values everywhere; their digest is the image ID, in the Docker and in
    the OCI dialect alike.
    """

    platform: Platform
    created: int
    user: str = ""
    env: tuple[tuple[str, str], ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = "/"
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = "SIGTERM"
    labels: Mapping[str, str] = field(default_factory=dict)
    healthcheck: Healthcheck | None = None
    author: str = ""
    diff_ids: tuple[Digest, ...] = ()
    history: tuple[History, ...] = ()

    def with_layers(self, diff_ids: tuple[Digest, ...]) -> Self:
        """Return the configuration with its layers filled in."""
        return replace(self, diff_ids=diff_ids)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of image-spec config.md; empty fields are left out."""
        run: dict[str, Any] = {
            "User": self.user,
            "Env": [f"{name}={value}" for name, value in self.env],
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "WorkingDir": self.working_dir,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Volumes": {volume: {} for volume in self.volumes},
            "StopSignal": self.stop_signal,
            "Labels": dict(self.labels),
        }
        run = {key: value for key, value in run.items() if value}
        if self.healthcheck:
            run["Healthcheck"] = self.healthcheck.to_dict()
        out: dict[str, Any] = {
            "architecture": self.platform.architecture,
            "os": self.platform.os,
            "created": rfc3339(self.created),
            "config": run,
            "rootfs": {"type": "layers", "diff_ids": [str(digest) for digest in self.diff_ids]},
            "history": [line.to_dict(self.created) for line in self.history],
        }
        if self.author:
            out["author"] = self.author
        return out

    def encode(self) -> bytes:
        """Return the configuration as canonical JSON."""
        return canonical_json(self.to_dict())

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read a configuration that ``encode`` wrote. Any other, which would change by it, is a ValueError."""
        try:
            config = cls._from_dict(json.loads(content))
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"not an image configuration: {error!r}"
            raise ValueError(msg) from error
        if config.encode() != content:
            msg = "the image configuration holds what kiln does not write"
            raise ValueError(msg)
        return config

    @classmethod
    def _from_dict(cls, data: Mapping[str, Any]) -> Self:
        run = data["config"]
        check = run.get("Healthcheck")
        return cls(
            platform=Platform(data["os"], data["architecture"]),
            created=int(datetime.fromisoformat(data["created"]).timestamp()),
            author=data.get("author", ""),
            user=run.get("User", ""),
            env=tuple(_pair(line) for line in run.get("Env", ())),
            entrypoint=tuple(run.get("Entrypoint", ())),
            cmd=tuple(run.get("Cmd", ())),
            working_dir=run.get("WorkingDir", ""),
            exposed_ports=tuple(run.get("ExposedPorts", ())),
            volumes=tuple(run.get("Volumes", ())),
            stop_signal=run.get("StopSignal", ""),
            labels=run.get("Labels", {}),
            healthcheck=Healthcheck(
                test=tuple(check["Test"]),
                interval=check["Interval"] // NANOSECONDS,
                timeout=check["Timeout"] // NANOSECONDS,
                start_period=check["StartPeriod"] // NANOSECONDS,
                retries=check["Retries"],
            )
            if check
            else None,
            diff_ids=tuple(Digest.parse(text) for text in data["rootfs"]["diff_ids"]),
            history=tuple(
                History(
                    created_by=line["created_by"],
                    empty_layer=line.get("empty_layer", False),
                    comment=line.get("comment", ""),
                )
                for line in data["history"]
            ),
        )

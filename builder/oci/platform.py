"""A platform an image runs on (image-spec, image-index.md § "platform")."""

from __future__ import annotations

import platform as host_platform
from dataclasses import dataclass
from typing import Self

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """An operating system and architecture. Only Linux on amd64 and arm64 is built for."""

    os: str
    architecture: str

    def __post_init__(self) -> None:
        if self.os != "linux" or self.architecture not in _MACHINES:
            msg = f"not a supported platform: {self.os}/{self.architecture}"
            raise ValueError(msg)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``linux/amd64`` or ``linux/arm64`` (``linux/arm64/v8`` is the same); else a ValueError."""
        os_name, _, architecture = text.partition("/")
        return cls(os_name, "arm64" if architecture == "arm64/v8" else architecture)

    @classmethod
    def host(cls) -> Self | None:
        """Return the platform whose programs this machine runs, or None where it is not one of ours."""
        machine = host_platform.machine()
        for architecture, name in _MACHINES.items():
            if name == machine and host_platform.system() == "Linux":
                return cls("linux", architecture)
        return None

    @property
    def machine(self) -> str:
        """The name the kernel and wheels use: ``x86_64`` or ``aarch64``."""
        return _MACHINES[self.architecture]

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"

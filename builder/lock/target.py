"""What wheels are chosen for: a Python, a platform and its C library, whatever machine this is."""

from __future__ import annotations

import platform as host_platform
import sys
from dataclasses import dataclass

from packaging.markers import Marker

from builder.base.model import LockedBase
from builder.oci.platform import Platform

_LEGACY = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_OLDEST = {"amd64": (2, 5), "arm64": (2, 17)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A CPython on Linux with glibc. ``python`` is a minor version (``3.11``) or an exact one (``3.11.2``)."""

    python: str
    platform: Platform
    glibc: tuple[int, int]

    @classmethod
    def of_base(cls, base: LockedBase, platform: Platform, *, python: str | None = None) -> Target:
        """Return what a base image runs on one platform; KeyError when the base is not locked for it.

        ``python`` is the base's exact version, where it is known: a lock holds the minor one only.
        """
        return cls(python=python or base.python, platform=platform, glibc=base.on(platform).glibc)

    @property
    def minor(self) -> str:
        """The minor version: ``3.11``."""
        return ".".join(self.python.split(".")[:2])

    @property
    def release(self) -> str:
        """The exact version; of a minor version, its first patch release: what runs on that runs on all of them."""
        return self.python if self.python.count(".") > 1 else f"{self.python}.0"

    @property
    def abi(self) -> str:
        """The ABI tag of the interpreter: ``cp311``."""
        return "cp" + self.minor.replace(".", "")

    def platform_tags(self) -> tuple[str, ...]:
        """Return the platform tags it can run, best first, as an interpreter there would list them (PEP 600)."""
        machine = self.platform.machine
        oldest = _OLDEST[self.platform.architecture]
        tags: list[str] = []
        for minor in range(self.glibc[1], oldest[1] - 1, -1):
            tags.append(f"manylinux_2_{minor}_{machine}")
            if legacy := _LEGACY.get((2, minor)):
                tags.append(f"{legacy}_{machine}")
        return (f"linux_{machine}", *tags)

    def environment(self) -> dict[str, str]:
        """Return the values of environment markers there (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.release,
            "os_name": "posix",
            "platform_machine": self.platform.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.release,
            "python_version": self.minor,
            "sys_platform": "linux",
        }

    def satisfies(self, marker: Marker | None, *, extra: str = "") -> bool:
        """True when the marker holds there, and for None."""
        return marker is None or marker.evaluate({**self.environment(), "extra": extra})

    def is_host(self) -> bool:
        """True when the target can load what this interpreter can: same minor CPython, machine, and no newer glibc.

        Patch releases may differ: what was chosen is held to the target's afterwards.
        """
        if sys.implementation.name != "cpython" or Platform.host() != self.platform:
            return False
        if f"{sys.version_info.major}.{sys.version_info.minor}" != self.minor:
            return False
        library, version = host_platform.libc_ver()
        if library != "glibc":
            return False
        major, minor, *_ = (int(part) for part in version.split("."))
        return (major, minor) <= self.glibc

    def __str__(self) -> str:
        return f"Python {self.python} on {self.platform} (glibc {self.glibc[0]}.{self.glibc[1]})"

"""What must be known of a foreign base image, read from its unpacked tree; nothing of it is run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BaseImageError, Fault

_PREFIXES = ("usr/local/bin", "usr/bin", "opt/python/bin")
_GLIBC = re.compile(rb"GNU C Library [^\n]*version (\d+)\.(\d+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseFacts:
    """Where the interpreter is, and which manylinux wheels the base can run."""

    interpreter: str
    glibc: tuple[int, int]


def inspect_tree(root: Path, *, python: str, at: str) -> BaseFacts:
    """Find the interpreter (a regular file) and the version of glibc below ``root``.

    A base without Python of this minor version, or without glibc, is a BaseImageError naming both where both lack.
    """
    interpreter = _interpreter(root, python)
    glibc = _glibc(root)
    faults = []
    if interpreter is None:
        faults.append(
            Fault(
                fact=f"base image has no Python {python}",
                at=at,
                want=" or ".join(f"/{prefix}/python{python}" for prefix in _PREFIXES[:2]),
                got=", ".join(_pythons(root)) or "no Python",
            )
        )
    if glibc is None:
        faults.append(
            Fault(fact="base image has no glibc, which wheels need", at=at, want="glibc", got=_libc(root) or "none")
        )
    if interpreter is None or glibc is None:
        raise BaseImageError(faults, hint="name a base with that Python on Debian, Ubuntu, or another glibc system")
    return BaseFacts(interpreter=interpreter, glibc=glibc)


def _interpreter(root: Path, python: str) -> str | None:
    for prefix in _PREFIXES:
        path = root / prefix / f"python{python}"
        if path.is_file() and not path.is_symlink():
            return f"/{prefix}/python{python}"
    return None


def _pythons(root: Path) -> list[str]:
    return sorted(
        f"/{path.relative_to(root)}"
        for prefix in _PREFIXES
        for path in (root / prefix).glob("python3.*")
        if re.fullmatch(r"python3\.\d+", path.name)
    )


def _glibc(root: Path) -> tuple[int, int] | None:
    """Read the version out of the library's own banner; debug symbols and symlinked folders do not mislead it."""
    for pattern in (
        "lib/*-linux-gnu/libc.so.6",
        "usr/lib/*-linux-gnu/libc.so.6",
        "lib64/libc.so.6",
        "usr/lib64/libc.so.6",
    ):
        for path in sorted(root.glob(pattern)):
            found = _GLIBC.search(path.read_bytes()) if path.is_file() else None
            if found:
                return int(found[1]), int(found[2])
    return None


def _libc(root: Path) -> str | None:
    return "musl" if any((root / "lib").glob("ld-musl-*")) else None

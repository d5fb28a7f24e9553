"""The training environment's freeze against the lock: which differences matter to what is loaded and imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from builder.bundle.inventory import Memory
from builder.check.trees import parse_source


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Difference:
    """One distribution that was another when the model was trained."""

    name: str
    trained: str
    served: str
    line: int
    is_minor: bool
    """The major or minor version differs, not only what comes after."""


_LARGEST = 4 << 20
_EDITABLE = re.compile(r"\s*(?:-|#|\Z)")


def read_freeze(path: Path, memory: Memory | None = None) -> dict[str, tuple[str, int]]:
    """Return the pinned version and the line of each distribution of ``pip freeze``; what is no pin is left out.

    ``memory`` keeps what was read of the same text.
    """
    try:
        content = path.read_bytes()[:_LARGEST].decode("utf-8-sig", "replace")
    except OSError:
        return {}
    key = ["freeze", content]
    known: Any = memory.get(key) if memory else None
    if known is None:
        known = _read_pins(content)
        if memory:
            memory.put(key, known)
    return {name: (version, line) for name, (version, line) in known.items()}


def _read_pins(content: str) -> dict[str, tuple[str, int]]:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - only for a text that is new
    from packaging.utils import canonicalize_name  # noqa: PLC0415

    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if _EDITABLE.match(line):
            continue
        try:
            requirement = Requirement(line.partition(" #")[0].strip())
        except InvalidRequirement:
            continue
        pins = [clause.version for clause in requirement.specifier if clause.operator in ("==", "===")]
        if len(pins) == 1:
            found[canonicalize_name(requirement.name)] = (pins[0], number)
    return found


def find_differences(trained: Mapping[str, tuple[str, int]], locked: Mapping[str, str]) -> list[Difference]:
    """Return what is in both and is not the same version, sorted by name."""
    found = []
    for name, (version, line) in trained.items():
        served = locked.get(name)
        if served is None or _same(version, served):
            continue
        found.append(
            Difference(name=name, trained=version, served=served, line=line, is_minor=_minor(version) != _minor(served))
        )
    return sorted(found)


def imported_roots(sources: Iterable[bytes]) -> set[str]:
    """Return the top-level names that source files import."""
    found: set[str] = set()
    for source in sources:
        try:
            tree = parse_source(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


def _same(one: str, other: str) -> bool:
    try:
        return Version(one).public == Version(other).public
    except InvalidVersion:
        return one == other


def _minor(version: str) -> object:
    try:
        parsed = Version(version)
    except InvalidVersion:
        return version
    return (parsed.epoch, parsed.major, parsed.minor)

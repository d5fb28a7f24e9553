"""The values of a YAML file, as plain data that remembers where it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KeyPath = tuple[str | int, ...]
"""Where a value is: mapping keys and list indexes from the root."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value stands, from 1, and for a scalar how it is spelled."""

    line: int
    column: int
    text: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """The values of a YAML file. ``value`` holds only what JSON has: dict, list, str, int, float, bool and None."""

    name: str
    """The file's name as faults show it."""
    value: Any
    marks: Mapping[KeyPath, Mark] = field(repr=False)

    def at(self, path: KeyPath) -> str:
        """Return ``file:line key.path`` of a value, or of the closest thing around it that is there."""
        place = f"{self.name}:{self.line(path)}"
        return f"{place} {show_path(path)}" if path else place

    def line(self, path: KeyPath) -> int:
        """Return the line a value stands on, or that of the closest thing around it that is there."""
        return self.position(path)[0]

    def position(self, path: KeyPath) -> tuple[int, int]:
        """Return the line and column a value stands at, or those of the closest thing around it that is there."""
        while path and path not in self.marks:
            path = path[:-1]
        mark = self.marks.get(path)
        return (mark.line, mark.column) if mark else (1, 1)

    def spelled(self, path: KeyPath) -> str | None:
        """Return how a scalar is written, which ``3.10`` needs: its value is 3.1."""
        mark = self.marks.get(path)
        return mark.text if mark else None


def show_path(path: KeyPath) -> str:
    """Return a key path as people write it: ``smoke[0].expect.status``."""
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part}]"
        elif _PLAIN_KEY.match(part):
            out += f".{part}" if out else part
        else:
            out += f'["{part}"]'
    return out

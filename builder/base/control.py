"""Control paragraphs and dependency fields of Debian packages (Debian Policy chapters 5 and 7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from builder.base.version import DebVersion

Paragraph = dict[str, str]

_RELATION = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*"
    r"(?:\(\s*(?P<operator><<|<=|=|>=|>>)\s*(?P<version>[^\s)]+)\s*\))?\Z"
)


def read_paragraphs(lines: Iterable[str]) -> Iterator[Paragraph]:
    """Yield the paragraphs of a control file; continuation lines keep their newline and leading space.

    A line that is neither a field nor a continuation is a ValueError that quotes it.
    """
    paragraph: Paragraph = {}
    name = ""
    for raw in lines:
        line = raw.rstrip("\r\n")
        if not line.strip():
            if paragraph:
                yield paragraph
            paragraph, name = {}, ""
        elif line[0] in " \t":
            if not name:
                msg = f"continuation without a field: {line!r}"
                raise ValueError(msg)
            paragraph[name] += f"\n{line}"
        elif not line.startswith("#"):
            name, colon, value = line.partition(":")
            if not colon:
                msg = f"not a control field: {line[:80]!r}"
                raise ValueError(msg)
            paragraph[name] = value.strip()
    if paragraph:
        yield paragraph


@dataclass(frozen=True, slots=True)
class Relation:
    """A package name, perhaps with a bound on its version."""

    name: str
    operator: str = ""
    version: str = ""

    @classmethod
    def parse(cls, text: str) -> Relation:
        """Read ``name``, ``name:any`` or ``name (>= 1.0)``; anything else is a ValueError."""
        found = _RELATION.match(text.strip())
        if not found:
            msg = f"not a package relation: {text!r}"
            raise ValueError(msg)
        return cls(found["name"], found["operator"] or "", found["version"] or "")

    def allows(self, version: str) -> bool:
        """True when a package of this name at ``version`` satisfies the bound."""
        if not self.operator:
            return True
        have, bound = DebVersion.parse(version), DebVersion.parse(self.version)
        match self.operator:
            case "<<":
                return have < bound
            case "<=":
                return have <= bound
            case ">=":
                return have >= bound
            case ">>":
                return have > bound
            case _:
                return have == bound

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name


Alternatives = tuple[Relation, ...]


def read_relations(value: str) -> tuple[Alternatives, ...]:
    """Read ``a | b, c (>= 1)``: all of the groups, any one of each."""
    return tuple(tuple(Relation.parse(one) for one in group.split("|")) for group in value.split(",") if group.strip())

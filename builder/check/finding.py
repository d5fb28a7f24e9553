"""A finding: what is wrong, where, why it matters and what to do; and the rule it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad it is. An error breaks the deployment and stops a build; a note stops nothing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A rule with its own documentation. ``id`` is ``KILN`` and three digits and never changes its meaning."""

    id: str
    name: str
    """Kebab case, such as ``missing-import``."""
    level: Level
    """Unless the bundle says otherwise."""
    summary: str
    """One sentence: what is found."""
    why: str
    """What happens in production when it is ignored."""
    remedy: str
    """What to do, in general; a finding says it in particular."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Place:
    """Where: a path relative to the bundle with ``/``, and a line and column counted from 1 where they are known.

    ``detail`` is what a line cannot say: a key path, a pickle's opcode offset, a member of an archive.
    """

    path: str
    line: int | None = None
    column: int | None = None
    detail: str | None = None

    def __str__(self) -> str:
        position = "".join(f":{number}" for number in (self.line, self.column) if number is not None)
        return f"{self.path}{position}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing a rule found."""

    rule: Rule
    place: Place
    message: str
    """The fact, lower case, no full stop."""
    remedy: str
    """What to do about exactly this."""
    level: Level | None = None
    """Set when it is not the rule's own: by the rule for this finding, or by the bundle."""

    @property
    def severity(self) -> Level:
        """How bad this finding is."""
        return self.level or self.rule.level

    def to_dict(self) -> dict[str, Any]:
        """Return the form shown by ``kiln check --json``."""
        return {
            "rule": self.rule.id,
            "name": self.rule.name,
            "level": str(self.severity),
            "message": self.message,
            "path": self.place.path,
            "line": self.place.line,
            "column": self.place.column,
            "detail": self.place.detail,
            "why": self.rule.why,
            "remedy": self.remedy,
        }

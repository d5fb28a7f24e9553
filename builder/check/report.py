"""What a check found, as values, as JSON and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder.check.finding import Finding, Level
from builder.errors import CheckFailedError, Fault

_COLOURS = {Level.ERROR: "31", Level.WARNING: "33", Level.NOTE: "36"}


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckReport:
    """Every finding, the worst first; what was not checked and why; and what the bundle switched off, with reasons."""

    bundle: str
    """Name and version."""
    findings: tuple[Finding, ...]
    left_out: tuple[str, ...] = ()
    silenced: tuple[tuple[Finding, str], ...] = ()
    """Findings the bundle turned off, each with its reason."""

    def count(self, level: Level) -> int:
        """Return how many findings are of a level."""
        return sum(finding.severity is level for finding in self.findings)

    def passed(self, *, strict: bool = False) -> bool:
        """Tell whether nothing stands against a build; ``strict`` lets warnings stand against it too."""
        return not self.count(Level.ERROR) and not (strict and self.count(Level.WARNING))

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are warnings."""
        return tuple(finding for finding in self.findings if finding.severity is Level.WARNING)

    @property
    def summary(self) -> str:
        """The counts in a few words: ``1 error, 2 warnings, no notes``."""
        parts = []
        for level in Level:
            number = self.count(level)
            parts.append(f"{number or 'no'} {level}{'' if number == 1 else 's'}")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the form shown by ``kiln check --json``."""
        return {
            "bundle": self.bundle,
            "passed": self.passed(),
            "counts": {str(level): self.count(level) for level in Level},
            "findings": [finding.to_dict() for finding in self.findings],
            "left_out": list(self.left_out),
            "silenced": [finding.to_dict() | {"reason": reason} for finding, reason in self.silenced],
        }

    def to_text(self, *, colour: bool = False) -> str:
        """Return every finding as a block of text; empty when there is none. Why it matters is said once per rule."""
        told: set[str] = set()
        blocks = []
        for finding in self.findings:
            blocks.append("\n".join(_block(finding, says_why=finding.rule.id not in told, colour=colour)))
            told.add(finding.rule.id)
        return "\n\n".join(blocks)


def failure(report: CheckReport) -> CheckFailedError:
    """Return the error that stops a build: every error found, as a fault."""
    rules = Counter(finding.rule.id for finding in report.findings if finding.severity is Level.ERROR)
    return CheckFailedError(
        [
            Fault(
                fact=f"{finding.message} ({finding.rule.id} {finding.rule.name})",
                at=str(finding.place),
                fix=finding.remedy,
            )
            for finding in report.findings
            if finding.severity is Level.ERROR
        ],
        hint=f"docs/reference/rules.md describes {', '.join(sorted(rules))}; `kiln check` shows all findings",
    )


def _block(finding: Finding, *, says_why: bool, colour: bool) -> Iterator[str]:
    level = str(finding.severity)
    if colour:
        level = f"\x1b[{_COLOURS[finding.severity]}m{level}\x1b[0m"
    yield f"{level} {finding.rule.id} {finding.rule.name}: {finding.message}"
    yield f"  at   {finding.place}"
    if says_why:
        yield f"  why  {finding.rule.why}"
    yield f"  fix  {finding.remedy}"

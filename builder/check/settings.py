"""What the bundle says about rules: another level, or off, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from builder.bundle.model import CheckSetting
from builder.check.finding import Finding, Level, Rule
from builder.check.places import yaml_place
from builder.check.subject import Subject

UNKNOWN_RULE = Rule(
    id="KILN001",
    name="unknown-rule",
    level=Level.ERROR,
    summary="A rule whose level bundle.yaml sets does not exist.",
    why="The rule it was meant for still has its usual level, and nobody would notice.",
    remedy="Name a rule by its ID, as this page lists them.",
)

RULES: tuple[Rule, ...] = (UNKNOWN_RULE,)


def find_settings(subject: Subject, known: Mapping[str, Rule]) -> Iterable[Finding]:
    """Find settings of rules that do not exist."""
    for index, setting in enumerate(subject.bundle.checks):
        if setting.rule in known:
            continue
        yield Finding(
            rule=UNKNOWN_RULE,
            place=yaml_place(subject.bundle.root, "check", index, "rule"),
            message=f"there is no rule {setting.rule}",
            remedy="look its ID up in docs/reference/rules.md, or take the entry out",
        )


def apply_settings(
    findings: Iterable[Finding], settings: Iterable[CheckSetting]
) -> tuple[list[Finding], list[tuple[Finding, str]]]:
    """Return the findings at the levels the bundle gives them, and those it turned off, with the reasons.

    The last setting that names a finding's rule, and its path if the setting has one, decides.
    """
    kept: list[Finding] = []
    silenced: list[tuple[Finding, str]] = []
    ordered = tuple(settings)
    for finding in findings:
        deciding = None
        for setting in ordered:
            if setting.rule == finding.rule.id and _fits(finding.place.path, setting.path):
                deciding = setting
        if deciding is None or finding.rule is UNKNOWN_RULE:
            kept.append(finding)
        elif deciding.level == "off":
            silenced.append((finding, deciding.reason))
        else:
            kept.append(replace(finding, level=Level(deciding.level)))
    return kept, silenced


def _fits(path: str, pattern: str | None) -> bool:
    return pattern is None or fnmatchcase(path, pattern)

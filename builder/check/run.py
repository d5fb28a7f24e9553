"""Applies every rule to a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from builder.check import settings
from builder.check.finding import Finding, Level
from builder.check.report import CheckReport
from builder.check.rules import GROUPS, OF_THE_BUNDLE_ALONE, RULES, Group, Groups
from builder.check.subject import Subject

_ORDER = {level: number for number, level in enumerate(Level)}


def check(
    subjects: Sequence[Subject],
    *,
    left_out: Iterable[str] = (),
    groups: Groups = GROUPS,
) -> CheckReport:
    """Apply the rules to one bundle on each of its platforms and return what they found, the worst first.

    ``subjects`` are of the same bundle; a finding that several platforms share is told once. Nothing of the bundle
    is imported, unpickled or run. Their ``verdicts`` hold for which bundles a group found nothing.
    """
    found: dict[Finding, None] = {}
    for subject in subjects:
        found |= dict.fromkeys(settings.find_settings(subject, RULES))
        for _, find in groups:
            found |= dict.fromkeys(_found(find, subject))
    bundle = subjects[0].bundle
    kept, silenced = settings.apply_settings(found, bundle.checks)
    return CheckReport(
        bundle=f"{bundle.name} {bundle.version}",
        findings=tuple(sorted(kept, key=_key)),
        left_out=tuple(dict.fromkeys(left_out)),
        silenced=tuple(sorted(silenced, key=lambda pair: _key(pair[0]))),
    )


def _found(find: Group, subject: Subject) -> Iterable[Finding]:
    """Apply one group, unless it is known to find nothing."""
    verdicts = subject.verdicts
    if verdicts is None or find not in OF_THE_BUNDLE_ALONE:
        return find(subject)
    key = [find.__name__, repr(subject.bundle)]
    if verdicts.get(key) is True:
        return ()
    found = tuple(find(subject))
    if not found:
        verdicts.put(key, value=True)
    return found


def _key(finding: Finding) -> tuple[int, str, str, int, int, str]:
    place = finding.place
    return (
        _ORDER[finding.severity],
        finding.rule.id,
        place.path,
        place.line or 0,
        place.column or 0,
        finding.message,
    )

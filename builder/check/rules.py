"""Every rule there is, in the order of their IDs, and the function that applies each group."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from builder.check.finding import Finding, Rule
from builder.check.subject import Subject

Group = Callable[[Subject], Iterable[Finding]]

GROUPS: tuple[tuple[tuple[Rule, ...], Group], ...] = ()
"""Rules that are found together, and the function that finds them."""

RULES: dict[str, Rule] = {rule.id: rule for rules, _ in GROUPS for rule in rules}

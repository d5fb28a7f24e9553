"""Every rule there is, in the order of their IDs, and the function that applies each group."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from builder.check import (
    artifact_rules,
    contract,
    imports,
    libraries,
    paths,
    pickles,
    safe_loading,
    samples,
    secrets,
    served_models,
    settings,
    weight,
)
from builder.check.finding import Finding, Rule
from builder.check.subject import Subject

Group = Callable[[Subject], Iterable[Finding]]
Groups = tuple[tuple[tuple[Rule, ...], Group], ...]

GROUPS: Groups = (
    (imports.RULES, imports.find_imports),
    (libraries.RULES, libraries.find_libraries),
    (artifact_rules.RULES, artifact_rules.find_artifacts),
    (served_models.RULES, served_models.find_served),
    (safe_loading.RULES, safe_loading.find_refused),
    (pickles.RULES, pickles.find_pickles),
    (paths.RULES, paths.find_paths),
    (samples.RULES, samples.find_samples),
    (contract.RULES, contract.find_contract),
    (secrets.RULES, secrets.find_secrets),
    (weight.RULES, weight.find_weight),
)
"""Rules that are found together, and the function that finds them."""

RULES: dict[str, Rule] = {rule.id: rule for rule in (*settings.RULES, *(rule for rules, _ in GROUPS for rule in rules))}
"""Every rule by its ID."""

OF_THE_BUNDLE_ALONE = frozenset({samples.find_samples})
"""Functions that look at nothing but bundle.yaml and what it names: of equal bundles they find the same."""

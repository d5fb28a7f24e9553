from __future__ import annotations

from builder.bundle.misnamed import MISNAMED
from builder.check.distributions import likely_distribution


def test_names_that_are_imported_lead_to_the_same_distribution_everywhere() -> None:
    modules = {"pil": "PIL"}
    assert {name: likely_distribution(modules.get(name, name)) for name in MISNAMED} == dict(MISNAMED)

from __future__ import annotations

from builder.bundle.misnamed import MISNAMED
from builder.check.distributions import Likely, likely_distribution


def test_names_that_are_imported_lead_to_the_same_distribution_everywhere() -> None:
    modules = {"pil": "PIL"}
    likely = {name: likely_distribution(modules.get(name, name)) for name in MISNAMED}
    assert likely == {name: Likely(name=distribution, is_guess=False) for name, distribution in MISNAMED.items()}

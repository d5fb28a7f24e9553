"""The columns the model was trained on; training and scoring both make them here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

NUMERIC = ["tenure_months", "monthly_charge", "support_calls", "data_gb", "calls_per_year"]
CATEGORICAL = ["contract", "payment_method", "has_fiber"]


def frame(records: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Return one row for each subscriber, with what is derived from the rest."""
    table = pd.DataFrame.from_records(list(records))
    table["has_fiber"] = table["has_fiber"].map({True: "yes", False: "no"})
    table["calls_per_year"] = table["support_calls"] / (table["tenure_months"].clip(lower=1) / 12).clip(lower=1)
    return table[NUMERIC + CATEGORICAL]

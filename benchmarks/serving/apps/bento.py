"""BentoML: a service class, as its documentation begins; and one with its adaptive batching."""

from __future__ import annotations

import bentoml
import numpy as np
from features import NAMES, load_model
from pydantic import create_model

Record = create_model("Record", **dict.fromkeys(NAMES, (float, ...)))  # type: ignore[call-overload]


@bentoml.service
class Plain:
    def __init__(self) -> None:
        self.model = load_model()

    @bentoml.api
    def predict(self, record: Record) -> list[int]:  # type: ignore[valid-type]
        row = np.array([[getattr(record, name) for name in NAMES]])
        return self.model.predict(row).tolist()


@bentoml.service
class Batching:
    def __init__(self) -> None:
        self.model = load_model()

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=1000)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.model.predict(rows)

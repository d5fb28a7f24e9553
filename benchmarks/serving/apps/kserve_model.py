"""KServe: a custom predictor, as its documentation begins."""

from __future__ import annotations

from typing import Any

import kserve
import numpy as np
from features import NAMES, load_model


class Predictor(kserve.Model):
    def __init__(self) -> None:
        super().__init__("bench")
        self.model = load_model()
        self.ready = True

    def predict(self, payload: dict[str, Any], headers: Any = None, **_more: Any) -> dict[str, Any]:  # noqa: ARG002
        rows = np.array([[record[name] for name in NAMES] for record in payload["instances"]])
        return {"predictions": self.model.predict(rows).tolist()}


if __name__ == "__main__":
    kserve.ModelServer().start([Predictor()])

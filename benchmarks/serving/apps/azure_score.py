"""Azure ML's inference server: a scoring script with init and run."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from features import NAMES, load_model

model: Any = None


def init() -> None:
    global model  # noqa: PLW0603 - that is the contract
    model = load_model()


def run(data: str) -> dict[str, Any]:
    record = json.loads(data)
    return {"predictions": model.predict(np.array([[record[name] for name in NAMES]])).tolist()}

"""The app a careful person writes by hand: FastAPI, pydantic, an async endpoint straight to numpy."""

from __future__ import annotations

import numpy as np
from fastapi import FastAPI
from features import NAMES, load_model
from pydantic import create_model

Record = create_model("Record", **dict.fromkeys(NAMES, (float, ...)))  # type: ignore[call-overload]
app = FastAPI()
model = load_model()


@app.post("/predict")
async def predict(record: Record) -> dict[str, list[int]]:  # type: ignore[valid-type]
    row = np.array([[getattr(record, name) for name in NAMES]])
    return {"predictions": model.predict(row).tolist()}


@app.get("/ready")
async def ready() -> str:
    return "ready"

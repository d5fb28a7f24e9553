"""Scores subscribers in batches."""

from __future__ import annotations

from pathlib import Path

import joblib
from features import frame

THRESHOLD = 0.5


def load(model_dir):
    return joblib.load(Path(model_dir) / "churn.joblib")


def predict(model, records):
    probabilities = model.predict_proba(frame(records))[:, 1]
    return [
        {"label": "leaves" if probability >= THRESHOLD else "stays", "probability": float(probability)}
        for probability in probabilities
    ]

"""Save a model the way MLflow keeps it: ``python mlflow_model.py MODEL FOLDER``, with a signature from an example."""

from __future__ import annotations

import sys
from pathlib import Path

import joblib
import mlflow
import pandas as pd
from mlflow.models import infer_signature

TRUSTED = ["sklearn.tree._tree.Tree"]
NAMES = [f"feature_{number:02d}" for number in range(20)]

if __name__ == "__main__":
    model = joblib.load(Path(sys.argv[1]) / "model.joblib")
    example = pd.DataFrame([[number / 10 for number in range(20)]], columns=NAMES)
    signature = infer_signature(example, model.predict(example))
    mlflow.sklearn.save_model(model, sys.argv[2], signature=signature, pip_requirements=[], skops_trusted_types=TRUSTED)

"""Trains model/churn.joblib from data/; the same data and environment give the same bytes."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import joblib
import sklearn
from features import CATEGORICAL, NUMERIC, frame
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = Path(__file__).parent
SEED = 20260301


def read(name: str):
    with (HERE / "data" / name).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    records = [
        {
            "tenure_months": int(row["tenure_months"]),
            "monthly_charge": float(row["monthly_charge"]),
            "contract": row["contract"],
            "payment_method": row["payment_method"],
            "support_calls": int(row["support_calls"]),
            "data_gb": float(row["data_gb"]),
            "has_fiber": row["has_fiber"] == "true",
        }
        for row in rows
    ]
    return frame(records), [int(row["churned"]) for row in rows]


def main() -> None:
    features, churned = read("train.csv")
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), NUMERIC),
            ("words", OneHotEncoder(drop="if_binary", sparse_output=False), CATEGORICAL),
        ]
    )
    model = Pipeline([("columns", columns), ("classifier", LogisticRegression(C=1.0, max_iter=500, random_state=SEED))])
    model.fit(features, churned)

    held_out, truth = read("validation.csv")
    probabilities = model.predict_proba(held_out)[:, 1]
    print(f"scikit-learn {sklearn.__version__}")
    print(f"roc_auc: {roc_auc_score(truth, probabilities):.4f}")
    print(f"log_loss: {log_loss(truth, probabilities):.4f}")
    print(f"accuracy: {accuracy_score(truth, probabilities >= 0.5):.4f}")

    path = HERE / "model" / "churn.joblib"
    path.parent.mkdir(exist_ok=True)
    joblib.dump(model, path)
    print(f"model/churn.joblib: {path.stat().st_size} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()

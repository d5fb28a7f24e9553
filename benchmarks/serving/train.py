"""Train the two models every system serves: run by the Python of a benchmark environment, not by this project's.

    python train.py FOLDER

makes for ``lr`` (logistic regression) and ``rf`` (100 trees of depth 8) a folder with ``model.joblib``, fitted on a
data frame as most people do, and ``positional.joblib``, the same estimators without the names of their features, for
systems that feed arrays. ``sample.json`` holds one record and both models' predictions for it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

NAMES = [f"feature_{number:02d}" for number in range(20)]


def train(folder: Path) -> None:
    """Write everything into the folder."""
    generator = np.random.default_rng(7)
    values = generator.normal(size=(4000, len(NAMES))).round(4)
    weights = generator.normal(size=len(NAMES))
    labels = (values @ weights + generator.normal(scale=0.5, size=len(values)) > 0).astype(int)
    frame = pd.DataFrame(values, columns=NAMES)
    record = dict(zip(NAMES, values[0].tolist(), strict=True))
    sample: dict[str, object] = {"record": record, "row": list(record.values()), "predictions": {}}
    for name, estimator in {
        "lr": LogisticRegression(),
        "rf": RandomForestClassifier(n_estimators=100, max_depth=8, random_state=7),
    }.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        pipeline = Pipeline([("scale", StandardScaler()), ("model", estimator)]).fit(frame, labels)
        sample["predictions"] |= {name: pipeline.predict(frame[:1]).tolist()}  # type: ignore[operator]
        joblib.dump(pipeline, place / "model.joblib")
        for step in (pipeline, *pipeline.named_steps.values()):
            if "feature_names_in_" in vars(step):
                del step.feature_names_in_
        joblib.dump(pipeline, place / "positional.joblib")
    (folder / "sample.json").write_text(json.dumps(sample))


if __name__ == "__main__":
    train(Path(sys.argv[1]))

"""An Azure ML scoring script, as it is deployed there."""

import json
import logging
import os

import joblib

logger = logging.getLogger("triage")


def init():
    global model
    model_path = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "triage.joblib")
    model = joblib.load(model_path)
    logger.info("model loaded from %s", model_path)


def run(raw_data):
    tickets = json.loads(raw_data)["tickets"]
    texts = [f"{ticket['subject']}\n{ticket['body']}" for ticket in tickets]
    probabilities = model.predict_proba(texts)
    results = []
    for row in probabilities:
        best = row.argmax()
        results.append(
            {
                "queue": str(model.classes_[best]),
                "confidence": float(row[best]),
                "needs_a_person": bool(row[best] < 0.6),
            }
        )
    return {"results": results}

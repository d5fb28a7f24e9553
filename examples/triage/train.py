"""Trains model/triage.joblib from data/; the same data and environment give the same bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import joblib
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import Pipeline

HERE = Path(__file__).parent
SEED = 20260412


def read(name: str):
    lines = (HERE / "data" / name).read_text(encoding="utf-8").splitlines()
    tickets = [json.loads(line) for line in lines]
    return [f"{ticket['subject']}\n{ticket['body']}" for ticket in tickets], [ticket["queue"] for ticket in tickets]


def main() -> None:
    texts, queues = read("train.jsonl")
    model = Pipeline(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True, strip_accents="unicode")),
            ("classifier", LogisticRegression(C=4.0, max_iter=1000, random_state=SEED)),
        ]
    )
    model.fit(texts, queues)

    held_out, truth = read("validation.jsonl")
    answers = model.predict(held_out)
    print(f"scikit-learn {sklearn.__version__}")
    print(f"accuracy: {accuracy_score(truth, answers):.4f}")
    print(f"f1_macro: {f1_score(truth, answers, average='macro'):.4f}")

    del model["words"]._stop_words_id  # noqa: SLF001  # an address in memory, different in every run

    path = HERE / "model" / "triage.joblib"
    path.parent.mkdir(exist_ok=True)
    joblib.dump(model, path, compress=("zlib", 9))
    print(f"model/triage.joblib: {path.stat().st_size} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()

from __future__ import annotations

from pathlib import Path

import pytest

from builder.scaffold.forms import draft_bundle
from tests.support.foreign import write

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "artifacts"
MODEL = (FIXTURES / "sklearn-1.7.2-scaler.joblib").read_bytes()

AZURE = """import os, joblib, json
NAME = "model.joblib"
def init():
    global model
    root = os.path.join(os.getenv("AZUREML_MODEL_DIR"), {joined})
    model = joblib.load(os.path.join(root, NAME))
    labels = json.load(open(os.path.join(root, "labels.json")))
def run(data):
    return model.predict(json.loads(data))
"""
PREDICT = """import joblib
from pathlib import Path
def load(model_dir):
    return {loads}
def predict(model, records):
    return model.predict(records)
"""


def folder(root: Path, script: str, *models: str) -> Path:
    write(root, {"score.py": script})
    for path in models:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(MODEL)
        (root / path).with_name("labels.json").write_text("[]")
    return root


def test_the_folder_that_the_script_joins_is_the_model(tmp_path: Path) -> None:
    script = AZURE.format(joined='"churn_model"')
    assert draft_bundle(folder(tmp_path, script, "churn_model/model.joblib")).model == "churn_model"


def test_a_folder_further_up_is_the_model_where_more_of_the_path_is_joined(tmp_path: Path) -> None:
    script = AZURE.format(joined='"v2", "churn"')
    made = draft_bundle(folder(tmp_path, script, "models/v1/churn/model.joblib", "models/v2/churn/model.joblib"))
    assert made.model == "models/v2"


@pytest.mark.parametrize(
    ("loads", "model"),
    [
        ('joblib.load(Path(model_dir) / "m.joblib")', "models/m.joblib"),
        ('joblib.load(Path(model_dir).joinpath("models", "m.joblib"))', "models"),
        ('joblib.load(f"{model_dir}/models/m.joblib")', "models"),
        ('[joblib.load(Path(model_dir) / name) for name in ("models/m.joblib", "models/other.joblib")]', "models"),
        # What cannot be followed is decided by the text in it.
        ('joblib.load(find(model_dir, "models/m.joblib"))', "models"),
        ("joblib.load(find(model_dir))", "models/m.joblib"),
    ],
)
def test_the_model_is_what_the_script_finds_its_files_in(tmp_path: Path, loads: str, model: str) -> None:
    made = draft_bundle(folder(tmp_path, PREDICT.format(loads=loads), "models/m.joblib", "models/other.joblib"))
    assert made.model == model


def test_without_a_script_what_predicts_comes_before_a_transformer(tmp_path: Path) -> None:
    (tmp_path / "a_scaler.joblib").write_bytes(MODEL)
    (tmp_path / "model.joblib").write_bytes((FIXTURES / "sklearn-1.7.2-pipeline.joblib").read_bytes())
    assert draft_bundle(tmp_path).model == "model.joblib"


def test_a_module_the_script_imports_may_be_what_opens_the_file(tmp_path: Path) -> None:
    script = "from lib.store import read\n" + PREDICT.format(loads="read(model_dir)")
    store = "import os, joblib\ndef read(d):\n    return joblib.load(os.path.join(d, 'final', 'm.joblib'))\n"
    folder(tmp_path, script, "artifacts/final/m.joblib", "artifacts/old/m.joblib")
    write(tmp_path, {"lib/store.py": store})
    assert draft_bundle(tmp_path).model == "artifacts/final"

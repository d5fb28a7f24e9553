"""Sources of other tools, written as those tools' documentation shows them, around the examples' real models."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CHURN = EXAMPLES / "churn" / "model" / "churn.joblib"
FRAUD = EXAMPLES / "fraud" / "model" / "fraud.json"
TRIAGE = EXAMPLES / "triage" / "model" / "triage.joblib"

CHURN_RECORD = {
    "tenure_months": 3,
    "monthly_charge": 58.4,
    "support_calls": 6,
    "data_gb": 71.2,
    "calls_per_year": 24.0,
    "contract": "monthly",
    "payment_method": "invoice",
    "has_fiber": "yes",
}


def lines(*parts: str) -> str:
    return "".join(f"{part}\n" for part in parts)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def mlflow_sklearn(folder: Path) -> Path:
    """Write an MLflow model of flavor sklearn, with signature and input example."""
    kinds = dict.fromkeys(("monthly_charge", "data_gb", "calls_per_year"), "double")
    kinds |= dict.fromkeys(("contract", "payment_method", "has_fiber"), "string")
    inputs = [{"type": kinds.get(name, "long"), "name": name, "required": True} for name in CHURN_RECORD]
    write(
        folder,
        {
            "MLmodel": lines(
                "artifact_path: model",
                "flavors:",
                "  python_function:",
                "    env: {conda: conda.yaml, virtualenv: python_env.yaml}",
                "    loader_module: mlflow.sklearn",
                "    model_path: model.pkl",
                "    predict_fn: predict",
                "    python_version: 3.11.7",
                "  sklearn:",
                "    code: null",
                "    pickled_model: model.pkl",
                "    serialization_format: cloudpickle",
                "    sklearn_version: 1.7.2",
                "mlflow_version: 2.9.2",
                "run_id: 0123456789abcdef",
                "saved_input_example_info: {artifact_path: input_example.json, pandas_orient: split, type: dataframe}",
                "signature:",
                f"  inputs: '{json.dumps(inputs)}'",
                '  outputs: \'[{"type": "long", "required": true}]\'',
            ),
            "requirements.txt": "mlflow==2.9.2\ncloudpickle==3.1.2\nnumpy==2.4.6\npandas==2.3.3\nscikit-learn==1.7.2\n",
            "conda.yaml": "dependencies:\n- python=3.11.7\n- pip<=24\n- pip:\n  - mlflow==2.9.2\n",
            "python_env.yaml": "python: 3.11.7\nbuild_dependencies: [pip==24.0]\ndependencies: [-r requirements.txt]\n",
            "input_example.json": json.dumps({"columns": list(CHURN_RECORD), "data": [list(CHURN_RECORD.values())]}),
        },
    )
    shutil.copy(CHURN, folder / "model.pkl")
    return folder


def mlflow_pyfunc(folder: Path) -> Path:
    """Write an MLflow model of nothing but python_function."""
    write(
        folder,
        {
            "MLmodel": lines(
                "flavors:",
                "  python_function:",
                "    cloudpickle_version: 3.1.2",
                "    env: {conda: conda.yaml}",
                "    loader_module: mlflow.pyfunc.model",
                "    python_model: python_model.pkl",
                "    python_version: 3.12.1",
                "signature:",
                '  inputs: \'[{"type": "double", "name": "x", "required": true}]\'',
            ),
            "requirements.txt": "mlflow==3.1.0\ncloudpickle==3.1.2\n",
        },
    )
    (folder / "python_model.pkl").write_bytes(pickle.dumps({"weights": [1.0, 2.0]}))
    return folder


AZURE_SCORE = """
import json
import logging
import os

import joblib
import numpy


def init():
    global model
    path = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "model/churn.pkl")
    model = joblib.load(path)
    logging.info("Init complete")


def run(raw_data):
    data = json.loads(raw_data)["data"]
    return model.predict(numpy.array(data)).tolist()
"""


def azure_deployment(folder: Path) -> Path:
    """Write the tree of a deployment as the Azure ML examples have it, and return its YAML."""
    write(
        folder,
        {
            "endpoints/blue-deployment.yml": lines(
                "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json",
                "name: blue",
                "endpoint_name: my-endpoint",
                "model:",
                "  path: ../model-1/model/",
                "code_configuration:",
                "  code: ../model-1/onlinescoring/",
                "  scoring_script: score.py",
                "environment:",
                "  conda_file: ../model-1/environment/conda.yaml",
                "  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest",
                "environment_variables: {LOG_LEVEL: 10}",
                "instance_type: Standard_DS3_v2",
                "instance_count: 1",
                "request_settings: {request_timeout_ms: 3000}",
            ),
            "model-1/onlinescoring/score.py": AZURE_SCORE,
            "model-1/environment/conda.yaml": lines(
                "name: model-env",
                "channels: [conda-forge]",
                "dependencies:",
                "  - python=3.9",
                "  - numpy=1.23.5",
                "  - pip=23.0.1",
                "  - scikit-learn=1.2.2",
                "  - scipy=1.10.1",
                "  - pip:",
                "    - azureml-defaults==1.53.0",
                "    - inference-schema[numpy-support]==1.5.1",
                "    - joblib==1.2.0",
            ),
            "model-1/sample-request.json": json.dumps({"data": [[3, 58.4, 6, 71.2, 24, "monthly", "invoice", "yes"]]}),
        },
    )
    (folder / "model-1/model").mkdir()
    shutil.copy(CHURN, folder / "model-1/model/churn.pkl")
    return folder / "endpoints/blue-deployment.yml"


def cog(folder: Path) -> Path:
    """Write a Cog folder."""
    write(
        folder,
        {
            "cog.yaml": lines(
                "build:",
                "  gpu: true",
                '  python_version: "3.11"',
                "  system_packages: [libgomp1]",
                "  python_packages:",
                '    - "scikit-learn==1.7.2"',
                '    - "pandas==2.3.3"',
                "  run:",
                "    - echo hello",
                'predict: "predict.py:Predictor"',
            ),
            "predict.py": """
import joblib
import pandas
from cog import BasePredictor, Input

from helpers import frame


class Predictor(BasePredictor):
    def setup(self):
        self.model = joblib.load("weights/churn.joblib")

    def predict(
        self,
        tenure_months: int = Input(description="months", ge=0, le=600),
        contract: str = Input(choices=["monthly", "one-year"]),
        scale: float = Input(default=1.5),
        note: str = "none",
    ) -> float:
        return self.model.predict(frame(tenure_months, contract))[0]
""",
            "helpers.py": "import pandas\n\ndef frame(*values):\n    return pandas.DataFrame([values])\n",
        },
    )
    (folder / "weights").mkdir()
    shutil.copy(CHURN, folder / "weights/churn.joblib")
    return folder


def truss(folder: Path) -> Path:
    """Write a Truss."""
    write(
        folder,
        {
            "config.yaml": lines(
                "model_name: Churn model",
                "python_version: py311",
                "requirements:",
                "- scikit-learn==1.7.2",
                "- pandas==2.3.3",
                "system_packages: [libgomp1]",
                "environment_variables: {MODE: fast}",
                "resources: {cpu: 500m, memory: 2Gi, use_gpu: false, accelerator: null}",
                "secrets: {hf_access_token: null}",
                "model_metadata:",
                "  example_model_input: {rows: [[3, 58.4]]}",
            ),
            "model/__init__.py": "",
            "model/model.py": """
import joblib


class Model:
    def __init__(self, **kwargs):
        self._data_dir = kwargs["data_dir"]
        self._model = None

    def load(self):
        self._model = joblib.load(self._data_dir / "churn.joblib")

    def preprocess(self, request):
        return request

    def predict(self, request):
        return {"predictions": len(request["rows"])}
""",
        },
    )
    (folder / "data").mkdir()
    shutil.copy(CHURN, folder / "data/churn.joblib")
    return folder


def bento(folder: Path, *, home: Path | None = None) -> Path:
    """Write a folder with a bentofile, and its model into a BentoML store at ``home``."""
    write(
        folder,
        {
            "bentofile.yaml": lines(
                'service: "service:svc"',
                "labels: {owner: bentoml-team}",
                "include: ['*.py']",
                "python:",
                "  packages: [scikit-learn==1.7.2, pandas==2.3.3, bentoml]",
                "docker: {python_version: '3.11', system_packages: [libgomp1], env: {MODE: fast}}",
                "models: ['churn_clf:latest']",
            ),
            "service.py": """
import bentoml
from bentoml.io import NumpyNdarray

runner = bentoml.sklearn.get("churn_clf:latest").to_runner()
svc = bentoml.Service("churn", runners=[runner])


@svc.api(input=NumpyNdarray(), output=NumpyNdarray())
def classify(series):
    return runner.predict.run(series)
""",
        },
    )
    if home is not None:
        stored = home / "models" / "churn_clf" / "v1"
        write(stored, {"model.yaml": "name: churn_clf\nmodule: bentoml.sklearn\n"})
        shutil.copy(CHURN, stored / "saved_model.pkl")
        (home / "models" / "churn_clf" / "latest").write_text("v1")
    return folder


def example_folder(name: str, folder: Path) -> Path:
    """Copy an example without what init would write."""
    ignored = shutil.ignore_patterns("build", "__pycache__", "bundle.yaml", "*.lock")
    shutil.copytree(EXAMPLES / name, folder, ignore=ignored)
    return folder

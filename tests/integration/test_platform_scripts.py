"""Scripts written for Azure ML and SageMaker, around real models: checked, locked, built, tested, unmodified."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support import foreign
from tests.support.kiln import Kiln

pytestmark = [pytest.mark.namespaces, pytest.mark.package_index, pytest.mark.mirror]

DECORATED = """
import os

import joblib
import pandas as pd
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema

RECORD = {record}


def init():
    global model
    model = joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "model", "churn.joblib"))


@input_schema("data", PandasParameterType(pd.DataFrame([RECORD])))
@input_schema("threshold", StandardPythonParameterType(0.5))
@output_schema(StandardPythonParameterType({{"leaves": [True]}}))
def run(data, threshold=0.5):
    return {{"leaves": [bool(each > threshold) for each in model.predict_proba(data)[:, 1]]}}
"""
RAW = """
import json
import os

import joblib
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse


def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "triage.joblib"))


@rawhttp
def run(request):
    if request.method != "POST":
        return AMLResponse("ask by POST", 400, {"X-Ask": "POST, too"})
    text = request.get_data().decode()
    return AMLResponse(json.dumps({"queue": str(model.predict([text])[0])}), 200, {"Content-Type": "application/json"})
"""
SAGEMAKER = """
import json
import os

import joblib
from sagemaker_inference import content_types
from sagemaker_inference.errors import BaseInferenceToolkitError


def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "triage.joblib"))


def input_fn(body, content_type):
    if content_type == content_types.JSON:
        return json.loads(body)
    if content_type == "text/plain":
        return body.decode().splitlines()
    raise BaseInferenceToolkitError(415, f"this takes text, not {content_type}", "no")


def predict_fn(data, model):
    return [str(each) for each in model.predict(data)]


def output_fn(prediction, accept):
    if accept == content_types.CSV:
        return "\\n".join(prediction), accept
    return json.dumps(prediction), content_types.JSON
"""
BUNDLE = """
name: scripted
version: 1.0.0
owner: tests@example.com
model: {{path: {model}}}
scoring: {{script: {script}}}
environment: {{python: "3.11", requirements: {requirements}}}
smoke: {smoke}
resources: {{cpu: 1, memory: 512MiB}}
service: {{workers: 1}}
"""
PARCEL = "The parcel arrived broken and soaked"


def fire(kiln: Kiln, folder: Path, **parts: object) -> dict[str, str]:
    """Check, lock, build and test a bundle; return how each smoke test went."""
    values = {name: part if isinstance(part, str) else json.dumps(part) for name, part in parts.items()}
    (folder / "bundle.yaml").write_text(BUNDLE.format(**values))
    kiln("lock", folder)
    checked = kiln("check", folder, "--json").json
    assert checked["counts"]["error"] == 0
    kiln("build", folder)
    report = kiln("test", folder, "--runner", "namespaces", "--json").json
    assert report["passed"]
    return {test["name"]: test["kind"] for test in report["tests"]}


def test_a_decorated_azure_ml_script_with_a_model_folder(kiln: Kiln, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    shutil.copy(foreign.CHURN, tmp_path / "model")
    record = foreign.CHURN_RECORD
    (tmp_path / "score.py").write_text(DECORATED.format(record=json.dumps(record)))
    accepted = {"name": "leaves", "request": {"data": [record], "more": 1}, "expect": {"body": {"leaves": [True]}}}
    lacking = {"name": "no data", "request": {}, "expect": {"status": 400, "error": "'data' parameter"}}
    text = {"name": "text", "request": {}, "content_type": "text/plain", "expect": {"status": 415}}
    bad = {"name": "bad", "request": {"data": "x"}, "expect": {"status": 500}}
    requirements = ["scikit-learn==1.7.*", "pandas==2.3.*", "inference-schema==1.8"]
    smoke = [accepted, lacking, text, bad]
    tests = fire(kiln, tmp_path, model="model", script="score.py", requirements=requirements, smoke=smoke)
    assert len(tests) >= 7


def test_a_rawhttp_azure_ml_script_without_any_azure_package(kiln: Kiln, tmp_path: Path) -> None:
    shutil.copy(foreign.TRIAGE, tmp_path)
    (tmp_path / "main.py").write_text(RAW)
    (tmp_path / "parcel.txt").write_text(PARCEL)
    smoke = [{"name": "a parcel", "request": "parcel.txt", "expect": {"body": {"queue": "shipping"}}}]
    requirements = ["scikit-learn==1.7.*"]
    fire(kiln, tmp_path, model="triage.joblib", script="main.py", requirements=requirements, smoke=smoke)


def test_a_sagemaker_script_as_it_stands_in_model_tar_gz(kiln: Kiln, tmp_path: Path) -> None:
    shutil.copy(foreign.TRIAGE, tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "code/inference.py").write_text(SAGEMAKER)
    (tmp_path / "parcel.txt").write_text(f"{PARCEL}\n{PARCEL}\n")
    smoke = [
        {"name": "JSON", "request": [PARCEL], "expect": {"body": ["shipping"]}},
        {"name": "text", "request": "parcel.txt", "expect": {"body": ["shipping", "shipping"]}},
        {
            "name": "another type",
            "request": [],
            "content_type": "image/png",
            "expect": {"status": 415, "error": "takes text"},
        },
        {"name": "on our own route", "request": [PARCEL], "path": "/predict", "expect": {"body": ["shipping"]}},
    ]
    script, requirements = "code/inference.py", ["scikit-learn==1.7.*"]
    fire(kiln, tmp_path, model="triage.joblib", script=script, requirements=requirements, smoke=smoke)

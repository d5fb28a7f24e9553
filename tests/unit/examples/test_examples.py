"""The examples are what their READMEs say: data, records and samples that belong together."""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from builder.bundle.model import SchemaScope
from builder.bundle.parser import load_bundle

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NAMES = ("churn", "fraud", "triage")


def test_every_folder_is_an_example() -> None:
    assert tuple(sorted(path.parent.name for path in EXAMPLES.glob("*/bundle.yaml"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_generated_data_is_the_data_the_bundle_records(name: str, tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / name / "generate_data.py", tmp_path)
    subprocess.run([sys.executable, "-I", "-B", tmp_path / "generate_data.py"], check=True, capture_output=True)
    model = load_bundle(EXAMPLES / name).model
    for reference in (model.training_data, model.validation_data):
        assert reference is not None
        content = (tmp_path / reference.uri).read_bytes()
        assert hashlib.sha256(content).hexdigest() == reference.sha256
        lines = content.decode().splitlines()
        rows = list(csv.DictReader(lines)) if reference.uri.endswith(".csv") else lines
        assert len(rows) == reference.rows


@pytest.mark.parametrize("name", NAMES)
def test_requests_expected_to_pass_fit_the_schema_and_the_others_do_not(name: str) -> None:
    bundle = load_bundle(EXAMPLES / name)
    assert bundle.schemas.request is not None
    check = Draft202012Validator(bundle.schemas.request).is_valid
    for test in bundle.smoke:
        body = json.loads(test.request)
        records = [body]
        if bundle.schemas.scope is SchemaScope.RECORD:
            records = body if isinstance(body, list) else body.get("records", [body])
        assert all(check(record) for record in records) == (test.expect.status == 200), test.name


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_small(name: str) -> None:
    bundle = load_bundle(EXAMPLES / name)
    assert (bundle.root / bundle.model.path).stat().st_size < 1 << 20


@pytest.mark.parametrize("name", NAMES)
def test_the_training_script_fixes_its_seed(name: str) -> None:
    tree = ast.parse((EXAMPLES / name / "train.py").read_text())
    assert any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SEED" for node in tree.body)


@pytest.mark.parametrize("name", NAMES)
def test_editors_find_the_schema(name: str) -> None:
    first = (EXAMPLES / name / "bundle.yaml").read_text().splitlines()[0]
    reference = first.removeprefix("# yaml-language-server: $schema=")
    assert (EXAMPLES / name / reference).resolve() == EXAMPLES.parent / "docs/reference/bundle.schema.json"

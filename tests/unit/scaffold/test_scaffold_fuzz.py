from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder.errors import KilnError
from builder.scaffold.forms import draft_bundle
from builder.scaffold.write import write_draft
from tests.support.foreign import CHURN, FRAUD

CHURN_BYTES = CHURN.read_bytes()
FRAUD_BYTES = FRAUD.read_bytes()
SUFFIXES = (".joblib", ".json", ".pkl", ".onnx", ".pt", ".txt", ".ubj", ".cbm", ".keras", ".skops")
MANIFESTS = ("cog.yaml", "bentofile.yaml", "config.yaml", "MLmodel", "deployment.yml")

KEYS = [
    "build",
    "predict",
    "python_version",
    "python_packages",
    "system_packages",
    "service",
    "python",
    "packages",
    "docker",
    "models",
    "labels",
    "requirements",
    "resources",
    "cpu",
    "memory",
    "model_metadata",
    "model_name",
    "flavors",
    "sklearn",
    "python_function",
    "signature",
    "inputs",
    "env",
    "model",
    "code_configuration",
    "scoring_script",
    "environment",
    "conda_file",
    "path",
    "request_settings",
    "data",
    "pickled_model",
    "run_id",
]
yaml_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc./:=*-", max_size=12) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)


def draft(path: Path) -> None:
    """Draft and write a bundle; only errors that were foreseen may come out."""
    with suppress(KilnError):
        write_draft(draft_bundle(path))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(SUFFIXES))
def test_any_bytes_are_a_model_or_are_refused(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        path.write_bytes(content)
        draft(path)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([CHURN_BYTES, FRAUD_BYTES[:4000] + FRAUD_BYTES[-400:]]), st.data())
def test_a_damaged_model_is_read_as_far_as_it_goes(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        path.write_bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
        draft(path)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(MANIFESTS), yaml_values)
@example("cog.yaml", {"build": [], "predict": {"path": 3}})
@example("MLmodel", {"flavors": {"sklearn": {"pickled_model": "../../etc/passwd"}}})
@example("deployment.yml", {"code_configuration": {"scoring_script": "/etc/passwd"}, "model": "x"})
@example("deployment.yml", {"code_configuration": {"scoring_script": "score.py"}, "model": {"path": "."}})
@example("deployment.yml", {"code_configuration": {"scoring_script": "score.py"}, "model": {"path": ".."}})
@example("deployment.yml", {"code_configuration": {"code": "..", "scoring_script": "inside/score.py"}, "model": "x"})
def test_any_manifest_is_drafted_or_refused(name: str, value: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "inside"
        inside.mkdir()
        (inside / name).write_text(yaml.safe_dump(value))
        (inside / "score.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    return data\n")
        draft(inside)
        assert [path.name for path in Path(folder).iterdir()] == ["inside"]

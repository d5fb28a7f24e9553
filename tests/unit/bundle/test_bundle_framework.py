from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.bundle.framework import pickle_globals, read_framework
from builder.bundle.model import Flavor, Framework

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture
def classes() -> Iterator[dict[str, Any]]:
    """Classes that pickle as if they came from libraries that are not installed."""
    made: dict[str, Any] = {}
    modules = []
    for module, name in (("sklearn.pipeline", "Pipeline"), ("xgboost.sklearn", "XGBClassifier"), ("other.lib", "Net")):
        made[name] = type(name, (), {"__module__": module})
        for part in (module.partition(".")[0], module):
            holder = ModuleType(part)
            setattr(holder, name, made[name])
            sys.modules[part] = holder
            modules.append(part)
    yield made
    for module in modules:
        sys.modules.pop(module, None)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def pickled(cls: Any, protocol: int = 4, **state: Any) -> bytes:
    value = cls()
    value.__dict__.update(state)
    return pickle.dumps(value, protocol)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_of_scikit_learn_is_told_in_every_protocol(
    tmp_path: Path, classes: dict[str, Any], protocol: int
) -> None:
    model = write(
        tmp_path / "m.pkl", pickled(classes["Pipeline"], protocol, steps=[1], inner=classes["XGBClassifier"]())
    )
    found = read_framework(model)
    assert found.framework is Framework.SKLEARN
    assert found.is_servable
    assert "sklearn.pipeline.Pipeline" in found.format


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_joblib_is_looked_into(tmp_path: Path, classes: dict[str, Any], compress: Any) -> None:
    model = write(tmp_path / "m.joblib", compress(pickled(classes["Pipeline"])))
    assert read_framework(model).framework is Framework.SKLEARN


def test_joblibs_raw_arrays_do_not_hide_the_outermost_class(tmp_path: Path, classes: dict[str, Any]) -> None:
    content = pickled(classes["Pipeline"], steps=list(range(300)))
    assert read_framework(write(tmp_path / "m", content[:200] + bytes(range(256)))).framework is Framework.SKLEARN


def test_a_pickled_xgboost_estimator_needs_a_script(tmp_path: Path, classes: dict[str, Any]) -> None:
    found = read_framework(write(tmp_path / "m.pkl", pickled(classes["XGBClassifier"])))
    assert found.framework is Framework.XGBOOST
    assert not found.is_servable


def test_a_pickle_of_anything_else_is_custom(tmp_path: Path, classes: dict[str, Any]) -> None:
    found = read_framework(write(tmp_path / "m.pkl", pickled(classes["Net"])))
    assert (found.framework, found.is_servable) == (Framework.CUSTOM, False)
    assert "other.lib.Net" in found.format
    assert read_framework(write(tmp_path / "d.pkl", pickle.dumps({"a": 1}))).framework is Framework.CUSTOM


def test_classes_of_the_training_script_are_named(tmp_path: Path) -> None:
    content = b"\x80\x04\x8c\x08__main__\x94\x8c\x05Model\x94\x93\x94)\x81\x94."
    assert read_framework(write(tmp_path / "m.pkl", content)).main_classes == ("Model",)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    content = b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
    assert read_framework(write(tmp_path / "m.pkl", content)).framework is Framework.CUSTOM
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b'{"learner":{"attributes":{}},"version":[3,0,0]}', "XGBoost JSON"),
        (b'{\n  "version": [3, 0, 0], "learner": {}}', "XGBoost JSON"),
        (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{L", "XGBoost UBJSON"),
        (b"{i\x07learner{", "XGBoost UBJSON"),
        (b"{i\x07version[#i\x03i\x03i\x00i\x00i\x07learner{", "XGBoost UBJSON"),
    ],
)
def test_xgboosts_own_formats_are_told_by_their_first_bytes(tmp_path: Path, content: bytes, form: str) -> None:
    found = read_framework(write(tmp_path / "m.bin", content))
    assert (found.framework, found.format, found.is_servable) == (Framework.XGBOOST, form, True)


@pytest.mark.parametrize(
    "content",
    [
        b'{"weights": [1, 2]}',
        b'{"version": "1.0", "truncation": null, "model": {}}',
        b'{"version": 3, "labels": ["no", "yes"]}',
        b'{"version": [1, 2, 3], "rules": [{"learner": {}}]}',
        b'{"learner": "tree", "depth": 3}',
        b"{L\x00\x00\x00\x00\x00\x00\x00\x06Config{L\x00\x00\x00\x00\x00\x00\x00\x07learner{",
        b"PK\x03\x04",
        b"\x89HDF\r\n",
        b"hello",
        b"\x78\x9cbroken",
        b"\x1f\x8bno",
        b"\xfd7zXZ\x00no",
    ],
)
def test_anything_unknown_is_custom(tmp_path: Path, content: bytes) -> None:
    found = read_framework(write(tmp_path / "m.joblib", content))
    assert (found.framework, found.is_servable) == (Framework.CUSTOM, False)


def test_a_folder_is_custom(tmp_path: Path) -> None:
    assert read_framework(tmp_path).format == "folder"


@pytest.mark.parametrize(
    ("model", "framework"),
    [
        ("churn/model/churn.joblib", Framework.SKLEARN),
        ("triage/model/triage.joblib", Framework.SKLEARN),
        ("fraud/model/fraud.json", Framework.XGBOOST),
    ],
)
def test_the_examples_real_models_are_told(model: str, framework: Framework) -> None:
    found = read_framework(EXAMPLES / model)
    assert (found.framework, found.is_servable, found.main_classes) == (framework, True, ())


@given(st.binary(max_size=200))
def test_any_bytes_can_be_asked_for_globals(content: bytes) -> None:
    assert isinstance(pickle_globals(b"\x80\x04" + content), list)


@pytest.mark.parametrize(
    ("name", "framework", "is_servable"),
    [
        ("lightgbm-4.6.0.txt", Framework.LIGHTGBM, True),
        ("catboost-1.2.10.cbm", Framework.CATBOOST, True),
        ("skl2onnx.onnx", Framework.ONNX, True),
        ("torch-2.13.0-script.pt", Framework.TORCH, True),
        ("torch-2.13.0-exported.pt2", Framework.TORCH, True),
        ("sklearn-1.7.2-pipeline.skops", Framework.SKLEARN, True),
        ("torch-2.13.0-state.pt", Framework.CUSTOM, False),
        ("weights.safetensors", Framework.CUSTOM, False),
    ],
)
def test_models_of_other_libraries_are_told_by_their_bytes(
    name: str, framework: Framework, *, is_servable: bool
) -> None:
    found = read_framework(Path(__file__).resolve().parents[2] / "fixtures" / "artifacts" / name)
    assert (found.framework, found.is_servable) == (framework, is_servable)


def test_a_damaged_archive_or_graph_is_nothing_that_is_served(tmp_path: Path) -> None:
    for content in (b"PK\x03\x04nothing", b"\x08\x07\x12\xff\xff\xff\xff\x0f", b"\x08", b"\x08\x07:\x02\x0a\x00"):
        (tmp_path / "m").write_bytes(content)
        assert not read_framework(tmp_path / "m").is_servable


def test_an_mlflow_folder_gives_its_flavor_and_its_schema(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(
        "flavors:\n  python_function: {loader_module: mlflow.sklearn, predict_fn: predict_proba}\n"
        "  sklearn: {pickled_model: model.pkl}\n"
        "signature:\n"
        '  inputs: \'[{"name": "a", "type": "integer"}, {"name": "b", "type": "string", "required": false}]\'\n'
    )
    assert read_framework(tmp_path).flavor is None
    (tmp_path / "model.pkl").write_bytes(b"x")
    found = read_framework(tmp_path)
    assert (found.framework, found.is_servable) == (Framework.MLFLOW, True)
    assert found.flavor == Flavor(name="sklearn", file="model.pkl", method="predict_proba")
    assert found.schema is not None
    assert found.schema["required"] == ["a"]
    assert found.schema["properties"]["a"]["maximum"] == 2**31 - 1
    (tmp_path / "MLmodel").write_text("flavors:\n  sklearn: {pickled_model: ../../etc/passwd}\n")
    assert not read_framework(tmp_path).is_servable

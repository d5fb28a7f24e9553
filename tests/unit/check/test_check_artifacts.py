from __future__ import annotations

import json
import struct
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pickle_makers import HOSTILE, compressed, zipped

from builder.check.artifacts import xgboost
from builder.check.artifacts.read import read_artifact, read_bytes
from builder.check.features import model_features

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "artifacts"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text())
SAFETENSORS = FIXTURES / "weights.safetensors"


def described(path: Path) -> dict[str, object]:
    reading = read_artifact(path)
    artifact = reading.artifact
    return {
        "format": artifact.format,
        "makers": [[maker.library, maker.version] for maker in artifact.makers],
        "needs": list(artifact.needs),
        "names": list(artifact.features.names) if artifact.features and artifact.features.names else None,
        "count": artifact.features.count if artifact.features else None,
        "facts": dict(sorted(artifact.facts.items())),
        "devices": sorted(artifact.devices),
        "fitted": sorted(artifact.fitted),
    }


def test_every_kept_model_is_expected() -> None:
    kept = {path.name for path in FIXTURES.iterdir() if path.is_file() and path.suffix not in (".py", ".md")}
    assert kept - {"expected.json"} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_models_of_released_versions_are_read(name: str) -> None:
    assert described(FIXTURES / name) == EXPECTED[name]


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith(("sklearn-", "xgboost-"))])
def test_the_version_in_the_name_of_a_model_is_the_one_that_is_read(name: str) -> None:
    library = {"sklearn": "scikit-learn", "xgboost": "xgboost"}[name.partition("-")[0]]
    version = name.split("-")[1].removesuffix(".xz").removesuffix(".joblib")
    version = version.removesuffix(".json").removesuffix(".ubj").removesuffix(".deprecated")
    found = read_artifact(FIXTURES / name).artifact.version_of(library)
    assert found == (None if name.endswith(".deprecated") else version)


@pytest.mark.parametrize("example", ["churn", "fraud", "triage"])
def test_examples_are_read(example: str) -> None:
    (path,) = (path for path in (ROOT / "examples" / example / "model").iterdir() if path.is_file())
    reading = read_artifact(path)
    assert reading.problem is None
    assert any(maker.version for maker in reading.artifact.makers)


def test_features_of_the_examples_are_those_of_their_records() -> None:
    churn = model_features(ROOT / "examples" / "churn" / "model" / "churn.joblib")
    assert churn is not None
    assert churn.names is not None
    assert churn.names[0] == "tenure_months"
    # Text goes in: what its first step counts are words, not features of a record.
    assert model_features(ROOT / "examples" / "triage" / "model" / "triage.joblib") is None


MLMODEL = """
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.10.12}
  sklearn: {pickled_model: model.pkl, sklearn_version: 1.4.2, serialization_format: cloudpickle}
mlflow_version: 2.11.1
signature:
  inputs: '[{"type": "double", "name": "age", "required": true}, {"type": "string", "name": "plan"}]'
"""


def test_an_mlflow_folder_speaks_through_its_signature(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    (tmp_path / "model.pkl").write_bytes((FIXTURES / "sklearn-1.4.2-pipeline.pkl").read_bytes())
    features = model_features(tmp_path)
    assert features is not None
    assert (features.names, features.source) == (("age", "plan"), "signature.inputs of MLmodel")
    artifact = read_artifact(tmp_path / "MLmodel").artifact
    assert artifact.version_of("scikit-learn") == "1.4.2"
    assert artifact.version_of("python") == "3.10.12"
    assert artifact.version_of("mlflow") == "2.11.1"


@pytest.mark.parametrize("ending", ["json", "ubj"])
def test_categories_of_xgboost_are_read_from_either_form(ending: str) -> None:
    features = model_features(FIXTURES / f"xgboost-3.2.0-categories.{ending}")
    assert features is not None
    assert features.names == ("age", "income", "tenure", "plan", "floor")
    assert features.categories == {2: ("long", "short"), 3: ("basic", "plus", "pro"), 4: (1, 2, 30)}


def test_far_too_many_categories_are_left_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xgboost, "_MOST_NUMBERS", 10)
    content = (FIXTURES / "xgboost-3.2.0-categories.ubj").read_bytes()
    features = read_bytes(content, "m.ubj").artifact.features
    assert features is not None
    assert features.categories == {2: ("long", "short"), 3: (), 4: (1, 2, 30)}


@given(st.data())
def test_no_damage_to_ubjson_does_more_than_be_told(data: st.DataObject) -> None:
    content = bytearray((FIXTURES / "xgboost-3.2.0-categories.ubj").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]), "m.ubj")


def test_a_tensor_signature_gives_a_count() -> None:
    signature = '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]'
    content = json.dumps({"flavors": {}, "signature": {"inputs": signature}}).encode()
    features = read_bytes(content, "MLmodel").artifact.features
    assert features is not None
    assert (features.names, features.count) == (None, 4)


def test_a_folder_of_several_models_says_nothing(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes((FIXTURES / "xgboost-3.2.0.json").read_bytes())
    assert model_features(tmp_path) is None
    (tmp_path / "b.json").unlink()
    assert model_features(tmp_path) is not None


def test_what_is_not_there_has_no_features(tmp_path: Path) -> None:
    assert model_features(tmp_path / "gone.joblib") is None


def test_keras_archives_are_read() -> None:
    members = {
        "metadata.json": b'{"keras_version": "3.4.1", "date_saved": "2026-01-01"}',
        "config.json": b'{"class_name": "Sequential"}',
        "model.weights.h5": b"\x89HDF\r\n\x1a\n",
    }
    artifact = read_bytes(zipped(members), "m.keras").artifact
    assert (artifact.format, artifact.version_of("keras")) == ("Keras archive", "3.4.1")
    assert artifact.classes == {"Sequential"}


def test_keras_hdf5_files_are_read_by_their_attribute() -> None:
    content = b"\x89HDF\r\n\x1a\n" + b"\0" * 64 + b"keras_version\0\0\x13\0\0\0\x062.15.0\0\0backend"
    artifact = read_bytes(content, "m.h5").artifact
    assert (artifact.format, artifact.version_of("keras")) == ("Keras HDF5 weights", "2.15.0")
    assert read_bytes(content + b"model_config", "m.h5").artifact.format == "Keras HDF5"
    assert read_bytes(b"\x89HDF\r\n\x1a\n", "m.h5").artifact.format == "HDF5"


def test_a_heap_that_is_not_where_it_is_said_to_be_is_no_crash() -> None:
    content = (FIXTURES / "keras-3.15.1.h5").read_bytes()
    artifact = read_bytes(content.replace(b"GCOL", b"GONE"), "m.h5").artifact
    assert (artifact.format, artifact.features) == ("Keras HDF5", None)
    for end in range(0, len(content), 97):
        read_bytes(content[:end], "m.h5")


@pytest.mark.parametrize(
    ("layers", "count"),
    [
        ([{"class_name": "InputLayer", "config": {"batch_shape": [None, 4]}}, {"class_name": "Dense"}], 4),
        ([{"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4], "dtype": "float32"}}], 4),
        ([{"class_name": "InputLayer", "config": {"batch_shape": [None, 28, 28, 1]}}], None),
        ([{"class_name": "InputLayer", "config": {"batch_shape": [None, 1], "dtype": "string"}}], None),
        ([{"class_name": "InputLayer", "config": {"batch_shape": [None, None]}}], None),
        ([{"class_name": "InputLayer", "config": {"batch_shape": [None, 2]}}] * 2, None),
        ([{"class_name": "Dense", "config": {}}], None),
        ("layers", None),
    ],
)
def test_a_keras_model_of_one_row_of_numbers_tells_how_many(layers: object, count: int | None) -> None:
    config = {"class_name": "Sequential", "config": {"layers": layers}}
    members = {"metadata.json": b"{}", "config.json": json.dumps(config).encode()}
    features = read_bytes(zipped(members), "m.keras").artifact.features
    assert (features.count if features else None) == count


def test_categories_of_a_pickled_xgboost_model_are_read() -> None:
    features = read_artifact(FIXTURES / "xgboost-3.2.0-categories.joblib.xz").artifact.features
    assert features is not None
    assert features.names == ("age", "plan", "level")
    assert features.categories == {1: ("basic", "plus", "pro"), 2: (1, 2, 3)}


def test_a_keras_model_of_several_inputs_tells_their_shapes() -> None:
    layers = [
        {"class_name": "InputLayer", "config": {"name": "age", "batch_shape": [None, 1]}},
        {"class_name": "InputLayer", "config": {"name": "note", "batch_shape": [None, 1], "dtype": "string"}},
    ]
    members = {"metadata.json": b"{}", "config.json": json.dumps({"config": {"layers": layers}}).encode()}
    artifact = read_bytes(zipped(members), "m.keras").artifact
    assert artifact.features is None
    assert artifact.facts == {"keras-inputs": "age [None, 1], note of text"}


def test_tensors_outside_of_a_safetensors_file_are_a_problem() -> None:
    content = SAFETENSORS.read_bytes()
    assert read_bytes(content, "m.safetensors").problem is None
    assert "outside" in str(read_bytes(content[:-1], "m.safetensors").problem)


def test_devices_of_tensors_are_read() -> None:
    content = (FIXTURES / "torch-2.13.0-state.pt").read_bytes()
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members = {
        name: data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:1") for name, data in members.items()
    }
    assert read_bytes(zipped(members), "m.pt").artifact.devices == {"cuda:1"}


@pytest.mark.parametrize("name", [name for name in EXPECTED if not name.endswith((".pkl", ".joblib"))])
def test_a_truncated_model_is_a_problem_or_unknown_never_a_crash(name: str) -> None:
    content = (FIXTURES / name).read_bytes()
    for size in {1, 9, 40, len(content) // 2, len(content) - 1}:
        read_bytes(content[:size], name)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'{"learner": {"a": ', "m.json"),
        (b'{"learner": [1]}', "m.json"),
        (b"{L\0\0\0\0\0\0\0\x07learner[$d#L\xff\xff\xff\xff\xff\xff\xff\xff", "m.ubj"),
        (b"{L\0\0\0\0\0\0\0\x07learner" + b"[" * 100, "m.ubj"),
        (b"tree\nversion=v4\n", "m.txt"),
        (b"CBM1\xff\xff\xff\x7f" + b"\xff" * 40, "m.cbm"),
        (b"CBM1\x10\x00\x00\x00" + b"\0" * 16, "m.cbm"),
        (b"- a: [", "MLmodel"),
        (b"text", "MLmodel"),
        (b"PK\x03\x04", "m.pt"),
        (zipped({"metadata.json": b"{", "config.json": b"{}"}), "m.keras"),
        (zipped({"schema.json": b"["}), "m.skops"),
        (b"\x04\x00\x00\x00\x00\x00\x00\x00{...", "m.safetensors"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00[]", "m.safetensors"),
        (compressed(b"N.")["lz4"][:-3], "m.joblib"),
    ],
)
def test_damaged_models_are_a_problem(content: bytes, name: str) -> None:
    reading = read_bytes(content, name)
    assert reading.problem is not None or not reading.artifact.is_known


def test_what_is_none_of_the_formats_is_unknown() -> None:
    for content in (b"", b"hello", b"\0" * 64, struct.pack("<Q", 5) + b"abc"):
        assert not read_bytes(content, "m.bin").artifact.is_known


@pytest.mark.parametrize(
    "content",
    [
        b'{\n  "version": "1.0",\n  "truncation": null,\n  "model": {"type": "WordPiece"}\n}',
        b'{"version": 3, "rules": []}',
        b'{"version": [1, 0, 0], "rules": []}',
        b'{"learner": {"depth": 3}, "version": [1, 0, 0]}',
    ],
)
def test_json_of_another_tool_is_no_damaged_model(content: bytes) -> None:
    reading = read_bytes(content, "tokenizer.json")
    assert (reading.artifact.is_known, reading.problem) == (False, None)


def test_an_xgboost_model_is_told_whatever_the_order_of_its_keys() -> None:
    content = json.loads((FIXTURES / "xgboost-1.7.6.json").read_text())
    turned = {"version": content["version"], "learner": content["learner"]}
    for indent in (None, 2):
        reading = read_bytes(json.dumps(turned, indent=indent).encode(), "m.json")
        assert (reading.problem, reading.artifact.version_of("xgboost")) == (None, "1.7.6")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_read_like_any_other(name: str) -> None:
    read_bytes(HOSTILE[name], "m.pkl")


HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(64)


def test_hdf5_is_only_keras_s_when_keras_says_so() -> None:
    tables = read_bytes(HDF5 + b"PYTABLES_FORMAT_VERSION" + bytes(64), "frame.h5").artifact
    assert (tables.format, tables.needs, tables.makers) == ("HDF5", (), ())
    told = HDF5 + b"model_config" + bytes(8) + b"keras_version" + bytes(8) + b"2.15.0" + bytes(8)
    keras = read_bytes(told, "m.h5").artifact
    assert (keras.format, keras.needs, keras.version_of("keras")) == ("Keras HDF5", ("keras|tensorflow",), "2.15.0")

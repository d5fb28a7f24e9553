from __future__ import annotations

import collections
import functools
import json
import lzma
import pickle
import zipfile
from pathlib import Path

import pytest

from builder.scaffold.artifact import Artifact, read_artifact
from builder.scaffold.estimators import method_of
from tests.support.foreign import CHURN, FRAUD, TRIAGE

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "artifacts"


def lines(path: Path) -> list[str]:
    artifact = read_artifact(path)
    assert artifact is not None
    return list(dict.fromkeys(wanted.line for wanted in (*artifact.wanted, *artifact.serving)))


def test_a_scikit_learn_model_is_served_as_it_is_with_the_version_that_wrote_it() -> None:
    artifact = read_artifact(CHURN)
    assert artifact is not None
    assert artifact.is_served
    assert lines(CHURN) == ["scikit-learn==1.7.2", "pandas<3"]


def test_a_text_pipeline_gets_a_script_since_a_record_is_no_text() -> None:
    artifact = read_artifact(TRIAGE)
    assert artifact is not None
    assert not artifact.is_served
    assert artifact.adapter == "text"
    assert lines(TRIAGE) == ["scikit-learn==1.7.2", "joblib"]


def test_xgboost_is_taken_without_cuda_where_such_a_build_exists() -> None:
    assert lines(FRAUD) == ["xgboost-cpu==3.4.1"]
    assert lines(FIXTURES / "xgboost-1.7.6.json") == ["xgboost==1.7.6"]


def test_a_model_older_than_numpy_2_keeps_numpy_1() -> None:
    assert "numpy<2" in lines(FIXTURES / "sklearn-1.2.2-pipeline.joblib")
    assert "numpy<2" not in lines(FIXTURES / "sklearn-1.4.2-pipeline.joblib")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("lightgbm-4.6.0.txt", "lightgbm"),
        ("catboost-1.2.10.cbm", "catboost==1.2.10"),
        ("skl2onnx.onnx", "onnxruntime"),
        ("torch-2.13.0-script.pt", "torch"),
        ("torch-2.13.0-script.pt", "numpy"),
        ("torch-2.13.0-exported.pt2", "torch==2.13.0"),
        ("sklearn-1.7.2-pipeline.skops", "skops==0.16.0"),
    ],
)
def test_a_format_the_image_serves_needs_no_script(name: str, line: str) -> None:
    artifact = read_artifact(FIXTURES / name)
    assert artifact is not None
    assert artifact.is_served
    assert artifact.adapter is None
    assert line in lines(FIXTURES / name)


def test_a_pickle_of_another_library_gets_a_script() -> None:
    artifact = read_artifact(FIXTURES / "xgboost-3.2.0.joblib.xz")
    assert artifact is not None
    assert artifact.adapter == "pickle"
    assert "xgboost-cpu==3.2.0" in lines(FIXTURES / "xgboost-3.2.0.joblib.xz")


def test_categories_of_a_model_are_text_in_its_schema() -> None:
    artifact = read_artifact(FIXTURES / "catboost-1.2.10.cbm")
    assert artifact is not None
    assert artifact.intake is not None
    assert {column.name: column.kind for column in artifact.intake.columns}["plan"] == "string"


@pytest.mark.parametrize("name", ["torch-2.13.0-state.pt", "weights.safetensors"])
def test_weights_without_their_code_are_known_and_cannot_be_served(name: str) -> None:
    artifact = read_artifact(FIXTURES / name)
    assert artifact is not None
    assert not artifact.is_known


def test_lightgbm_brings_the_system_library_its_wheel_lacks() -> None:
    artifact = read_artifact(FIXTURES / "lightgbm-4.6.0.txt")
    assert artifact is not None
    assert list(artifact.system_packages) == ["libgomp1"]


@pytest.mark.parametrize(
    ("name", "part", "adapter"),
    [("dict", '["model"]', "pickle"), ("tuple", "[0]", "pickle"), ("dict-of-two", "", "object")],
)
def test_a_container_is_served_by_a_script_that_takes_the_only_estimator_out(
    name: str, part: str, adapter: str
) -> None:
    artifact = read_artifact(FIXTURES / f"sklearn-1.7.2-{name}.joblib")
    assert artifact is not None
    assert not artifact.is_served
    assert (artifact.part, artifact.adapter) == (part, adapter)
    assert artifact.beside == {"dict": '"columns"', "tuple": "1"}.get(name, "")
    if part:
        assert artifact.intake is not None
        assert [column.name for column in artifact.intake.columns] == ["age", "income", "tenure"]
    else:
        assert '"model" (LogisticRegression), "scaler" (StandardScaler)' in artifact.obstacle


def test_a_transformer_alone_is_asked_to_transform() -> None:
    artifact = read_artifact(FIXTURES / "sklearn-1.7.2-scaler.joblib")
    assert artifact is not None
    assert (artifact.is_served, artifact.adapter, artifact.method) == (False, "pickle", "transform")


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("sklearn.preprocessing._data.StandardScaler", "transform"),
        ("sklearn.compose._column_transformer.ColumnTransformer", "transform"),
        ("sklearn.feature_selection._rfe.RFE", "predict"),
        ("sklearn.linear_model._logistic.LogisticRegression", "predict"),
        ("sklearn.cluster._kmeans.KMeans", "predict"),
        ("sklearn.cluster._dbscan.DBSCAN", None),
        ("sklearn.preprocessing._label.LabelEncoder", None),
        ("lightgbm.sklearn.LGBMClassifier", "predict"),
        ("xgboost.sklearn.XGBClassifier", "predict"),
        ("xgboost.core.Booster", "booster"),
        ("category_encoders.ordinal.OrdinalEncoder", "transform"),
        ("acme.preprocessing.StandardScaler", "predict"),
        ("", "predict"),
    ],
)
def test_what_an_object_is_asked_for_is_told_by_its_class(path: str, method: str | None) -> None:
    assert method_of(path) == method


@pytest.mark.parametrize("name", ["keras-3.15.1.keras", "keras-3.15.1.h5"])
def test_keras_models_get_a_script_with_as_many_features_as_the_input_takes(name: str) -> None:
    artifact = read_artifact(FIXTURES / name)
    assert artifact is not None
    assert artifact.adapter == "keras"
    assert lines(FIXTURES / name) == ["keras==3.15.1", "tensorflow-cpu", "numpy"]
    assert artifact.intake is not None
    assert (len(artifact.intake.columns), artifact.intake.has_names) == (3, False)


def test_keras_weights_alone_are_no_model_that_a_script_can_load() -> None:
    artifact = read_artifact(FIXTURES / "keras-2-weights.h5")
    assert artifact is not None
    assert not artifact.is_known


def test_an_object_of_a_library_that_nobody_knows_is_not_asked_for_anything(tmp_path: Path) -> None:
    def made(module: str) -> Artifact | None:
        names = f"\x8c{chr(len(module))}{module}\x8c\x05Model".encode("latin-1")
        inner = b"\x8c\x0csklearn.tree\x8c\x04Tree\x93)\x81"
        (tmp_path / "m.pkl").write_bytes(b"\x80\x04" + names + b"\x93)\x81}\x8c\x01t" + inner + b"sb.")
        return read_artifact(tmp_path / "m.pkl")

    known, own = made("hdbscan.hdbscan_"), made("acme_text")
    assert known is not None
    assert (known.adapter, known.modules) == (None, ())
    assert own is not None
    assert (own.adapter, own.modules) == ("pickle", ("acme_text",))


def test_modules_of_a_skops_archive_are_told(tmp_path: Path) -> None:
    nodes = [
        {"__module__": "acme_text", "__class__": "Clip", "__loader__": "ObjectNode"},
        {"__module__": "xgboost.core", "__class__": "Booster", "__loader__": "ObjectNode"},
    ]
    root = {"__module__": "sklearn.pipeline", "__class__": "Pipeline", "__loader__": "ObjectNode", "content": nodes}
    with zipfile.ZipFile(tmp_path / "m.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps(root))
    artifact = read_artifact(tmp_path / "m.skops")
    assert artifact is not None
    assert (artifact.adapter, artifact.modules) == ("skops", ("acme_text",))


def test_the_standard_library_and_unknown_modules_are_no_requirements(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps([functools.partial(len), collections.OrderedDict()]))
    artifact = read_artifact(path)
    assert artifact is not None
    assert (artifact.wanted, artifact.modules) == ((), ())
    content = b"\x80\x04\x8c\x07sklearn\x8c\x01A\x93\x8c\x09acme_text\x8c\x01B\x93\x86."
    path.write_bytes(content)
    artifact = read_artifact(path)
    assert artifact is not None
    assert [wanted.name for wanted in artifact.wanted] == ["scikit-learn"]
    assert artifact.modules == ("acme_text",)


def test_a_pickled_booster_gets_its_categories_as_pandas_wants_them() -> None:
    artifact = read_artifact(FIXTURES / "xgboost-3.2.0-categories.joblib.xz")
    assert artifact is not None
    assert artifact.adapter == "pickle"
    assert artifact.categories == {"plan": ("basic", "plus", "pro"), "level": (1, 2, 3)}
    artifact = read_artifact(FIXTURES / "xgboost-3.2.0.joblib.xz")
    assert artifact is not None
    assert artifact.categories == {}


def test_a_pickled_booster_that_knows_its_categories_only_by_number_is_left_to_its_author(tmp_path: Path) -> None:
    content = lzma.decompress((FIXTURES / "xgboost-3.2.0-categories.joblib.xz").read_bytes())
    (tmp_path / "m.pkl").write_bytes(content.replace(b"cats", b"cuts"))
    artifact = read_artifact(tmp_path / "m.pkl")
    assert artifact is not None
    assert (artifact.adapter, artifact.is_known) == ("object", False)
    assert "what the categories of plan, level are is not in its file" in artifact.obstacle


def test_a_skops_archive_of_a_transformer_is_asked_to_transform(tmp_path: Path) -> None:
    for name, method in (("StandardScaler", "transform"), ("DBSCAN", None)):
        schema = {"__class__": name, "__module__": "sklearn.x" if method is None else "sklearn.preprocessing._data"}
        with zipfile.ZipFile(tmp_path / "m.skops", "w") as archive:
            archive.writestr("schema.json", json.dumps({**schema, "__loader__": "ObjectNode", "content": {}}))
        artifact = read_artifact(tmp_path / "m.skops")
        assert artifact is not None
        assert not artifact.is_served
        if method:
            assert (artifact.adapter, artifact.method) == ("skops", method)
        else:
            assert (artifact.adapter, artifact.obstacle) == (None, "the file holds a DBSCAN, which has no predict")


def test_a_keras_model_of_several_inputs_is_left_to_its_author(tmp_path: Path) -> None:
    layers = [{"class_name": "InputLayer", "config": {"name": name, "batch_shape": [None, 1]}} for name in "ab"]
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
    artifact = read_artifact(tmp_path / "m.keras")
    assert artifact is not None
    assert not artifact.is_known
    assert artifact.obstacle.endswith("a [None, 1], b [None, 1]")


def test_a_file_that_is_no_model_is_none(tmp_path: Path) -> None:
    for name, content in {"a.json": b"{}", "b.txt": b"hello", "c.bin": b"\x00\x01", "d.csv": b"a,b\n"}.items():
        (tmp_path / name).write_bytes(content)
        assert read_artifact(tmp_path / name) is None


def test_a_local_version_is_not_asked_of_an_index() -> None:
    assert "torch==2.13.0" in lines(FIXTURES / "torch-2.13.0-exported.pt2")

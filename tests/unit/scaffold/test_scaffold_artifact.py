from __future__ import annotations

from pathlib import Path

import pytest

from builder.scaffold.artifact import read_artifact
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


def test_a_file_that_is_no_model_is_none(tmp_path: Path) -> None:
    for name, content in {"a.json": b"{}", "b.txt": b"hello", "c.bin": b"\x00\x01", "d.csv": b"a,b\n"}.items():
        (tmp_path / name).write_bytes(content)
        assert read_artifact(tmp_path / name) is None


def test_a_local_version_is_not_asked_of_an_index() -> None:
    assert "torch==2.13.0" in lines(FIXTURES / "torch-2.13.0-exported.pt2")

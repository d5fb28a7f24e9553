from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from check_subjects import make_subject
from pickle_makers import PLAIN, compressed, program, stack_global, zipped

from builder.bundle.model import Contract, Scoring
from builder.check.artifact_rules import find_artifacts
from builder.check.artifacts import read
from builder.check.artifacts.read import read_artifact
from builder.check.artifacts.reading import Artifact, Maker
from builder.check.compatibility import Fit, compare
from builder.check.finding import Finding, Level
from builder.check.freeze import find_differences, read_freeze

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "artifacts"
SCIKIT = {"scikit-learn": "1.7.2", "numpy": "2.3.1", "joblib": "1.5.1", "scipy": "1.16.0", "pandas": "2.3.3"}


def findings(root: Path, model: str, locked: dict[str, str], python: str = "3.11") -> list[Finding]:
    name = "model/" + model
    subject = make_subject(root, files={name: (FIXTURES / model).read_bytes()}, locked=locked, python=python)
    return list(find_artifacts(subject))


def fits(name: str, locked: dict[str, str]) -> dict[str, Fit]:
    artifact = read_artifact(FIXTURES / name).artifact
    return {comparison.library: comparison.fit for comparison in compare(artifact, locked, "3.11")}


def version(library: str, made: str, **facts: str) -> Artifact:
    return Artifact(format="test", makers=(Maker(library=library, version=made, evidence="test"),), facts=facts)


def fit(artifact: Artifact, library: str, locked: str) -> Fit:
    (comparison,) = compare(artifact, {library: locked}, "3.11")
    return comparison.fit


# What loading and predicting really did with these files and releases (docs/reference/artifacts.md).
@pytest.mark.parametrize(
    ("model", "locked", "expected"),
    [
        ("sklearn-1.7.2-pipeline.joblib", "1.7.2", Fit.SAME),
        ("sklearn-1.7.2-pipeline.joblib", "1.7.0", Fit.COMPATIBLE),
        ("sklearn-1.2.2-pipeline.joblib", "1.7.2", Fit.RISKY),
        ("sklearn-1.2.2-forest.joblib.xz", "1.4.2", Fit.IMPOSSIBLE),
        ("sklearn-1.2.2-forest.joblib.xz", "1.7.2", Fit.IMPOSSIBLE),
        ("sklearn-1.2.2-forest.joblib.xz", "1.2.2", Fit.SAME),
        ("sklearn-1.4.2-forest.joblib.xz", "1.2.2", Fit.IMPOSSIBLE),
        ("sklearn-1.4.2-forest.joblib.xz", "1.6.1", Fit.RISKY),
        ("sklearn-1.4.2-pipeline.joblib", "1.2.2", Fit.IMPOSSIBLE),
        ("sklearn-1.6.1-pipeline.pkl", "1.4.2", Fit.IMPOSSIBLE),
        ("sklearn-1.7.2-boosted.joblib.xz", "1.4.2", Fit.IMPOSSIBLE),
    ],
)
def test_scikit_learn_models_fit_as_they_did_when_tried(model: str, locked: str, expected: Fit) -> None:
    assert fits(model, {"scikit-learn": locked})["scikit-learn"] is expected


@pytest.mark.parametrize(
    ("model", "locked", "expected"),
    [
        ("sklearn-1.2.2-pipeline.pkl", "1.26.4", Fit.SAME),
        ("sklearn-1.2.2-pipeline.pkl", "2.4.6", Fit.COMPATIBLE),
        ("sklearn-1.7.2-pipeline.pkl", "2.0.0", Fit.SAME),
        ("sklearn-1.7.2-pipeline.pkl", "1.26.4", Fit.IMPOSSIBLE),
        ("sklearn-1.7.2-histogram.joblib.xz", "1.26.4", Fit.IMPOSSIBLE),
        ("sklearn-1.7.2-forest.joblib.xz", "1.26.4", Fit.RISKY),
        ("sklearn-1.7.2-forest.joblib.xz", "1.24.0", Fit.IMPOSSIBLE),
    ],
)
def test_pickles_of_numpy_2_fit_numpy_1_as_they_did_when_tried(model: str, locked: str, expected: Fit) -> None:
    assert fits(model, {"numpy": locked})["numpy"] is expected


@pytest.mark.parametrize(
    ("model", "locked", "expected"),
    [
        ("xgboost-2.1.4.json", "2.1.4", Fit.SAME),
        ("xgboost-1.7.6.json", "3.2.0", Fit.COMPATIBLE),
        ("xgboost-1.7.6.ubj", "2.1.4", Fit.COMPATIBLE),
        ("xgboost-3.2.0.json", "2.1.4", Fit.RISKY),
        ("xgboost-3.2.0.ubj", "1.5.2", Fit.IMPOSSIBLE),
        ("xgboost-1.7.6.joblib.xz", "3.2.0", Fit.RISKY),
        ("xgboost-3.2.0.joblib.xz", "1.7.6", Fit.RISKY),
        ("xgboost-1.7.6.deprecated", "2.1.4", Fit.RISKY),
        ("xgboost-1.7.6.deprecated", "3.2.0", Fit.IMPOSSIBLE),
    ],
)
@pytest.mark.parametrize("name", ["xgboost", "xgboost-cpu"])
def test_xgboost_models_fit_as_xgboost_promises(model: str, locked: str, expected: Fit, name: str) -> None:
    assert fits(model, {name: locked})["xgboost"] is expected


def test_lightgbm_is_compared_by_its_text_format() -> None:
    assert fits("lightgbm-3.3.5.txt", {"lightgbm": "4.6.0"})["lightgbm"] is Fit.COMPATIBLE
    assert fits("lightgbm-4.6.0.txt", {"lightgbm": "3.3.5"})["lightgbm"] is Fit.RISKY
    assert fits("lightgbm-4.6.0.joblib.xz", {"lightgbm": "4.6.0"})["lightgbm"] is Fit.SAME


def test_onnx_is_compared_with_the_runtime_s_table() -> None:
    model = "skl2onnx.onnx"
    assert fits(model, {"onnxruntime": "1.20.0"})["onnxruntime"] is Fit.SAME
    assert fits(model, {"onnxruntime-gpu": "1.8.1"})["onnxruntime"] is Fit.IMPOSSIBLE
    assert fits(model, {"onnxruntime": "1.1.0"})["onnxruntime"] is Fit.RISKY
    newer = Artifact(format="ONNX", facts={"onnx-ir": "11", "opset ai.onnx": "23"})
    assert fit(newer, "onnxruntime", "1.20.1") is Fit.IMPOSSIBLE
    assert fit(newer, "onnxruntime", "1.23.2") is Fit.SAME
    assert fit(newer, "onnxruntime", "1.30.0") is Fit.SAME
    newest = Artifact(format="ONNX", facts={"onnx-ir": "13", "opset ai.onnx": "27"})
    assert fit(newest, "onnxruntime", "1.31.1") is Fit.IMPOSSIBLE
    assert fit(newest, "onnxruntime", "1.99.0") is Fit.RISKY


@pytest.mark.parametrize("library", ["catboost", "torch", "keras", "skops"])
def test_others_read_older_models_and_promise_nothing_of_newer_ones(library: str) -> None:
    assert fit(version(library, "2.1.0"), library, "2.1.3") is Fit.SAME
    assert fit(version(library, "2.1.0"), library, "2.2.0") is Fit.COMPATIBLE
    assert fit(version(library, "2.3.0"), library, "2.2.0") is Fit.RISKY


def test_a_version_that_is_none_is_not_compared() -> None:
    assert fit(version("scikit-learn", "???"), "scikit-learn", "1.7.2") is Fit.SAME
    assert list(compare(version("scikit-learn", "1.7.2"), {}, "3.11")) == []


def test_a_finding_gives_both_versions_the_rule_and_what_to_do(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, "sklearn-1.2.2-forest.joblib.xz", SCIKIT | {"numpy": "1.26.4"})
    assert (finding.rule.id, finding.severity) == ("KILN201", Level.ERROR)
    for part in ("scikit-learn 1.2.2", "1.7.2", "impossible", "1.3"):
        assert part in finding.message
    assert "scikit-learn==1.2.2" in finding.remedy
    assert finding.place.detail is not None
    assert "_sklearn_version" in finding.place.detail


def test_a_risky_difference_is_a_warning_and_a_compatible_one_a_note(tmp_path: Path) -> None:
    locked = SCIKIT | {"scikit-learn": "1.6.1"}
    assert [f.severity for f in findings(tmp_path, "sklearn-1.4.2-forest.joblib.xz", locked)] == [
        Level.WARNING,
        Level.NOTE,
    ]
    assert findings(tmp_path, "sklearn-1.6.1-forest.joblib.xz", locked) == []


def test_a_library_the_model_needs_must_be_locked(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, "xgboost-3.2.0.json", {"numpy": "2.3.1"})
    assert (finding.rule.id, finding.severity) == ("KILN202", Level.ERROR)
    assert "xgboost or xgboost-cpu" in finding.message
    assert findings(tmp_path, "xgboost-3.2.0.json", {"xgboost-cpu": "3.2.0"}) == []
    (finding,) = findings(tmp_path, "sklearn-1.7.2-pipeline.pkl", {"numpy": "2.3.1"})
    assert "needs scikit-learn" in finding.message
    (finding,) = findings(tmp_path, "xgboost-3.2.0.joblib.xz", {"numpy": "2.3.1"})
    assert finding.rule.id == "KILN202"


def test_a_model_compressed_with_lz4_needs_what_joblib_reads_that_with(tmp_path: Path) -> None:
    for method, content in compressed(PLAIN).items():
        subject = make_subject(tmp_path / method, files={"m.joblib": content}, locked=SCIKIT)
        found = [finding.message for finding in find_artifacts(subject) if finding.rule.id == "KILN202"]
        assert found == (["loading the model needs lz4, which is not locked"] if method == "lz4" else [])
    subject = make_subject(tmp_path, files={"m.joblib": compressed(PLAIN)["lz4"]}, locked={**SCIKIT, "lz4": "4.4.4"})
    assert [finding for finding in find_artifacts(subject) if finding.rule.id == "KILN202"] == []


def test_python_s_own_modules_are_never_missing_by_whatever_name(tmp_path: Path) -> None:
    for module in ("__builtin__", "copy_reg", "cPickle", "zoneinfo", "__main__", "functools"):
        content = program(stack_global(module, "x"))
        subject = make_subject(tmp_path, files={"m.pkl": content}, locked=SCIKIT)
        assert [finding for finding in find_artifacts(subject) if finding.rule.id == "KILN202"] == []


def test_without_a_lock_nothing_is_compared(tmp_path: Path) -> None:
    assert findings(tmp_path, "sklearn-1.2.2-forest.joblib.xz", {}) == []


def test_modules_of_wheels_and_of_the_bundle_are_there(tmp_path: Path) -> None:
    model = program(stack_global("strange", "Model") + b")\x81" + stack_global("mine", "Ours") + b"\x86")
    wheels = {"odd-name": ("1.0", {"strange.py": "class Model: ...\n"})}
    subject = make_subject(tmp_path, files={"m.pkl": model}, wheels=wheels, sources={"mine.py": b"class Ours: ...\n"})
    assert list(find_artifacts(subject)) == []
    subject = make_subject(tmp_path, files={"m.pkl": model}, wheels=wheels)
    assert ["mine" in finding.message for finding in find_artifacts(subject)] == [True]


def test_an_unknown_model_is_a_note_and_a_damaged_one_a_warning(tmp_path: Path) -> None:
    subject = make_subject(tmp_path, files={"model.xyz": b"what is this", "README.md": b"# Model", "x.ubj": b"{L\0"})
    (unknown, *rest) = list(find_artifacts(subject))
    assert (unknown.rule.id, unknown.severity, unknown.place.path) == ("KILN204", Level.NOTE, "model.xyz")
    assert {finding.place.path for finding in rest} <= {"x.ubj"}
    subject = make_subject(tmp_path, files={"m.json": b'{"learner": {'})
    (finding,) = find_artifacts(subject)
    assert (finding.rule.id, finding.severity) == ("KILN204", Level.WARNING)


def test_a_damaged_model_that_is_served_as_it_is_is_an_error_and_a_large_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = make_subject(tmp_path, files={"m.json": b'{"learner": {'})
    subject = replace(subject, bundle=replace(subject.bundle, scoring=Scoring(contract=Contract.NONE)))
    (finding,) = find_artifacts(subject)
    assert (finding.rule.id, finding.severity) == ("KILN204", Level.ERROR)
    assert "damaged" in finding.message
    (tmp_path / "m.json").write_bytes(b'{"learner": {}}' + b" " * 100)
    monkeypatch.setattr(read, "_LARGEST_TEXT", 50)
    (finding,) = find_artifacts(subject)
    assert finding.severity is Level.NOTE
    assert "too large" in finding.message


def test_what_the_rules_of_pickle_safety_tell_is_not_told_twice(tmp_path: Path) -> None:
    subject = make_subject(tmp_path, files={"m.joblib": b"x\x9c" + b"\0" * 40})
    assert [finding for finding in find_artifacts(subject) if "damaged" in finding.message] == []


def test_tensors_of_an_accelerator_are_a_note(tmp_path: Path) -> None:
    for device, count in (("cuda:0", 1), ("cpu", 0)):
        key = (
            b"(X\x07\0\0\0storage" + stack_global("torch", "FloatStorage") + b"X\x01\0\0\0000"
            + b"X" + len(device).to_bytes(4, "little") + device.encode() + b"K\x01tQ"
        )  # fmt: skip
        subject = make_subject(tmp_path, files={"m.pt": zipped({"a/data.pkl": program(key, 2)})})
        found = [finding for finding in find_artifacts(subject) if finding.rule.id == "KILN205"]
        assert len(found) == count


FREEZE = """\
# pip freeze
-e git+https://git.example.com/x#egg=x
numpy==2.1.0
scikit_learn==1.7.1
pandas==2.2.0
scipy==1.15.0
joblib==1.4.0
broken line here
other==1 ; python_version < "3.12"
"""


def test_the_training_environment_is_compared_where_it_matters(tmp_path: Path) -> None:
    model = (FIXTURES / "sklearn-1.7.2-pipeline.joblib").read_bytes()
    subject = make_subject(
        tmp_path,
        files={"m.joblib": model},
        locked=SCIKIT,
        training=FREEZE,
        sources={"score.py": b"import pandas as pd\nfrom . import x\n"},
    )
    found = {finding.message.split()[0]: finding for finding in find_artifacts(subject)}
    assert {name: finding.severity for name, finding in found.items()} == {
        "numpy": Level.WARNING,
        "pandas": Level.WARNING,
        "scikit-learn": Level.NOTE,
        "other": Level.NOTE,
    }
    assert found["numpy"].place.line == 3
    assert "scipy 1.15.0 in training, 1.16.0 in serving" in found["other"].message
    assert "joblib" in found["other"].message


def test_a_training_environment_that_is_the_same_says_nothing(tmp_path: Path) -> None:
    training = "".join(f"{name}=={pinned}\n" for name, pinned in SCIKIT.items())
    model = (FIXTURES / "sklearn-1.7.2-pipeline.joblib").read_bytes()
    subject = make_subject(tmp_path, files={"m.joblib": model}, locked=SCIKIT, training=training)
    assert list(find_artifacts(subject)) == []


def test_a_freeze_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "freeze.txt"
    path.write_text("﻿Torch==2.1.0+cu118\nlocal @ file:///x\nrange>=1\nweird===abc  # why\n")
    read = read_freeze(path)
    assert read == {"torch": ("2.1.0+cu118", 1), "weird": ("abc", 4)}
    assert find_differences(read, {"torch": "2.1.0", "weird": "abc"}) == []
    assert read_freeze(tmp_path / "gone.txt") == {}


@pytest.mark.parametrize(
    ("module", "locked", "told"),
    [
        ("imblearn.pipeline", "imbalanced-learn", []),
        ("cv2", "opencv-python", []),
        ("some_name_nobody_knows", "numpy", []),
        ("imblearn.pipeline", "numpy", ["loading the model needs imbalanced-learn, which is not locked"]),
    ],
)
def test_what_no_wheel_at_hand_tells_is_known_by_name_or_left_alone(
    tmp_path: Path, module: str, locked: str, told: list[str]
) -> None:
    model = program(stack_global(module, "Thing") + b")\x81")
    subject = make_subject(tmp_path, files={"model/m.pkl": model}, locked={locked: "1.0", "joblib": "1.5.1"})
    found = [finding for finding in find_artifacts(subject) if finding.rule.id == "KILN202"]
    assert [finding.message for finding in found] == told
    assert all(finding.remedy.startswith("add imbalanced-learn to the requirements") for finding in found)

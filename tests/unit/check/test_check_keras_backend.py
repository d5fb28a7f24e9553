"""Keras' backend: bundles where it is not locked or not named, and near-misses where it is."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from builder.check.finding import Finding
from builder.check.imports import find_imports
from builder.check.weight import find_weight
from tests.unit.check.import_subjects import make_subject, requires

KERAS = {
    "keras/__init__.py": "",
    **{f"keras/src/backend/{name}/__init__.py": "" for name in ("tensorflow", "jax", "torch", "numpy", "openvino")},
    **requires("absl-py"),
}
KERAS_2 = {"keras/__init__.py": "", "keras/src/backend.py": ""}
TENSORFLOW = {"tensorflow/__init__.py": "", **requires("gast")}
TORCH = {"torch/__init__.py": ""}
REQUIRED = {"absl-py": {"absl/__init__.py": ""}}
SCRIPT = "import keras\n"


def keras_model() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", "{}")
    return made.getvalue()


def found(tmp_path: Path, script: str = SCRIPT, *, backend: str | None = None, **given: Any) -> list[Finding]:
    wheels = {"keras": KERAS, **REQUIRED, **given.pop("wheels", {})}
    if any(files is TENSORFLOW for files in wheels.values()):
        wheels["gast"] = {"gast.py": ""}
    variables = f"\n  variables: {{KERAS_BACKEND: {backend}}}" if backend is not None else ""
    requirements = ", ".join(wheels)
    more = f'environment:\n  python: "3.11"\n  requirements: [{requirements}]{variables}\n'
    subject = make_subject(tmp_path, script, wheels=wheels, environment=more, **given)
    return [*find_imports(subject), *(one for one in find_weight(subject) if one.rule.id == "KILN708")]


def of(findings: list[Finding], rule: str) -> list[Finding]:
    return [one for one in findings if one.rule.id == rule]


@pytest.mark.parametrize(
    ("wheels", "backend"),
    [
        ({"tensorflow-cpu": TENSORFLOW}, None),
        ({"tensorflow-cpu": TENSORFLOW}, "tensorflow"),
        ({"torch": TORCH}, "torch"),
        ({"jax": {"jax/__init__.py": ""}}, "jax"),
        ({"jax": {"jax/__init__.py": ""}}, "numpy"),
        ({"keras": KERAS_2, "tensorflow": TENSORFLOW}, None),
    ],
)
@pytest.mark.parametrize("script", [SCRIPT, "def late():\n    from keras import saving\nlate()\n", "import scikeras\n"])
def test_a_backend_that_is_locked_is_reached(
    tmp_path: Path, script: str, wheels: dict[str, Any], backend: str | None
) -> None:
    around = {"scikeras": {"scikeras.py": "", **requires("keras")}} if "scikeras" in script else {}
    findings = found(tmp_path, script, wheels=wheels | around, backend=backend)
    assert of(findings, "KILN111") == []
    unreached = [one.message for one in of(findings, "KILN103")]
    assert [name for name in wheels if f"nothing imports {name}" in unreached] == []
    assert not any(name in one.message.partition("never imported")[2] for name in wheels for one in findings)


def test_a_model_of_keras_reaches_it_whatever_the_script_imports(tmp_path: Path) -> None:
    wheels = {"tensorflow-cpu": TENSORFLOW}
    assert found(tmp_path, "import importlib\n", wheels=wheels, model=keras_model())[:-1] == []
    without = of(found(tmp_path / "b", "import importlib\n", model=keras_model()), "KILN111")
    assert [str(one.severity) for one in without] == ["error"]
    other = found(tmp_path / "c", "import importlib\n", wheels=wheels)
    assert {one.message for one in of(other, "KILN103")} == {"nothing imports keras", "nothing imports tensorflow-cpu"}


def test_the_other_backend_is_not_reached(tmp_path: Path) -> None:
    findings = found(tmp_path, wheels={"tensorflow-cpu": TENSORFLOW, "torch": TORCH}, backend="torch")
    assert [one.message for one in of(findings, "KILN103")] == ["nothing imports tensorflow-cpu"]
    findings = found(tmp_path / "b", wheels={"tensorflow-cpu": TENSORFLOW, "torch": TORCH})
    assert [one.message for one in of(findings, "KILN103")] == ["nothing imports torch"]


@pytest.mark.parametrize(
    ("wheels", "backend", "message", "remedy"),
    [
        (
            {},
            None,
            "Keras computes with tensorflow unless KERAS_BACKEND names another backend, and none is locked",
            "add tensorflow-cpu to environment.requirements, then run `kiln lock`",
        ),
        (
            {"torch": TORCH},
            None,
            "torch is locked, and Keras takes tensorflow where no KERAS_BACKEND is set",
            "set environment.variables.KERAS_BACKEND to torch",
        ),
        (
            {"torch": TORCH},
            "jax",
            "Keras computes with jax as environment.variables.KERAS_BACKEND says, and jax is not locked",
            "add jax to environment.requirements, then run `kiln lock`; or name torch, which is locked",
        ),
        (
            {"torch": TORCH},
            "theano",
            "environment.variables.KERAS_BACKEND names the backend 'theano', which the locked Keras does not have",
            "name one of torch",
        ),
        (
            {"keras": KERAS_2, "torch": TORCH},
            "torch",
            "Keras computes with tensorflow unless KERAS_BACKEND names another backend, and none is locked",
            "add tensorflow-cpu to environment.requirements, then run `kiln lock`",
        ),
    ],
)
def test_what_is_missing_is_told_with_what_mends_it(
    tmp_path: Path, wheels: dict[str, Any], backend: str | None, message: str, remedy: str
) -> None:
    (finding,) = of(found(tmp_path, wheels=wheels, backend=backend), "KILN111")
    assert (finding.message, finding.remedy, str(finding.severity)) == (message, remedy, "error")
    assert finding.place.path == "bundle.yaml"
    assert finding.place.line is not None


@pytest.mark.parametrize(
    "line",
    [
        'import os\nos.environ["KERAS_BACKEND"] = "torch"\n',
        'import os\nos.environ.setdefault("KERAS_BACKEND", "torch")\n',
        'import os\nos.environ["KERAS_BACKEND"] = open("/x").read()\n',
        'import os\nos.environ.update(KERAS_BACKEND="torch")\n',
    ],
)
def test_a_script_that_names_the_backend_is_believed(tmp_path: Path, line: str) -> None:
    findings = found(tmp_path, line + SCRIPT, wheels={"torch": TORCH})
    assert of(findings, "KILN111") + of(findings, "KILN103") == []


def test_what_a_script_sets_counts_before_the_variable(tmp_path: Path) -> None:
    line = 'import os\nos.environ["KERAS_BACKEND"] = "jax"\n'
    (finding,) = of(found(tmp_path, line + SCRIPT, wheels={"torch": TORCH}, backend="torch"), "KILN111")
    assert "as the code says" in finding.message
    softly = 'import os\nos.environ.setdefault("KERAS_BACKEND", "jax")\n'
    assert of(found(tmp_path / "b", softly + SCRIPT, wheels={"torch": TORCH}, backend="torch"), "KILN111") == []


def test_keras_that_is_perhaps_imported_is_a_warning(tmp_path: Path) -> None:
    guarded = "try:\n    import keras\nexcept ImportError:\n    keras = None\n"
    assert [str(one.severity) for one in of(found(tmp_path, guarded), "KILN111")] == ["warning"]


def test_without_keras_nothing_is_told(tmp_path: Path) -> None:
    findings = found(tmp_path, "import json\n", wheels={"torch": TORCH})
    assert of(findings, "KILN111") == []

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundle_subjects import (
    EXAMPLES,
    NAMES,
    XGBOOST,
    Files,
    lock_wheel,
    loud,
    make_lock,
    read_example,
    read_subject,
    write_files,
    write_wheel,
)  # fmt: skip

from builder.check.finding import Finding
from builder.check.subject import Subject
from builder.check.weight import find_weight
from builder.check.weight_packages import accelerator_wheels, cpu_build, duplicates
from builder.check.weight_wheels import show_size, unpacked_size
from builder.lock.files import read_lock
from builder.oci.digest import Digest

YAML = """\
name: churn
version: 1.0.0
model: {path: model}
scoring: {script: score.py, sources: [lib/]}
environment: {python: "3.11", requirements: []%s}
"""
SCORE = "def load(model_dir):\n    pass\n\ndef predict(model, records):\n    return records\n"
ROWS = b"1,2,3\n" * 200_000
BYTES = bytes(range(256)) * 5000


def read(tmp_path: Path, files: Files, environment: str = "") -> Subject:
    base: Files = {
        "bundle.yaml": YAML % environment, "model/m.json": XGBOOST, "score.py": SCORE, "lib/__init__.py": ""
    }  # fmt: skip
    return read_subject(write_files(tmp_path / "bundle", {**base, **files}))


def locked(subject: Subject, wheels: Mapping[str, str], paths: Mapping[str, Path] | None = None) -> Subject:
    example, _ = read_lock(EXAMPLES / "churn")
    lock = make_lock(example, [lock_wheel(name, version, size=50_000_000) for name, version in wheels.items()])
    return replace(subject, lock=lock, wheels=paths or {})


def ids(findings: list[Finding]) -> list[str]:
    return [f"{finding.rule.id} {finding.place.path}" for finding in findings]


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_without_fault(name: str, tmp_path: Path) -> None:
    assert loud(find_weight(read_example(name, tmp_path))) == []


FILES: dict[str, tuple[str | bytes, str | None]] = {
    "lib/.DS_Store": ("x", "KILN701"),
    "lib/notes.txt~": ("x", "KILN701"),
    "lib/tests/test_features.py": ("", "KILN701"),
    "lib/test_features.py": ("", "KILN701"),
    "lib/.ipynb_checkpoints/a.py": ("", "KILN701"),
    "lib/.hg/store": ("", "KILN701"),
    "lib/mlruns/0/meta.yaml": ("", "KILN701"),
    "lib/explore.ipynb": (json.dumps({"cells": [{"outputs": [{"data": 1}]}, {"source": ""}]}), "KILN702"),
    "lib/clean.ipynb": (json.dumps({"cells": []}), "KILN702"),
    "lib/broken.ipynb": ("{", "KILN702"),
    "lib/train.csv": (ROWS, "KILN703"),
    "lib/train.parquet": (BYTES, "KILN703"),
    "lib/epoch=3.ckpt": (b"x", "KILN704"),
    "lib/checkpoint-500/trainer_state.json": ("{}", "KILN704"),
    "model/optimizer.pt": (b"x", "KILN704"),
    "model/runs/events.out.tfevents.17": (b"x", "KILN704"),
    "lib/net.pt": (BYTES, "KILN705"),
    "lib/codes.csv": ("a,b\n", None),
    "lib/testing.py": ("", None),
    "lib/latest.py": ("", None),
    "lib/contest/rows.py": ("", None),
    "lib/words.txt": (BYTES, None),
    "lib/small.joblib": (b"x", None),
    "model/net.pt": (BYTES, None),
    "model/vocab.csv": (ROWS, None),
    "model/config.json": ("{}", None),
    "train.csv": (ROWS, None),
    "tests/test_score.py": ("", None),
}


@pytest.mark.parametrize(("name", "content", "rule"), [(name, *rest) for name, rest in FILES.items()], ids=FILES)
def test_files_are_found_where_they_enter_the_image(
    name: str, content: str | bytes, rule: str | None, tmp_path: Path
) -> None:
    found = list(find_weight(read(tmp_path, {name: content})))
    assert ids(found) == ([f"{rule} {name}"] if rule else [])


def test_files_of_one_kind_are_told_together(tmp_path: Path) -> None:
    (finding,) = find_weight(read(tmp_path, {f"lib/tests/test_{n}.py": "x = 1\n" for n in range(3)}))
    assert finding.message == "a test would enter the image: lib/tests/test_0.py and 2 more (18 bytes)"


def test_a_notebook_is_told_with_its_outputs(tmp_path: Path) -> None:
    (finding,) = find_weight(read(tmp_path, {"lib/explore.ipynb": FILES["lib/explore.ipynb"][0]}))
    assert "a notebook with 1 output would" in finding.message


CUDA = {
    "nvidia-cublas-cu12": "12.8.4",
    "nvidia-nccl-cu12": "2.27",
    "torch": "2.8.0",
    "triton": "3.4.0",
    "numpy": "2.1.0",
}


def test_cuda_without_an_accelerator_is_told_with_the_build_for_cpus(tmp_path: Path) -> None:
    (finding,) = find_weight(locked(read(tmp_path, {}), CUDA))
    assert (finding.rule.id, finding.place.detail) == ("KILN706", "environment.requirements")
    assert finding.message.startswith(
        "3 packages for accelerators, 150 MB, and nothing asks for one: nvidia-cublas-cu12"
    )
    assert "CPU builds" in finding.remedy


@pytest.mark.parametrize(
    ("wheels", "instead"),
    [
        ({"xgboost": "3.0.0", "nvidia-nccl-cu12": "2.27"}, "xgboost-cpu"),
        ({"onnxruntime-gpu": "1.22"}, "onnxruntime"),
        ({"torch": "2.8.0+cu128"}, "CPU builds"),
        ({"cupy-cuda12x": "13.0"}, "CPUs"),
    ],
)
def test_each_library_has_its_own_build_for_cpus(wheels: dict[str, str], instead: str, tmp_path: Path) -> None:
    (finding,) = find_weight(locked(read(tmp_path, {}), wheels))
    assert finding.rule.id == "KILN706"
    assert instead in finding.remedy


@pytest.mark.parametrize(
    "environment",
    [
        ", variables: {NVIDIA_VISIBLE_DEVICES: all}",
        ", variables: {CUDA_VISIBLE_DEVICES: '0'}",
        ", base: registry.corp.net/nvidia/cuda:12.8.0-runtime",
    ],
)
def test_cuda_with_an_accelerator_is_left_alone(environment: str, tmp_path: Path) -> None:
    assert list(find_weight(locked(read(tmp_path, {}, environment), CUDA))) == []


@pytest.mark.parametrize(
    "wheels",
    [
        {"xgboost-cpu": "3.4.0"}, {"torch": "2.8.0+cpu"}, {"onnxruntime": "1.22"}, {"tensorflow-cpu": "2.19"},
        {"nvidiable": "1.0"}, {"focus-cu": "1.0"},
    ],
)  # fmt: skip
def test_builds_for_cpus_are_left_alone(wheels: dict[str, str], tmp_path: Path) -> None:
    assert list(find_weight(locked(read(tmp_path, {}), wheels))) == []


def test_one_library_twice_is_found(tmp_path: Path) -> None:
    wheels = {"opencv-python": "4.12", "opencv-python-headless": "4.12", "numpy": "2.1"}
    (finding,) = find_weight(locked(read(tmp_path, {}), wheels))
    assert finding.rule.id == "KILN707"
    assert finding.message == "opencv-python and opencv-python-headless install the same modules"
    assert finding.remedy.startswith("keep opencv-python-headless")


@pytest.mark.parametrize("names", [("opencv-python-headless",), ("numpy", "pandas"), ("xgboost-cpu", "lightgbm")])
def test_different_libraries_are_no_duplicates(names: tuple[str, ...]) -> None:
    assert duplicates(names) == ()


def test_the_size_is_a_note_of_unpacked_wheels(tmp_path: Path) -> None:
    paths = {
        "big": write_wheel(tmp_path, "big", {"big.py": "x" * 3_000_000}),
        "small": write_wheel(tmp_path, "small", {"small.py": "x" * 1500}),
    }
    subject = read(tmp_path, {"score.py": f"import big\nimport small\n{SCORE}"})
    (finding,) = find_weight(locked(subject, {"big": "1.0", "small": "1.0"}, paths))
    assert (finding.rule.id, str(finding.severity)) == ("KILN708", "note")
    assert finding.message == (
        "the packages weigh 3.0 MB and the model 29 bytes; the heaviest: big 3.0 MB, small 1.5 kB"
    )


def test_what_is_never_imported_is_named_with_its_weight(tmp_path: Path) -> None:
    paths = {name: write_wheel(tmp_path, name, {f"{name}.py": "x" * 2_000_000}) for name in ("used", "unused")}
    subject = read(tmp_path, {"score.py": f"import used\n{SCORE}"})
    (finding,) = find_weight(locked(subject, {"used": "1.0", "unused": "1.0"}, paths))
    assert finding.message.endswith("; never imported, 2.0 MB: unused 2.0 MB")
    assert finding.remedy == "take what is never imported out of the requirements"


def test_code_that_cannot_be_read_makes_nothing_unused(tmp_path: Path) -> None:
    paths = {"unused": write_wheel(tmp_path, "unused", {"unused.py": "x" * 2_000_000})}
    subject = read(tmp_path, {"score.py": f"import lib.broken\n{SCORE}", "lib/broken.py": "def (:"})
    (finding,) = find_weight(locked(subject, {"unused": "1.0"}, paths))
    assert "never imported" not in finding.message


def test_sizes_are_remembered_by_digest(tmp_path: Path) -> None:
    class Notes:
        def __init__(self) -> None:
            self.values: dict[str, Any] = {}

        def get(self, key: Any) -> Any | None:
            return self.values.get(repr(key))

        def put(self, key: Any, value: Any) -> None:
            self.values[repr(key)] = value

    notes, digest = Notes(), Digest.of(b"wheel")
    wheel = write_wheel(tmp_path, "w", {"a.py": "12345"})
    assert unpacked_size(wheel, digest, notes) == 5
    wheel.unlink()
    assert unpacked_size(wheel, digest, notes) == 5
    assert unpacked_size(wheel, digest) is None


def test_what_is_no_wheel_weighs_what_the_lock_says(tmp_path: Path) -> None:
    broken = tmp_path / "broken.whl"
    broken.write_bytes(b"PK nothing")
    (finding,) = find_weight(locked(read(tmp_path, {}), {"broken": "1.0"}, {"broken": broken}))
    assert "broken 50.0 MB" in finding.message


def test_accelerators_are_known_by_name_or_local_version() -> None:
    wheels = [lock_wheel(name, version) for name, version in {**CUDA, "torchvision": "0.23+rocm6"}.items()]
    assert {wheel.name for wheel in accelerator_wheels(wheels)} == set(CUDA) - {"torch", "numpy"} | {"torchvision"}
    assert cpu_build([lock_wheel("numpy")]) is None


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (252_000_000, "252 MB"), (2_560_000_000, "2.56 GB")],
)
def test_sizes_are_shown_as_people_read_them(size: int, text: str) -> None:
    assert show_size(size) == text

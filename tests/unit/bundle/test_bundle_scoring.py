from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.faults import Faults
from builder.bundle.files import BundleFiles
from builder.bundle.framework import ModelReading
from builder.bundle.model import Contract, Framework
from builder.bundle.scoring import read_model, read_scoring
from builder.bundle.yaml_document import read_document

OURS = "def load(d): ...\ndef predict(m, r): ...\n"
KNOWN = ModelReading(framework=Framework.XGBOOST, format="XGBoost JSON", is_servable=True)
UNKNOWN = ModelReading(framework=Framework.CUSTOM, format="unknown", is_servable=False)

Make = Callable[[dict[str, str]], BundleFiles]


@pytest.fixture
def files(tmp_path: Path) -> Make:
    def make(contents: dict[str, str]) -> BundleFiles:
        for name, text in contents.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return BundleFiles(tmp_path.resolve(), Faults(read_document(b"model: {path: m}\n", name="bundle.yaml")))

    return make


def facts(found: BundleFiles) -> list[str]:
    return [fault.fact for fault in found.faults.in_order()]


def test_a_model_file_is_found_and_told(files: Make) -> None:
    path, reading = read_model({"path": "./model/m.json"}, files({"model/m.json": '{"learner":{}}'}))
    assert path == "model/m.json"
    assert reading == KNOWN


def test_an_empty_model_file_is_a_fault(files: Make) -> None:
    found = files({"m": ""})
    assert read_model({"path": "m"}, found) == (None, None)
    assert facts(found) == ["model file is empty"]


def test_a_model_folder_without_files_is_a_fault(files: Make) -> None:
    found = files({"other": "x"})
    (found.root / "m" / "deep").mkdir(parents=True)
    assert read_model({"path": "m"}, found) == (None, None)
    assert facts(found) == ["model folder is empty"]


def test_a_missing_model_is_a_fault(files: Make) -> None:
    found = files({})
    assert read_model({"path": "m"}, found) == (None, None)
    assert facts(found) == ["no such file or folder"]


def test_no_script_serves_a_known_model(files: Make) -> None:
    scoring, _ = read_scoring(None, KNOWN, files({}), python="3.11")
    assert scoring is not None
    assert (scoring.contract, scoring.script, scoring.sources) == (Contract.NONE, None, ())


def test_no_script_does_not_serve_an_unknown_model(files: Make) -> None:
    found = files({})
    read_scoring(None, UNKNOWN, found, python="3.11")
    (fault,) = found.faults.in_order()
    assert "needs a scoring script" in fault.fact
    assert fault.at == "bundle.yaml:1 model.path"
    assert fault.got == "unknown"


def test_script_and_sources_are_read(files: Make) -> None:
    found = files({"src/score.py": OURS, "lib/a.py": "", "b.txt": ""})
    part = {"script": "src/score.py", "sources": ["lib/", "./b.txt"]}
    scoring, warnings = read_scoring(part, UNKNOWN, found, python="3.11")
    assert scoring is not None
    assert (scoring.contract, scoring.script, scoring.sources) == (Contract.PREDICT, "src/score.py", ("lib", "b.txt"))
    assert warnings == ()


@pytest.mark.parametrize(
    ("part", "fact"),
    [
        ({"script": "score.txt"}, "scoring script is not a Python file"),
        ({"script": "lib"}, "path is not a file"),
        ({"script": "gone.py"}, "no such file or folder"),
        ({"script": "empty.py"}, "script keeps no scoring contract"),
        ({"script": "score.py", "sources": ["../out"]}, "path leaves the bundle by '..'"),
    ],
)
def test_a_script_that_cannot_be_used_says_why(files: Make, part: dict[str, Any], fact: str) -> None:
    found = files({"score.txt": OURS, "lib/a.py": "", "empty.py": "", "score.py": OURS})
    read_scoring(part, KNOWN, found, python=None)
    assert facts(found) == [fact]

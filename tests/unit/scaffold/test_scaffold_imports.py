from __future__ import annotations

from pathlib import Path

from builder.scaffold.imports import distribution_of, parse, read_imports, strings_of
from tests.support.foreign import write


def test_own_modules_are_followed_and_others_named_by_their_distribution(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "score.py": "import json\nimport yaml\nfrom features import frame\nfrom lib.deep import x\n",
            "features.py": "import pandas\n",
            "lib/deep.py": "from PIL import Image\n",
        },
    )
    found = read_imports(tmp_path, "score.py")
    assert found.distributions == {"pyyaml": "score.py:2", "pandas": "features.py:1", "pillow": "lib/deep.py:1"}
    assert found.sources == ["features.py", "lib"]


def test_an_import_whose_absence_is_caught_is_not_required(tmp_path: Path) -> None:
    write(tmp_path, {"score.py": "try:\n    import torch\nexcept ImportError:\n    torch = None\n"})
    assert read_imports(tmp_path, "score.py").distributions == {}


def test_relative_imports_stay_in_the_bundle(tmp_path: Path) -> None:
    write(tmp_path, {"app/score.py": "from .shape import x\n", "app/shape.py": "import numpy\n"})
    assert list(read_imports(tmp_path, "app/score.py").distributions) == ["numpy"]


def test_modules_the_image_stands_in_for_need_no_distribution() -> None:
    assert distribution_of("azureml.contrib.services.aml_request") is None
    assert distribution_of("os.path") is None
    assert distribution_of("xgboost") == "xgboost-cpu"


def test_parts_of_a_namespace_are_named_by_what_is_taken_of_them(tmp_path: Path) -> None:
    lines = ["from google.cloud import bigquery", "from opentelemetry import trace", "from azure.ai.ml import MLClient"]
    write(tmp_path, {"score.py": "\n".join([*lines, "import google.cloud"]) + "\n"})
    assert list(read_imports(tmp_path, "score.py").distributions) == [
        "google-cloud-bigquery",
        "opentelemetry-api",
        "azure-ai-ml",
    ]


def test_paths_are_joined_as_the_code_joins_them(tmp_path: Path) -> None:
    code = 'os.path.join(root, "model", "a.pkl")\nPath(x) / "weights" / "b.pt"\nopen("c.txt")\n'
    (tmp_path / "score.py").write_text(code)
    tree = parse(tmp_path / "score.py")
    assert tree is not None
    assert {"model/a.pkl", "weights/b.pt", "c.txt"} <= set(strings_of(tree))


def test_a_module_nobody_knows_is_no_distribution_of_its_own_name(tmp_path: Path) -> None:
    write(tmp_path, {"score.py": "import functools\nimport acme_features.text\nimport pandas\nimport bayes_opt\n"})
    found = read_imports(tmp_path, "score.py")
    assert list(found.distributions) == ["pandas", "bayesian-optimization"]
    assert found.unknown == {"acme_features": "score.py:2"}


def test_modules_that_are_needed_besides_are_followed_too(tmp_path: Path) -> None:
    write(tmp_path, {"classes.py": "import yaml\nfrom deeper import x\n", "deeper.py": "import cv2\n"})
    found = read_imports(tmp_path, "score.py", also=("classes", "absent"))
    assert found.sources == ["classes.py", "deeper.py"]
    assert found.own == {"classes", "deeper"}
    assert list(found.distributions) == ["pyyaml", "opencv-python-headless"]


def test_a_script_that_is_no_python_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def (")
    assert read_imports(tmp_path, "score.py").distributions == {}

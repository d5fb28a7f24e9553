"""Models without a script, from a real bundle and by the real worker, against what their own library predicts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import builder.runtime
from builder.bundle.model import Bundle
from builder.bundle.parser import load_bundle
from builder.plan.document import bundle_document
from builder.runtime.wire import OK, REFUSED
from tests.support.bundles import AMD64, make_inventory, make_lock
from tests.support.environments import FrameworkEnvironment, make_environment
from tests.support.real_worker import make_root, working

pytestmark = pytest.mark.package_index

MAKER = Path(__file__).resolve().parents[1] / "support" / "known_models.py"
TABLES = (
    "scikit-learn==1.7.2",
    "pandas==2.3.3",
    "skops==0.16.0",
    "xgboost-cpu==3.2.0",
    "lightgbm==4.6.0",
    "catboost==1.2.10",
    "onnx",
    "onnxruntime",
    "skl2onnx",
    "mlflow-skinny",
)
TORCH = ("torch==2.13.0", "numpy")
FRAMEWORKS = {
    "sklearn": ("joblib", "pickle", "unnamed", "skops"),
    "xgboost": ("json", "ubj", "linear.json", "categories", "codes"),
    "lightgbm": ("text", "categories"),
    "catboost": ("classes", "RMSE", "Poisson", "three"),
    "onnx": ("classifier-zipmap", "classifier-tensor", "regressor", "named", "arrays"),
    "mlflow": ("sklearn", "xgboost", "lightgbm", "narrow"),
    "torch": ("script", "export-dynamic", "export-fixed", "words"),
}
CASES = [f"{framework}-{name}" for framework, names in FRAMEWORKS.items() for name in names]


@pytest.fixture(scope="session")
def tables(kiln_home: Path) -> FrameworkEnvironment:
    return make_environment(kiln_home, *TABLES)


@pytest.fixture(scope="session")
def torch(kiln_home: Path) -> FrameworkEnvironment:
    return make_environment(kiln_home, *TORCH)


@pytest.fixture(scope="session")
def models(
    tables: FrameworkEnvironment, torch: FrameworkEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[FrameworkEnvironment, Path]]:
    """Train every model, and return the environment and folder of each."""
    out = tmp_path_factory.mktemp("models")
    found = {}
    for kind, environment in (("tables", tables), ("torch", torch)):
        environment.run(MAKER.read_text(), out / kind, kind)
        found |= {folder.name: (environment, folder) for folder in (out / kind).iterdir()}
    return found


def read_case(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "case.json").read_text()))


def make_bundle(folder: Path, case: dict[str, Any], requirements: tuple[str, ...] = ()) -> Bundle:
    document: dict[str, Any] = {
        "name": "model",
        "version": "1.0.0",
        "model": {"path": case["path"]},
        "environment": {"python": "3.11", "requirements": list(requirements)},
    }
    if case["schema"] is not None:
        document["schema"] = {"request": case["schema"]}
    (folder / "bundle.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return load_bundle(folder)


def install(bundle: Bundle, root: Path, packages: Path) -> Path:
    """Lay out what an image of the bundle has."""
    document = bundle_document(
        bundle, make_lock(), make_inventory(), platform=AMD64, training_environment=None, kiln_version="0"
    )
    document["model"]["files"] = []
    make_root(root, packages=packages, **json.loads(json.dumps(document)))
    origin, target = bundle.root / bundle.model.path, root / "opt/model/model" / bundle.model.basename
    if origin.is_dir():
        shutil.copytree(origin, target)
    else:
        shutil.copy(origin, target)
    return root


def test_every_trained_model_is_tried(models: dict[str, Any]) -> None:
    assert sorted(models) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_model_without_a_script_predicts_what_its_library_does(
    models: dict[str, tuple[FrameworkEnvironment, Path]], tmp_path: Path, name: str
) -> None:
    environment, folder = models[name]
    case = read_case(folder)
    bundle = make_bundle(folder, case)
    assert bundle.model.framework == name.partition("-")[0]
    with working(install(bundle, tmp_path / "root", environment.packages)) as worker:
        found = worker.predict(case["records"])
        assert_same(found, case["expected"])
        # Alone as in a crowd: what comes with a record does not change its prediction.
        assert_same([worker.predict([record])[0] for record in case["records"][:3]], case["expected"][:3])
        assert not [line for line in worker.log if line.get("level") in ("warning", "error")], worker.log


def test_a_category_of_no_training_is_refused_by_xgboost_and_missing_to_lightgbm(
    models: dict[str, tuple[FrameworkEnvironment, Path]], tmp_path: Path
) -> None:
    for name, wanted in (("xgboost-categories", REFUSED), ("lightgbm-categories", OK)):
        environment, folder = models[name]
        case = read_case(folder)
        bundle = make_bundle(folder, case)
        good = case["records"][0]
        bad = good | {"region": "nowhere"}
        with working(install(bundle, tmp_path / name, environment.packages)) as worker:
            ((first, _), (second, value)) = worker.score([[good], [good, bad]])
            assert (first, second) == (OK, wanted)
            if wanted == REFUSED:
                assert [(number, field, given) for number, field, given, _, _ in value] == [(1, "region", "nowhere")]
            assert not [line for line in worker.log if line.get("level") in ("warning", "error")], worker.log


@pytest.mark.parametrize("name", [f"mlflow-{name}" for name in ("sklearn", "xgboost", "lightgbm", "narrow")])
def test_an_mlflow_model_is_served_without_mlflow_too(
    models: dict[str, tuple[FrameworkEnvironment, Path]], tmp_path: Path, name: str
) -> None:
    environment, folder = models[name]
    case = read_case(folder)
    bundle = make_bundle(folder, case)
    assert bundle.schemas.request is not None
    packages = tmp_path / "packages"
    packages.mkdir()
    for path in environment.packages.iterdir():
        if not path.name.startswith("mlflow"):
            (packages / path.name).symlink_to(path)
    with working(install(bundle, tmp_path / "root", packages)) as worker:
        assert_same(worker.predict(case["records"]), case["expected"])


def assert_same(found: Any, expected: Any) -> None:
    """Numbers may differ by what another order of adding up float32 makes of them."""
    if isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-7)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, dict):
        assert set(found) == set(expected)
        for key, value in expected.items():
            assert_same(found[key], value)
    else:
        assert found == expected


def test_every_estimator_of_scikit_learn_predicts_over_an_array_what_it_does_over_a_frame(
    tables: FrameworkEnvironment,
) -> None:
    script = MAKER.with_name("sklearn_paths.py").read_text()
    found = json.loads(tables.run(script, Path(builder.runtime.__file__).parent).splitlines()[-1])
    assert found["differ"] == []
    assert len(found["array"]) > 120
    assert {"LogisticRegression", "RandomForestClassifier", "StackingClassifier", "StandardScaler"} <= {*found["array"]}
    assert "FunctionTransformer" in found["frame"]

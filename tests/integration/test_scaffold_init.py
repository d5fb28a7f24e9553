"""From a model file alone, and from other tools' folders, to a tested image."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support import foreign
from tests.support.docker_registry import docker_registry
from tests.support.kiln import Kiln

ARTIFACTS = Path(__file__).resolve().parents[1] / "fixtures" / "artifacts"

pytestmark = [pytest.mark.namespaces, pytest.mark.package_index, pytest.mark.mirror]


def fire(kiln: Kiln, bundle: Path) -> dict[str, object]:
    """Lock, build and test a bundle, and return its smoke report."""
    kiln("lock", bundle)
    kiln("build", bundle)
    report = kiln("test", bundle, "--runner", "namespaces", "--json").json
    assert report["passed"]
    return dict(report)


@pytest.mark.parametrize("model", [foreign.CHURN, foreign.FRAUD, foreign.TRIAGE], ids=lambda path: path.stem)
def test_a_model_file_alone_becomes_a_tested_image(kiln: Kiln, tmp_path: Path, model: Path) -> None:
    shutil.copy(model, tmp_path)
    made = kiln("init", tmp_path / model.name, "--json").json
    assert made["fill_in"] == []
    checked = kiln("check", tmp_path, "--json").json
    assert checked["counts"] == {"error": 0, "warning": 0, "note": checked["counts"]["note"]}
    report = fire(kiln, tmp_path)
    names = [test["name"] for test in report["tests"]]  # type: ignore[attr-defined]
    assert "a made-up record is accepted" in names
    assert any(name.endswith("is refused") for name in names)


@pytest.mark.parametrize("name", ["lightgbm-4.6.0.txt", "skl2onnx.onnx", "sklearn-1.7.2-pipeline.skops"])
def test_a_real_model_of_a_format_becomes_a_tested_image_without_a_script(
    kiln: Kiln, tmp_path: Path, name: str
) -> None:
    shutil.copy(ARTIFACTS / name, tmp_path)
    assert kiln("init", tmp_path / name, "--json").json["fill_in"] == []
    fire(kiln, tmp_path)


def test_an_mlflow_model_becomes_a_tested_image_without_mlflow(kiln: Kiln, tmp_path: Path) -> None:
    kiln("init", foreign.mlflow_sklearn(tmp_path / "churn"))
    fire(kiln, tmp_path / "churn")


def test_a_truss_becomes_a_tested_image(kiln: Kiln, tmp_path: Path) -> None:
    kiln("init", foreign.truss(tmp_path / "truss"))
    fire(kiln, tmp_path / "truss")


def test_a_folder_with_a_script_becomes_a_tested_image(kiln: Kiln, tmp_path: Path) -> None:
    folder = foreign.example_folder("churn", tmp_path / "churn")
    ran = kiln("init", folder)
    assert ran.last_line == str(folder.resolve() / "bundle.yaml")
    assert "guessed" in ran.stderr
    fire(kiln, folder)


def test_what_is_to_be_filled_in_is_said_and_is_no_failure(kiln: Kiln, tmp_path: Path) -> None:
    ran = kiln("init", foreign.bento(tmp_path / "bento"))
    assert "fill in:" in ran.stderr
    assert "model.path" in ran.stderr
    assert "next:" not in ran.stderr
    refused = kiln("check", tmp_path / "bento", code=3)
    assert "model.path" in refused.stderr


def test_an_empty_folder_and_a_file_in_the_way_are_usage_errors(kiln: Kiln, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "cog.yaml" in kiln("init", tmp_path / "empty", code=2).stderr
    folder = foreign.example_folder("fraud", tmp_path / "fraud")
    (folder / "bundle.yaml").write_text("mine")
    refused = kiln("init", folder, "--json", code=2)
    assert refused.json["faults"][0]["at"].endswith("bundle.yaml")
    assert (folder / "bundle.yaml").read_text() == "mine"


def test_the_checklist_follows_a_bundle_to_its_release(kiln: Kiln, churn: Path) -> None:
    before = states(kiln("checklist", churn, "--json").json)
    assert before["smoke-test"] == "missing"
    assert before["health-probe"] == "missing"
    kiln("image", churn, "--runner", "namespaces")
    text = (churn / "bundle.yaml").read_text() + "\nrelease: {rollback: 0.9.0}\n"
    (churn / "bundle.yaml").write_text(text)
    kiln("image", churn, "--runner", "namespaces")
    made = kiln("checklist", churn, "--json", "--strict").json
    after = states(made)
    assert after.pop("pushed") == "manual"
    assert after.pop("rollback-target") == "manual"
    assert set(after.values()) == {"automated"}
    image = json.loads((churn / "build/image.json").read_text())["image_id"]
    smoke = next(point for point in made["points"] if point["id"] == "smoke-test")
    assert image in [one["value"] for one in smoke["evidence"]]
    (churn / "score.py").write_text((churn / "score.py").read_text() + "\n# changed\n")
    assert states(kiln("checklist", churn, "--json").json)["smoke-test"] == "missing"
    kiln("checklist", churn, "--strict", code=15)


@pytest.mark.registry
def test_the_checklist_believes_the_registry_and_nobody_else(kiln: Kiln, churn: Path, tmp_path: Path) -> None:
    text = (churn / "bundle.yaml").read_text()
    (churn / "bundle.yaml").write_text(text.replace("version: 1.0.0", "version: 0.9.0", 1))
    with docker_registry(tmp_path) as registry:
        where = f"{registry.host}/models"
        kiln("image", churn, "--runner", "namespaces")
        kiln("push", churn, where)
        (churn / "bundle.yaml").write_text(f"{text}\nrelease: {{rollback: 0.9.0}}\n")
        kiln("image", churn, "--runner", "namespaces")
        before = states(kiln("checklist", churn, "--registry", where, "--json").json)
        assert before["pushed"] == "missing"
        assert before["rollback-target"] == "automated"
        kiln("push", churn, where)
        after = kiln("checklist", churn, "--registry", where, "--json", "--strict").json
        assert after["counts"] == {"automated": len(after["points"]), "manual": 0, "missing": 0}


def states(made: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {point["id"]: point["state"] for point in made["points"]}

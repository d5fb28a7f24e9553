from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from compare_images import image_of, tar_of

from builder.bundle.model import BundleFile, Framework, Model
from builder.compare.recorded import take_out
from builder.errors import EngineError, LockDriftError, UsageError
from builder.oci.digest import Digest
from builder.plan.compile import LockedTexts, compile_plan
from builder.plan.model import Plan, TextSource
from tests.support.bundles import AMD64, make_bundle, make_inventory, make_lock

MODEL = b"the model"
CODE = b"def predict(): ...\n"
TEXTS = LockedTexts(requirements="numpy==2.3.1\n", server="msgspec==0.22.0\n", training_environment="a==1\n\n# b\n")


def file(path: str, content: bytes, *, is_executable: bool = False) -> BundleFile:
    return BundleFile(path=path, digest=Digest.of(content), size=len(content), is_executable=is_executable)


INVENTORY = make_inventory(
    model=(file("deep/model/a/x.bin", MODEL),),
    code=(file("src/score.py", CODE, is_executable=True),),
)
BUNDLE = make_bundle(
    model=replace(make_bundle().model, path="deep/model/a", framework=Framework.XGBOOST),
    scoring=replace(make_bundle().scoring, script="src/score.py"),
)


def planned() -> Plan:
    return compile_plan(BUNDLE, make_lock(), INVENTORY, platform=AMD64, texts=TEXTS, kiln_version="0.1.0")


def texts() -> dict[str, bytes]:
    return {
        source.path: source.text.encode() for source in planned().layers[-1].sources if isinstance(source, TextSource)
    }


def image_layers(**changes: bytes) -> list[tuple[str, bytes]]:
    return [
        ("base x: x", tar_of({"etc/x": b""})),
        ("model: model: a", tar_of({"opt/model/model/a/x.bin": MODEL})),
        ("code: scoring code", tar_of({"opt/model/code/src/score.py": CODE}, mode=0o755)),
        ("configuration: bundle.json and locks", tar_of(texts() | changes)),
    ]


def test_the_plan_of_recorded_sources_is_the_plan_of_the_bundle(tmp_path: Path) -> None:
    recorded = take_out(image_of(tmp_path / "image", image_layers()), tmp_path / "out")
    again = compile_plan(
        recorded.bundle,
        recorded.lock,
        recorded.inventory(INVENTORY.runtime),
        platform=AMD64,
        texts=LockedTexts(
            requirements=recorded.requirements,
            server=TEXTS.server,
            training_environment=recorded.training_environment,
        ),
        kiln_version=recorded.kiln_version,
    )
    assert again.to_dict() == planned().to_dict()
    assert again.digest == planned().digest
    assert (tmp_path / "out" / "deep/model/a/x.bin").read_bytes() == MODEL
    assert (tmp_path / "out" / "src/score.py").read_bytes() == CODE


def test_an_image_that_records_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not record what it was built from"):
        take_out(image_of(tmp_path / "image", image_layers()[:3]), tmp_path / "out")


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", ""])
def test_a_recorded_path_never_leads_out(tmp_path: Path, path: str) -> None:
    document = json.loads(texts()["opt/model/bundle.json"])
    document["model"]["source"] = path
    layers = image_layers(**{"opt/model/bundle.json": json.dumps(document).encode()})
    with pytest.raises(UsageError, match="cannot be read"):
        take_out(image_of(tmp_path / "image", layers), tmp_path / "out")
    assert not (tmp_path / "x").exists()


def test_a_layer_that_leads_out_is_refused(tmp_path: Path) -> None:
    layers = [*image_layers(), ("code: more", tar_of({"opt/model/code/../../../../x": b""}))]
    with pytest.raises(EngineError, match="leads out"):
        take_out(image_of(tmp_path / "image", layers), tmp_path / "out")


def test_a_recorded_lock_that_is_malformed_is_refused(tmp_path: Path) -> None:
    layers = image_layers(**{"opt/model/lock/bundle.lock": b"{}"})
    with pytest.raises(LockDriftError):
        take_out(image_of(tmp_path / "image", layers), tmp_path / "out")


def test_a_model_that_is_a_single_file_keeps_its_place(tmp_path: Path) -> None:
    bundle = make_bundle(model=Model(path="m.bin", framework=Framework.CUSTOM))
    inventory = make_inventory(model=(file("m.bin", MODEL),), code=(file("score.py", CODE),))
    plan = compile_plan(bundle, make_lock(), inventory, platform=AMD64, texts=TEXTS, kiln_version="0.1.0")
    config = {source.path: source.text.encode() for source in plan.layers[-1].sources if isinstance(source, TextSource)}
    layers = [("model: m", tar_of({"opt/model/model/m.bin": MODEL})), ("configuration: c", tar_of(config))]
    assert take_out(image_of(tmp_path / "i", layers), tmp_path / "out").model == (file("m.bin", MODEL),)

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.model import Bundle, Inventory, Schemas, Scoring
from builder.bundle.model import Contract as BundleContract
from builder.errors import PlanError
from builder.lock.model import Lock
from builder.plan.compile import WEIGHTS, WHEEL_LAYER_BUDGET, LockedTexts, compile_plan
from builder.plan.model import FileSource, Plan, Purpose, TextSource, WheelSource
from tests.support.bundles import (
    AMD64,
    ARM64,
    make_bundle,
    make_deb,
    make_file,
    make_inventory,
    make_lock,
    make_wheel,
)

TEXTS = LockedTexts(
    requirements="numpy==2.3.1\n", server="msgspec==0.22.0\n", training_environment="numpy==2.3.1\n\n# x\n"
)


def plan_of(
    bundle: Bundle | None = None, lock: Lock | None = None, inventory: Inventory | None = None, **changes: Any
) -> Plan:
    arguments = {"platform": AMD64, "texts": TEXTS, "kiln_version": "0.1.0"} | changes
    return compile_plan(bundle or make_bundle(), lock or make_lock(), inventory or make_inventory(), **arguments)


def document_of(plan: Plan) -> dict[str, Any]:
    source = next(source for source in plan.layers[-1].sources if isinstance(source, TextSource))
    return json.loads(source.text)


def titles(plan: Plan) -> list[tuple[str, str]]:
    return [(str(layer.purpose), layer.title) for layer in plan.layers]


def test_layers_stand_in_the_order_of_how_often_they_change() -> None:
    assert titles(plan_of()) == [
        ("runtime", "server dependencies"),
        ("runtime", "server, worker and probe"),
        ("dependencies", "numpy 2.3.1"),
        ("dependencies", "scikit-learn 1.7.2"),
        ("dependencies", "2 small dependencies"),
        ("model", "model/churn.joblib"),
        ("code", "scoring script, bundle.json and locks"),
    ]


def test_system_packages_stand_on_the_base() -> None:
    lock = make_lock()
    lock = replace(lock, platforms=(replace(lock.platforms[0], system_packages=(make_deb("libgomp1"),)),))
    assert titles(plan_of(lock=lock))[0] == ("system", "libgomp1")


def test_a_plan_does_not_depend_on_where_the_bundle_is() -> None:
    here = plan_of(make_bundle(Path("/somewhere")))
    there = plan_of(make_bundle(Path("/else/where")))
    assert here.digest == there.digest
    assert "/somewhere" not in json.dumps(here.to_dict())


def test_changing_code_changes_one_layer_only() -> None:
    before = plan_of()
    after = plan_of(inventory=make_inventory(code=(make_file("score.py", 101),)))
    changed = [a.title for a, b in zip(before.layers, after.layers, strict=True) if a.key != b.key]
    assert changed == ["scoring script, bundle.json and locks"]


def test_equal_dependencies_have_equal_keys_in_different_bundles() -> None:
    other = make_bundle(name="fraud", version="2.0.0")
    keys = [layer.key for layer in plan_of().layers if layer.purpose is Purpose.DEPENDENCIES]
    assert keys == [layer.key for layer in plan_of(other).layers if layer.purpose is Purpose.DEPENDENCIES]


def test_at_most_the_budget_of_wheels_get_layers_of_their_own_largest_first() -> None:
    wheels = tuple(make_wheel(f"wheel{n:03}", size=(2 << 20) + n) for n in range(WHEEL_LAYER_BUDGET + 10))
    lock = make_lock()
    lock = replace(lock, platforms=(replace(lock.platforms[0], wheels=wheels),))
    layers = [layer for layer in plan_of(lock=lock).layers if layer.purpose is Purpose.DEPENDENCIES]
    assert len(layers) == WHEEL_LAYER_BUDGET + 1
    shared = [source.wheel.name for source in layers[-1].sources if isinstance(source, WheelSource)]
    assert shared == [f"wheel{n:03}" for n in range(10)]


def test_the_model_keeps_its_basename_and_heavy_files_get_layers_of_their_own() -> None:
    bundle = make_bundle()
    bundle = replace(bundle, model=replace(bundle.model, path="artifacts/net"))
    files = (make_file("artifacts/net/config.json"), make_file("artifacts/net/weights.bin", WEIGHTS))
    layers = [
        layer for layer in plan_of(bundle, inventory=make_inventory(model=files)).layers if layer.purpose == "model"
    ]
    paths = [[source.path for source in layer.sources if isinstance(source, FileSource)] for layer in layers]
    assert paths == [["opt/model/model/net/weights.bin"], ["opt/model/model/net/config.json"]]


def test_a_model_file_at_the_top_of_the_bundle_keeps_its_name() -> None:
    bundle = make_bundle()
    bundle = replace(bundle, model=replace(bundle.model, path="fraud.json"))
    plan = plan_of(bundle, inventory=make_inventory(model=(make_file("fraud.json"),)))
    [layer] = [layer for layer in plan.layers if layer.purpose is Purpose.MODEL]
    assert [source.path for source in layer.sources if isinstance(source, FileSource)] == ["opt/model/model/fraud.json"]


def test_a_bundle_without_a_script_has_no_code_layer() -> None:
    bundle = make_bundle(scoring=Scoring(contract=BundleContract.NONE))
    plan = plan_of(bundle, inventory=make_inventory(code=()))
    assert Purpose.CODE not in {layer.purpose for layer in plan.layers}
    assert document_of(plan)["scoring"] == {"contract": "none", "script": None}


def test_two_sources_for_one_path_are_refused_all_at_once() -> None:
    files = (make_file("a.py"), make_file("a.py"), make_file("b.py"), make_file("b.py"))
    with pytest.raises(PlanError) as caught:
        plan_of(inventory=make_inventory(code=files))
    assert [fault.at for fault in caught.value.faults] == ["/opt/model/code/a.py", "/opt/model/code/b.py"]


def test_the_configuration_is_hardened_and_complete() -> None:
    config = plan_of().config
    assert config.user == "10001:0"
    assert config.entrypoint == ("/usr/bin/python3.11", "-I", "-S", "/opt/kiln/kiln_runtime/entry.py")
    assert config.cmd == ("auto",)
    assert config.exposed_ports == ("8080/tcp",)
    assert config.stop_signal == "SIGTERM"
    assert config.healthcheck is not None
    assert config.healthcheck.test[0] == "CMD"
    assert config.healthcheck.start_period == 300
    env = dict(config.env)
    assert env["LOG_LEVEL"] == "info"
    assert env["HOME"] == "/tmp"
    assert env["PATH"] == "/opt/model/packages/bin:/usr/local/bin:/usr/bin:/bin"
    assert "PYTHONPATH" not in env
    assert [name for name, _ in config.env] == sorted(env)


def test_history_has_a_line_for_every_layer() -> None:
    plan = plan_of()
    assert len(plan.config.history) == len(plan.base_on_platform.layers) + len(plan.layers)


def test_what_the_model_was_made_from_is_recorded_in_labels() -> None:
    labels = plan_of().config.labels
    assert labels["org.opencontainers.image.version"] == "1.0.0"
    assert labels["org.opencontainers.image.revision"] == "4f1c"
    assert labels["dev.modelkiln.training-data.uri"] == "data/train.csv"
    assert labels["dev.modelkiln.metrics"] == '{"roc_auc":0.84}'
    assert labels["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert "dev.modelkiln.validation-data.uri" not in labels


def test_the_document_in_the_image_tells_everything_about_the_model() -> None:
    document = document_of(plan_of())
    assert document["model"]["path"] == "/opt/model/model/churn.joblib"
    assert document["model"]["training_data"] == {"uri": "data/train.csv", "sha256": "ab" * 32, "rows": 4000}
    assert document["model"]["training_environment"] == ["numpy==2.3.1"]
    assert document["scoring"] == {"contract": "predict", "script": "/opt/model/code/score.py"}
    assert document["environment"]["requirements"][1] == "numpy==2.3.1"
    assert document["sample"] == {"content_type": "application/json", "body": '{"age": 40}'}
    assert document["model"]["files"][0]["path"] == "churn.joblib"
    assert document["release"] == {"repository": "models/churn", "rollback": "0.9.0"}


def test_platforms_differ_in_nothing_but_the_platform_and_what_was_locked_for_it() -> None:
    lock = make_lock(AMD64, ARM64)
    amd64, arm64 = (plan_of(lock=lock, platform=platform) for platform in (AMD64, ARM64))
    assert amd64.config.env == arm64.config.env
    assert [layer.title for layer in amd64.layers] == [layer.title for layer in arm64.layers]
    assert amd64.digest != arm64.digest


def test_a_schemas_properties_keep_the_authors_order() -> None:
    properties = {name: {"type": "number"} for name in ("z", "a", "m")}
    bundle = make_bundle(schemas=Schemas(request={"type": "object", "properties": properties}))
    assert list(document_of(plan_of(bundle))["schema"]["request"]["properties"]) == ["z", "a", "m"]


def test_a_description_of_several_lines_is_one_line_as_a_label() -> None:
    plan = plan_of(make_bundle(description="Who leaves.\n\nAnd why.\n"))
    assert plan.config.labels["org.opencontainers.image.description"] == "Who leaves. And why."
    assert document_of(plan)["description"] == "Who leaves.\n\nAnd why.\n"

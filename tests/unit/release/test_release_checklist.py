from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.model import Release, Schemas
from builder.check.report import CheckReport
from builder.lock.model import MODEL
from builder.oci.config import Healthcheck, ImageConfig
from builder.oci.digest import Digest
from builder.oci.image import Image
from builder.oci.media_type import ManifestFormat
from builder.release.checklist import BuiltFacts, Checklist, Facts, RegistryFacts, State, make_checklist
from builder.release.table import to_table
from tests.support.bundles import AMD64, make_base, make_bundle, make_inventory, make_lock

REFERENCE = "registry.example.com/models/churn:1.0.0"
ROLLBACK = "registry.example.com/models/churn:0.9.0"


@pytest.fixture
def image() -> Image:
    layers = make_base().on(AMD64).layers
    probe = Healthcheck(test=("CMD", "python3", "probe.py"), interval=10, timeout=3, start_period=60, retries=3)
    config = ImageConfig(
        platform=AMD64, created=0, healthcheck=probe, diff_ids=tuple(layer.diff_id for layer in layers)
    )
    return Image(config=config, layers=layers)


@pytest.fixture
def facts(image: Image) -> Facts:
    inventory = make_inventory()
    inputs = {f"{MODEL}{file.path}": str(file.digest) for file in inventory.model}
    report = {"image_id": str(image.image_id), "passed": True, "tests": [{}], "runner": "namespaces", "started": "now"}
    bundle = make_bundle()
    model = replace(
        bundle.model,
        validation_data=bundle.model.training_data,
    )
    return Facts(
        bundle=replace(bundle, model=model),
        inventory=inventory,
        lock=make_lock(inputs=inputs),
        drift=(),
        check=CheckReport(bundle="churn 1.0.0", findings=()),
        declares_resources=True,
        built=(
            BuiltFacts(
                platform=AMD64,
                image=image,
                built_plan="p",
                present_plan="p",
                report=report,
                report_at="build/smoke.json",
            ),
        ),
    )


def state(facts: Facts, key: str) -> State:
    return next(point.state for point in make_checklist(facts).points if point.id == key)


def todo(facts: Facts, key: str) -> str:
    return next(point.todo or "" for point in make_checklist(facts).points if point.id == key)


def in_registry(image: Image, **changes: Any) -> RegistryFacts:
    digest = image.manifest(ManifestFormat.DOCKER).descriptor.digest
    known = RegistryFacts(
        reference=REFERENCE, manifests={AMD64: digest}, rollback_reference=ROLLBACK, rollback_digest=Digest.of(b"old")
    )
    return replace(known, **changes)


def test_a_complete_release_is_automated_to_the_last_point(facts: Facts, image: Image) -> None:
    made = make_checklist(replace(facts, registry=in_registry(image)))
    assert [(point.id, point.todo) for point in made.points if point.state is not State.AUTOMATED] == []
    assert all(point.evidence for point in made.points)


def test_without_a_registry_nobody_is_taken_at_their_word(facts: Facts) -> None:
    assert state(facts, "pushed") is State.MANUAL
    assert state(facts, "rollback-target") is State.MANUAL


def test_a_version_that_moves_is_no_version(facts: Facts) -> None:
    moving = replace(facts, bundle=replace(facts.bundle, version="latest"))
    assert "moves" in todo(moving, "artifact-version")


def test_a_model_whose_digest_is_in_no_lock_can_change_unseen(facts: Facts) -> None:
    assert (
        state(replace(facts, lock=None, drift=("the bundle has no bundle.lock",)), "artifact-version") is State.MISSING
    )
    assert state(replace(facts, lock=make_lock(inputs={})), "artifact-version") is State.MISSING


def test_a_lock_that_does_not_fit_is_said_with_its_reason(facts: Facts) -> None:
    assert "base changed" in todo(replace(facts, drift=("the base changed",)), "dependency-file")


def test_a_request_schema_must_be_there_and_accept_the_samples(facts: Facts) -> None:
    without = replace(facts, bundle=replace(facts.bundle, schemas=Schemas()))
    assert state(without, "schema-validation") is State.MISSING
    schemas = Schemas(request={"type": "object", "required": ["name"]})
    wrong = replace(facts, bundle=replace(facts.bundle, schemas=schemas))
    assert "the schema refuses accepted" in todo(wrong, "schema-validation")
    one = replace(facts, bundle=replace(facts.bundle, smoke=facts.bundle.smoke[1:]))
    assert "must be refused" in todo(one, "schema-validation")
    none = replace(facts, bundle=replace(facts.bundle, smoke=()))
    assert "is accepted" in todo(none, "schema-validation")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": None}, "no image"),
        ({"report": None}, "no smoke report"),
        ({"report": {"image_id": "sha256:0", "passed": True}}, "another image"),
        ({"built_plan": "q"}, "changed since"),
        ({"built_plan": None}, "changed since"),
    ],
)
def test_only_a_green_report_of_this_very_image_counts(facts: Facts, changes: dict[str, Any], words: str) -> None:
    changed = replace(facts, built=(replace(facts.built[0], **changes),))
    assert state(changed, "smoke-test") is State.MISSING
    assert words in todo(changed, "smoke-test")


@pytest.mark.parametrize("passed", [False, "true", 1, None])
def test_only_the_word_true_is_green(facts: Facts, image: Image, passed: object) -> None:
    report = {"image_id": str(image.image_id), "passed": passed}
    changed = replace(facts, built=(replace(facts.built[0], report=report),))
    assert state(changed, "smoke-test") is State.MISSING


def test_an_image_without_a_probe_is_found(facts: Facts, image: Image) -> None:
    bare = replace(image, config=replace(image.config, healthcheck=None))
    assert state(replace(facts, built=(replace(facts.built[0], image=bare),)), "health-probe") is State.MISSING


def test_default_limits_are_not_declared_ones(facts: Facts) -> None:
    assert state(replace(facts, declares_resources=False), "resources") is State.MISSING


def test_data_without_a_digest_is_for_a_person_to_see_to(facts: Facts) -> None:
    model = facts.bundle.model
    assert model.training_data is not None
    loose = replace(model, training_data=replace(model.training_data, sha256=None), validation_data=None)
    changed = replace(facts, bundle=replace(facts.bundle, model=loose))
    assert state(changed, "training-data") is State.MANUAL
    assert state(changed, "validation-data") is State.MISSING


def test_what_nobody_wrote_down_is_missing(facts: Facts) -> None:
    model = replace(facts.bundle.model, metrics={}, training_code=None)
    bundle = replace(facts.bundle, model=model, owner="", release=Release())
    bare = replace(facts, bundle=bundle)
    for key in ("metrics", "training-code", "owner", "rollback-target"):
        assert state(bare, key) is State.MISSING
        assert todo(bare, key).startswith("write ")


def test_a_registry_that_lacks_the_image_or_has_other_bytes_is_believed(facts: Facts, image: Image) -> None:
    absent = replace(facts, registry=in_registry(image, manifests={AMD64: None}, rollback_digest=None))
    assert "not in the registry" in todo(absent, "pushed")
    assert "not in the registry" in todo(absent, "rollback-target")
    other = replace(facts, registry=in_registry(image, manifests={AMD64: Digest.of(b"other")}))
    assert "raise the version" in todo(other, "pushed")


def test_rules_that_could_not_be_applied_leave_the_check_open(facts: Facts) -> None:
    report = CheckReport(bundle="churn 1.0.0", findings=(), left_out=("what needs the wheels",))
    assert state(replace(facts, check=report), "static-checks") is State.MISSING


def test_the_json_form_counts_and_lists(facts: Facts) -> None:
    told = make_checklist(facts).to_dict()
    assert sum(told["counts"].values()) == len(told["points"])
    assert {point["state"] for point in told["points"]} <= {"automated", "manual", "missing"}


def test_the_table_shows_state_evidence_and_what_to_do(facts: Facts) -> None:
    text = to_table(make_checklist(replace(facts, declares_resources=False)))
    assert "✗ missing    the resources it needs are declared" in text
    assert "→ write resources" in text
    assert "model file: sha256:" in text
    assert text.splitlines()[-1].startswith("churn 1.0.0: ")
    assert "\x1b" not in text


def test_the_table_is_coloured_only_when_asked() -> None:
    made = Checklist(bundle=str(Path("x")), points=())
    assert to_table(made, colour=True) == "x: 0 automated, 0 manual, 0 missing"

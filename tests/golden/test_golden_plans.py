"""Whole plans against the committed ones. UPDATE_GOLDEN=1 writes them; a person judges the difference."""

from __future__ import annotations

import difflib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from builder.bundle.model import Contract, Framework, Scoring
from builder.oci.canonical import readable_json
from builder.plan.compile import WEIGHTS, LockedTexts, compile_plan
from builder.plan.model import Plan
from tests.support.bundles import (
    AMD64,
    ARM64,
    make_base,
    make_bundle,
    make_deb,
    make_file,
    make_inventory,
    make_lock,
)

FOLDER = Path(__file__).parent / "plans"
TEXTS = LockedTexts(requirements="numpy==2.3.1\n", server="msgspec==0.22.0\n", training_environment="numpy==2.3.1\n")


def churn() -> Plan:
    return compile_plan(make_bundle(), make_lock(), make_inventory(), platform=AMD64, texts=TEXTS, kiln_version="0.1.0")


def fraud_on_arm64() -> Plan:
    """No script, system packages, weights that get a layer of their own, another platform."""
    bundle = make_bundle(name="fraud", scoring=Scoring(contract=Contract.NONE))
    bundle = replace(bundle, model=replace(bundle.model, path="model/net", framework=Framework.XGBOOST))
    lock = make_lock(ARM64, base=make_base(ARM64))
    lock = replace(lock, platforms=(replace(lock.platforms[0], system_packages=(make_deb("libgomp1"),)),))
    files = (make_file("model/net/config.json"), make_file("model/net/weights.ubj", WEIGHTS))
    inventory = make_inventory(model=files, code=())
    return compile_plan(bundle, lock, inventory, platform=ARM64, texts=TEXTS, kiln_version="0.1.0")


@pytest.mark.parametrize(("name", "make"), [("churn", churn), ("fraud-arm64", fraud_on_arm64)])
def test_the_plan_is_the_committed_one(name: str, make: object) -> None:
    assert callable(make)
    got = readable_json(make().to_dict())
    path = FOLDER / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(got)
    want = path.read_text()
    assert got == want, "\n".join(
        difflib.unified_diff(want.splitlines(), got.splitlines(), "committed", "now", lineterm="")
    )

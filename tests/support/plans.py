"""Whole plans as values, one for each way a Dockerfile can look."""

from __future__ import annotations

from dataclasses import replace

from builder.base.model import BaseKind
from builder.bundle.model import Contract, Environment, Framework, Inventory, Model, Scoring
from builder.plan.compile import LockedTexts, compile_plan
from builder.plan.model import Plan
from tests.support.bundles import (
    AMD64,
    ARM64,
    digest_of,
    make_base,
    make_bundle,
    make_deb,
    make_file,
    make_inventory,
    make_lock,
    make_wheel,
)

TEXTS = LockedTexts(requirements="numpy==2.3.1 --hash=sha256:…\n", server="msgspec==0.22.0 --hash=sha256:…\n")


def churn_plan() -> Plan:
    """An assembled base, a scoring script, a model file."""
    return compile_plan(make_bundle(), make_lock(), make_inventory(), platform=AMD64, texts=TEXTS, kiln_version="0.1.0")


def triage_plan() -> Plan:
    """A registry's base, system packages, Azure's contract, and values that are hard to quote."""
    lock = make_lock()
    base = make_base(
        kind=BaseKind.REGISTRY, name="registry.example.com:5000/library/python:3.11-slim", digest=digest_of("index")
    )
    on_amd64 = replace(
        base.platforms[0],
        manifest=digest_of("manifest"),
        interpreter="/usr/local/bin/python3.11",
        env=(("PATH", "/usr/local/bin:/usr/bin:/bin"), ("PYTHON_VERSION", "3.11.14")),
    )
    bundle = make_bundle(
        name="triage",
        description='Tickets: "urgent" or not, at $0.01 each (C:\\models)',
        scoring=Scoring(contract=Contract.AZURE, script="src/score.py", sources=("lib",)),
        environment=Environment(
            python="3.11",
            requirements=("scikit-learn==1.7.*",),
            variables={"GREETING": 'a "quoted" $HOME and a back\\slash', "LOG_LEVEL": "info"},
            system_packages=("libgomp1",),
            base=base.name,
            platforms=(AMD64,),
        ),
    )
    return compile_plan(
        bundle,
        replace(
            lock,
            base=replace(base, platforms=(on_amd64,)),
            platforms=(replace(lock.platforms[0], system_packages=(make_deb("libgomp1"), make_deb("gcc-12-base"))),),
        ),
        make_inventory(code=(make_file("lib/text.py"), make_file("src/score.py"))),
        platform=AMD64,
        texts=TEXTS,
        kiln_version="0.1.0",
    )


def fraud_plan() -> Plan:
    """A native model folder with heavy weights, no script, another Python and another architecture."""
    lock = make_lock(ARM64)
    base = make_base(ARM64, name="debian13-python3.13", python="3.13")
    base = replace(base, platforms=(replace(base.platforms[0], interpreter="/usr/bin/python3.13"),))
    bundle = make_bundle(
        name="fraud",
        version="2.1.0",
        model=Model(path="model/fraud", framework=Framework.XGBOOST),
        scoring=Scoring(contract=Contract.NONE),
        environment=Environment(python="3.13", requirements=("xgboost",), base=base.name, platforms=(ARM64,)),
    )
    wheels = (
        make_wheel("numpy", "2.3.1", 18_000_000, "cp313-cp313-manylinux_2_28_aarch64"),
        make_wheel("xgboost", "3.1.1", 115_000_000, "py3-none-manylinux_2_28_aarch64"),
    )
    inventory = Inventory(
        model=(make_file("model/fraud/booster.ubj", 80_000_000), make_file("model/fraud/features.json")),
        code=(),
        runtime=make_inventory().runtime,
    )
    return compile_plan(
        bundle,
        replace(lock, base=base, python="3.13", platforms=(replace(lock.platforms[0], wheels=wheels),)),
        inventory,
        platform=ARM64,
        texts=TEXTS,
        kiln_version="0.1.0",
    )


PLANS = {"churn": churn_plan, "triage": triage_plan, "fraud": fraud_plan}

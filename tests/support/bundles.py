"""A small but complete bundle, lock and inventory, as values, for tests of everything that comes after them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.base.model import BaseKind, LockedBase, LockedBasePlatform, LockedDeb
from builder.bundle.model import (
    Bundle,
    BundleFile,
    CodeReference,
    Contract,
    DataReference,
    Environment,
    Expectation,
    Framework,
    Inventory,
    Model,
    Release,
    Schemas,
    Scoring,
    SmokeTest,
)
from builder.lock.model import Lock, LockedPlatform, LockedWheel
from builder.oci.descriptor import Descriptor
from builder.oci.digest import Digest
from builder.oci.image import Layer
from builder.oci.media_type import MediaType
from builder.oci.platform import Platform

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")


def digest_of(text: str) -> Digest:
    return Digest.of(text.encode())


def make_wheel(name: str, version: str = "1.0", size: int = 1000, tags: str = "py3-none-any") -> LockedWheel:
    filename = f"{name.replace('-', '_')}-{version}-{tags}.whl"
    return LockedWheel(name=name, version=version, filename=filename, size=size, digest=digest_of(filename))


def make_deb(name: str, version: str = "1-1") -> LockedDeb:
    return LockedDeb(
        name=name,
        version=version,
        architecture="amd64",
        archive="main",
        filename=f"pool/main/{name[0]}/{name}_{version}_amd64.deb",
        size=100,
        digest=digest_of(name + version),
    )


def make_base(*platforms: Platform, **changes: Any) -> LockedBase:
    base = LockedBase(
        kind=BaseKind.DEBIAN,
        name="debian12-python3.11",
        digest=digest_of("base"),
        python="3.11",
        platforms=tuple(
            LockedBasePlatform(
                platform=platform,
                layers=(
                    Layer(
                        descriptor=Descriptor(
                            media_type=MediaType.OCI_LAYER_GZIP, digest=digest_of(f"base {platform}"), size=18_000_000
                        ),
                        diff_id=digest_of(f"base tar {platform}"),
                        title="debian12-python3.11",
                    ),
                ),
                interpreter="/usr/bin/python3.11",
                glibc=(2, 36),
                env=(("PATH", "/usr/local/bin:/usr/bin:/bin"),),
            )
            for platform in platforms or (AMD64,)
        ),
    )
    return replace(base, **changes)


def make_lock(*platforms: Platform, **changes: Any) -> Lock:
    lock = Lock(
        bundle="churn",
        python="3.11",
        base=make_base(*platforms),
        requirements=digest_of("requirements"),
        inputs={"requirements": "abc"},
        deep_checksum=digest_of("inputs"),
        platforms=tuple(
            LockedPlatform(
                platform=platform,
                wheels=(
                    make_wheel("joblib"),
                    make_wheel("numpy", "2.3.1", 18_000_000, "cp311-cp311-manylinux_2_28_x86_64"),
                    make_wheel("scikit-learn", "1.7.2", 9_000_000, "cp311-cp311-manylinux_2_28_x86_64"),
                    make_wheel("threadpoolctl"),
                ),
                server_wheels=(make_wheel("msgspec", "0.22.0", 200_000),),
                installer=make_wheel("pip", "26.3", 1_800_000),
            )
            for platform in platforms or (AMD64,)
        ),
    )
    return replace(lock, **changes)


def make_smoke_test(name: str = "accepted", status: int = 200) -> SmokeTest:
    return SmokeTest(
        name=name,
        request=b'{"age": 40}',
        content_type="application/json",
        path="/predict",
        expect=Expectation(status=status),
    )


def make_bundle(root: Path = Path("/bundles/churn"), **changes: Any) -> Bundle:
    bundle = Bundle(
        root=root,
        name="churn",
        version="1.0.0",
        description="Who is about to leave",
        owner="growth@example.com",
        model=Model(
            path="model/churn.joblib",
            framework=Framework.SKLEARN,
            hyperparameters={"C": 1.0},
            training_data=DataReference(uri="data/train.csv", sha256="ab" * 32, rows=4000),
            training_code=CodeReference(repository="https://git.example.com/churn", revision="4f1c"),
            metrics={"roc_auc": 0.84},
        ),
        scoring=Scoring(contract=Contract.PREDICT, script="score.py"),
        environment=Environment(
            python="3.11",
            requirements=("scikit-learn==1.7.*",),
            variables={"LOG_LEVEL": "info"},
            base="debian12-python3.11",
            platforms=(AMD64,),
        ),
        schemas=Schemas(request={"type": "object", "properties": {"age": {"type": "integer"}}}),
        smoke=(make_smoke_test("refused", 400), make_smoke_test()),
        release=Release(repository="models/churn", rollback="0.9.0"),
    )
    return replace(bundle, **changes)


def make_file(path: str, size: int = 100, *, is_executable: bool = False) -> BundleFile:
    return BundleFile(path=path, digest=digest_of(path), size=size, is_executable=is_executable)


def make_inventory(**changes: Any) -> Inventory:
    inventory = Inventory(
        model=(make_file("model/churn.joblib", 2_000),),
        code=(make_file("features.py"), make_file("score.py")),
        runtime=(make_file("entry.py"), make_file("probe.py")),
    )
    return replace(inventory, **changes)

from __future__ import annotations

from dataclasses import replace

from builder.bundle.model import Bundle, BundleFile
from builder.lock.inputs import collect_inputs
from builder.lock.model import deep_checksum
from tests.support.bundles import ARM64, digest_of, make_bundle

MODEL = (BundleFile(path="model/churn.joblib", digest=digest_of("weights"), size=7),)


def inputs(bundle: Bundle | None = None, *lines: str, model: str = "weights") -> dict[str, str]:
    bundle = bundle or make_bundle()
    environment = replace(bundle.environment, requirements=lines or ("numpy>=2", "pandas"))
    return collect_inputs(
        replace(bundle, environment=environment),
        base=digest_of("base"),
        model=[replace(MODEL[0], digest=digest_of(model))],
        server_requirements="msgspec==1",
        installer="pip==26",
    )


def test_short_inputs_stand_as_they_are_and_files_by_digest() -> None:
    found = inputs()
    assert found["requirement numpy"] == "numpy>=2"
    assert found["environment.python"] == "3.11"
    assert found["environment.platforms"] == "linux/amd64"
    assert found["model model/churn.joblib"] == str(digest_of("weights"))
    assert found["base"] == str(digest_of("base"))
    assert list(found) == sorted(found)


def test_every_input_moves_the_checksum() -> None:
    bundle = make_bundle()
    environment = bundle.environment
    variants = [
        inputs(),
        inputs(None, "numpy>=2"),
        inputs(None, "numpy>=2.1", "pandas"),
        inputs(None, 'numpy>=2; python_version < "3.12"', "pandas"),
        inputs(model="other weights"),
        inputs(replace(bundle, environment=replace(environment, python="3.13"))),
        inputs(replace(bundle, environment=replace(environment, base="other"))),
        inputs(replace(bundle, environment=replace(environment, platforms=(ARM64,)))),
        inputs(replace(bundle, environment=replace(environment, system_packages=("libgl1",)))),
    ]
    assert len({deep_checksum(variant) for variant in variants}) == len(variants)


def test_order_of_requirements_and_prose_do_not_matter() -> None:
    assert inputs(None, "pandas", "numpy >= 2") == inputs()
    assert inputs(replace(make_bundle(), description="other", owner="other")) == inputs()

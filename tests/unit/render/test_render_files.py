from __future__ import annotations

from dataclasses import replace

import pytest

from builder.oci.digest import Digest
from builder.oci.media_type import MediaType
from builder.plan.model import FileSource, PlannedLayer
from builder.render.dockerfile import render_dockerfile
from builder.render.files import (
    base_archive,
    context_files,
    context_path,
    made_layers,
    system_layers,
    weight_layers,
    wheels_by_prefix,
)
from tests.support.plans import PLANS, churn_plan, fraud_plan, triage_plan


def test_an_assembled_base_is_in_the_context_under_its_digest() -> None:
    plan = churn_plan()
    [layer] = plan.base_on_platform.layers
    files = {file.path: file.content for file in context_files(plan)}
    assert files[f"base/sha256-{layer.descriptor.digest.hex}.tar.gz"] == layer.descriptor.digest


def test_a_layer_that_is_not_compressed_is_named_for_what_it_is() -> None:
    [layer] = churn_plan().base_on_platform.layers
    plain = replace(layer, descriptor=replace(layer.descriptor, media_type=MediaType.OCI_LAYER_TAR))
    assert base_archive(plain).endswith(".tar")


def test_a_registry_s_base_is_not_in_the_context() -> None:
    assert not [file.path for file in context_files(triage_plan()) if file.path.startswith("base/")]


def test_the_context_holds_every_file_wheel_and_package_of_the_plan() -> None:
    assert [file.path for file in context_files(triage_plan())] == [
        "bundle.json",
        "bytecode.py",
        "code/lib/text.py",
        "code/src/score.py",
        "installer/pip-26.3-py3-none-any.whl",
        "lock/bundle.lock",
        "lock/requirements.lock",
        "model/churn.joblib",
        "packages/joblib-1.0-py3-none-any.whl",
        "packages/numpy-2.3.1-cp311-cp311-manylinux_2_28_x86_64.whl",
        "packages/requirements.lock",
        "packages/scikit_learn-1.7.2-cp311-cp311-manylinux_2_28_x86_64.whl",
        "packages/threadpoolctl-1.0-py3-none-any.whl",
        "runtime/entry.py",
        "runtime/probe.py",
        "server/msgspec-0.22.0-py3-none-any.whl",
        "server/requirements.lock",
        "system/packages-0.tar.gz",
    ]


def test_each_requirements_file_lies_with_its_own_wheels() -> None:
    plan = churn_plan()
    files = {file.path: file.content for file in context_files(plan)}
    assert files["packages/requirements.lock"] == plan.requirements
    assert files["server/requirements.lock"] == plan.server_requirements


def test_a_model_folder_keeps_its_name() -> None:
    paths = [file.path for file in context_files(fraud_plan()) if file.path.startswith("model/")]
    assert paths == ["model/fraud/features.json"]


def test_a_large_file_of_the_model_is_taken_as_the_layer_it_becomes() -> None:
    [layer] = weight_layers(fraud_plan())
    assert [source.path for source in layer.sources] == ["opt/model/model/fraud/booster.ubj"]
    [file] = [file for file in context_files(fraud_plan()) if file.path.startswith("weights/")]
    assert (file.path, file.content) == ("weights/0.tar.gz", layer)
    assert made_layers(fraud_plan()) == (*system_layers(fraud_plan()), layer)
    assert weight_layers(churn_plan()) == ()


@pytest.mark.parametrize(
    ("image_path", "expected"),
    [
        ("opt/kiln/kiln_runtime/server/http.py", "runtime/server/http.py"),
        ("opt/model/model/churn.joblib", "model/churn.joblib"),
        ("opt/model/code/score.py", "code/score.py"),
        ("opt/model/bundle.json", "bundle.json"),
        ("etc/motd", "root/etc/motd"),
        ("opt/model/codes.txt", "root/opt/model/codes.txt"),
    ],
)
def test_every_place_of_the_image_has_a_place_in_the_context(image_path: str, expected: str) -> None:
    assert context_path(image_path) == expected


def test_system_packages_are_one_archive_the_assembler_makes() -> None:
    [layer] = system_layers(triage_plan())
    [file] = [file for file in context_files(triage_plan()) if file.path.startswith("system/")]
    assert isinstance(file.content, PlannedLayer)
    assert file.content == layer
    assert system_layers(churn_plan()) == ()


def test_wheels_are_grouped_by_import_root() -> None:
    found = wheels_by_prefix(churn_plan())
    assert list(found) == ["opt/kiln/server", "opt/model/packages"]
    assert [source.wheel.name for source in found["opt/kiln/server"]] == ["msgspec"]


@pytest.mark.parametrize("name", PLANS)
def test_the_dockerfile_takes_all_of_the_context_and_nothing_else(name: str) -> None:
    plan = PLANS[name]()
    taken = [
        line.split()[1]
        for line in render_dockerfile(plan).splitlines()
        if line.startswith(("ADD ", "COPY ")) and "--from" not in line
    ]
    paths = [file.path for file in context_files(plan)]
    for source in taken:
        assert any(path == source or path.startswith(source) for path in paths), source
    for path in paths:
        assert any(path == source or (source.endswith("/") and path.startswith(source)) for source in taken), path


def test_contents_are_named_by_what_they_are() -> None:
    contents = {type(file.content) for file in context_files(triage_plan())}
    assert contents == {str, Digest, FileSource, PlannedLayer}

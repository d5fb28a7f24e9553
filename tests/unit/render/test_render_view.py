from __future__ import annotations

import json
from dataclasses import replace

import pytest

from builder.errors import PlanError
from builder.plan.model import Plan, PlannedLayer, Purpose, TextSource
from builder.render.view import view
from tests.support.plans import churn_plan, fraud_plan, triage_plan


def with_config(plan: Plan, **changes: object) -> Plan:
    return replace(plan, config=replace(plan.config, **changes))


def test_a_registry_s_base_is_pinned_to_the_manifest_of_the_platform() -> None:
    plan = triage_plan()
    seen = view(plan).base
    assert seen.image == f"registry.example.com:5000/library/python@{plan.base_on_platform.manifest}"
    assert seen.archives == ()


def test_a_registry_s_base_without_a_manifest_is_pinned_to_what_pins_the_base() -> None:
    plan = triage_plan()
    platform = replace(plan.base_on_platform, manifest=None)
    seen = view(replace(plan, base=replace(plan.base, platforms=(platform,)))).base
    assert seen.image.endswith(f"@{plan.base.digest}")


def test_an_assembled_base_starts_from_scratch() -> None:
    seen = view(churn_plan()).base
    assert seen.image == "scratch"
    assert len(seen.archives) == 1


def test_pip_is_run_from_its_wheel_by_the_base_s_interpreter() -> None:
    server, packages = view(fraud_plan()).sets
    command = json.loads(packages.install)
    assert command[:4] == [
        "/usr/bin/python3.13",
        "-I",
        "/build/installer/pip-26.3-py3-none-any.whl/pip",
        "install",
    ]
    assert {"--no-index", "--require-hashes", "--no-deps", "--no-compile", "--target=/opt/model/packages"} <= set(
        command
    )
    assert "--find-links=/build/server" in json.loads(server.install)


def test_a_plan_without_wheels_installs_nothing() -> None:
    plan = churn_plan()
    layers = tuple(layer for layer in plan.layers if layer.purpose is not Purpose.DEPENDENCIES)
    assert [each.folder for each in view(replace(plan, layers=layers)).sets] == ["server"]


def test_copies_stand_in_the_order_of_the_layers_and_code_only_where_there_is_some() -> None:
    assert [copy.source for copy in view(churn_plan()).copies] == ["model/", "code/", "bundle.json", "lock/"]
    assert [copy.source for copy in view(fraud_plan()).copies] == ["model/", "bundle.json", "lock/"]


def test_a_file_with_no_place_of_its_own_is_copied_to_the_root() -> None:
    plan = churn_plan()
    extra = PlannedLayer(purpose=Purpose.CODE, title="x", sources=(TextSource(path="etc/motd", text="hi"),))
    copies = view(replace(plan, layers=(*plan.layers, extra))).copies
    assert (copies[-1].source, copies[-1].destination) == ("root/", "/")


def test_variables_with_a_dollar_sign_stand_alone() -> None:
    seen = view(with_config(churn_plan(), env=(("A", "1"), ("B", "$A"), ("C", "2")))).config
    assert seen.env == (('A="1"', 'C="2"'), ('B="\\$A"',))


def test_an_image_without_variables_has_no_env() -> None:
    assert view(with_config(churn_plan(), env=())).config.env == ()


def test_the_healthcheck_is_what_the_plan_says_or_nothing() -> None:
    check = view(churn_plan()).config.healthcheck
    assert check is not None
    assert json.loads(check.command)[-1] == "readyz"
    assert (check.interval, check.timeout, check.start_period, check.retries) == (10, 3, 300, 3)
    assert view(with_config(churn_plan(), healthcheck=None)).config.healthcheck is None


def test_a_label_with_a_line_break_is_named() -> None:
    with pytest.raises(PlanError) as caught:
        view(with_config(churn_plan(), labels={"note": "a\nb"}))
    assert caught.value.faults[0].at == "label note"

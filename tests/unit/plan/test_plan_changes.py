from __future__ import annotations

import copy
from typing import Any

import pytest

from builder.plan.changes import compare_plans
from tests.support.plans import churn_plan, triage_plan

Printed = dict[str, Any]


@pytest.fixture
def plan() -> Printed:
    return copy.deepcopy(churn_plan().to_dict())


@pytest.fixture
def changed(plan: Printed) -> Printed:
    return copy.deepcopy(plan)


def layer(plan: Printed, purpose: str) -> Printed:
    found: Printed = next(layer for layer in plan["layers"] if layer["purpose"] == purpose)
    return found


def test_equal_plans_differ_in_nothing(plan: Printed, changed: Printed) -> None:
    found = compare_plans(plan, changed)
    assert (found.layers, found.image) == ({}, ())


def test_a_file_that_changed_is_named_as_its_author_knows_it(plan: Printed, changed: Printed) -> None:
    code = layer(changed, "code")
    code["sources"][0]["sha256"] = "0" * 64
    path = code["sources"][0]["from"].removeprefix("bundle:")
    assert compare_plans(plan, changed).layers == {f"code: {code['title']}": (f"file {path} changed",)}


def test_a_mode_that_changed_is_told_with_both(plan: Printed, changed: Printed) -> None:
    layer(changed, "code")["sources"][0]["mode"] = "0755"
    [[reason]] = compare_plans(plan, changed).layers.values()
    assert reason.endswith("mode 0644 became 0755")


def test_files_that_came_and_went_are_told(plan: Printed, changed: Printed) -> None:
    code = layer(changed, "code")
    new = {**code["sources"][0], "path": "opt/model/code/new.py", "from": "bundle:new.py"}
    gone = code["sources"][0]["from"].removeprefix("bundle:")
    code["sources"][0] = new
    [reasons] = compare_plans(plan, changed).layers.values()
    assert reasons == ("file new.py is new", f"file {gone} is gone")


def test_a_wheel_of_another_version_is_told_with_both(plan: Printed, changed: Printed) -> None:
    wheel = layer(changed, "dependencies")
    source = wheel["sources"][0]
    name, version, rest = source["wheel"].split("-", 2)
    source["wheel"], source["sha256"] = f"{name}-99.0-{rest}", "0" * 64
    wheel["title"] = f"{name} 99.0"
    [reasons] = compare_plans(plan, changed).layers.values()
    assert reasons == (f"wheel {name.lower().replace('_', '-')}: {version} became 99.0",)


def test_a_dependency_more_is_new(plan: Printed, changed: Printed) -> None:
    source = {**layer(changed, "dependencies")["sources"][0], "wheel": "more-1.0-py3-none-any.whl", "sha256": "1" * 64}
    changed["layers"].append({"purpose": "dependencies", "title": "more 1.0", "sources": [source]})
    assert compare_plans(plan, changed).layers == {
        "dependencies: more 1.0": ("wheel more-1.0-py3-none-any.whl is new",)
    }


def test_system_packages_are_told_by_version() -> None:
    plan = triage_plan().to_dict()
    changed = copy.deepcopy(plan)
    source = layer(changed, "system")["sources"][0]
    before, source["version"], source["sha256"] = source["version"], "99", "0" * 64
    [reasons] = compare_plans(plan, changed).layers.values()
    assert reasons == (f"system package {source['deb']}: {before} became 99",)


def test_the_base_and_options_are_told_with_both_values(plan: Printed, changed: Printed) -> None:
    changed["base"]["digest"] = "sha256:" + "0" * 64
    changed["config"]["config"]["User"] = "0:0"
    first, second = compare_plans(plan, changed).image
    assert first.startswith(f"base {plan['base']['name']} changed: ")
    assert second == f"option config.User: {plan['config']['config']['User']} became 0:0"


def test_another_base_is_told_by_name(plan: Printed, changed: Printed) -> None:
    changed["base"]["name"] = "debian13-python3.13"
    assert compare_plans(plan, changed).image == (f"base: {plan['base']['name']} became debian13-python3.13",)

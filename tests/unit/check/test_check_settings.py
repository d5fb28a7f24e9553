"""The section ``check`` of bundle.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.bundle.model import CheckSetting
from builder.check.finding import Level
from builder.check.run import check
from builder.check.settings import apply_settings
from builder.errors import BundleError
from tests.unit.check.check_findings import make_finding, make_rule
from tests.unit.check.import_subjects import make_subject

RULE = make_rule(901)


def setting(level: str, *, rule: str = "KILN901", path: str | None = None) -> CheckSetting:
    return CheckSetting(rule=rule, level=level, reason="because", path=path)


def test_a_finding_gets_the_level_the_bundle_gives_its_rule() -> None:
    kept, silenced = apply_settings([make_finding(RULE)], [setting("note"), setting("warning", rule="KILN902")])
    assert [one.severity for one in kept] == [Level.NOTE]
    assert silenced == []


def test_what_is_off_is_kept_aside_with_its_reason() -> None:
    finding = make_finding(RULE)
    assert apply_settings([finding], [setting("off")]) == ([], [(finding, "because")])


def test_the_last_setting_that_fits_decides() -> None:
    settings = [setting("off"), setting("warning", path="src/*.py"), setting("error", path="other.py")]
    here, there = make_finding(RULE, path="src/a.py"), make_finding(RULE, path="b.py")
    kept, silenced = apply_settings([here, there], settings)
    assert [one.severity for one in kept] == [Level.WARNING]
    assert [one for one, _ in silenced] == [there]


def test_bundle_yaml_sets_levels(tmp_path: Path) -> None:
    more = "check:\n  - {rule: KILN101, level: off, reason: it is lent by the platform}\n"
    report = check([make_subject(tmp_path, "import sklearn\n", wheels={"a": {"a.py": ""}}, more=more)])
    assert "KILN101" not in {one.rule.id for one in report.findings}
    assert [reason for one, reason in report.silenced if one.rule.id == "KILN101"] == ["it is lent by the platform"]


@pytest.mark.parametrize(("rule", "is_unknown"), [("KILN110", False), ("KILN999", True), ("KILN011", True)])
def test_a_rule_that_does_not_exist_is_an_error_at_its_line(tmp_path: Path, rule: str, is_unknown: bool) -> None:
    more = f"check:\n  - {{rule: {rule}, level: note, reason: typo}}\n"
    report = check([make_subject(tmp_path, "", more=more)])
    found = [one for one in report.findings if one.rule.id == "KILN001"]
    assert [str(one.place) for one in found] == ["bundle.yaml:6 (check[0].rule)"] * is_unknown


@pytest.mark.parametrize(
    ("entry", "fact"),
    [
        ("{rule: KILN101, level: off}", "'check[0].reason' is missing"),
        ("{rule: KILN101, level: off, reason: ''}", "value is empty"),
        ("{rule: KILN101, level: fatal, reason: x}", "value is not one of those allowed"),
        ("{rule: missing-import, level: off, reason: x}", "value is not allowed"),
        ("{rule: KILN101, level: off, reason: x, paths: y}", "unknown key 'paths'; did you mean 'path'?"),
    ],
)
def test_a_setting_without_a_reason_or_of_another_shape_is_a_fault(tmp_path: Path, entry: str, fact: str) -> None:
    with pytest.raises(BundleError) as error:
        make_subject(tmp_path, "", more=f"check:\n  - {entry}\n")
    assert [fault.fact for fault in error.value.faults] == [fact]

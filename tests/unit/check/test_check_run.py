from __future__ import annotations

from pathlib import Path

import pytest

from builder.check import rules
from builder.check.finding import Level
from builder.check.run import check
from tests.unit.check.check_findings import make_finding, make_rule
from tests.unit.check.import_subjects import make_subject

ERROR, WARNING, NOTE = make_rule(901), make_rule(902, Level.WARNING), make_rule(903, Level.NOTE)


def test_findings_come_the_worst_first_and_then_by_place(tmp_path: Path) -> None:
    findings = [
        make_finding(NOTE),
        make_finding(ERROR, path="z.py", line=9),
        make_finding(WARNING),
        make_finding(ERROR, path="a.py", line=20),
        make_finding(ERROR, path="z.py", line=1),
    ]
    report = check([make_subject(tmp_path, "")], groups=((rules_of(), lambda _: findings),))
    order = [(str(one.severity), one.place.path, one.place.line) for one in report.findings]
    assert order == [
        ("error", "a.py", 20),
        ("error", "z.py", 1),
        ("error", "z.py", 9),
        ("warning", "score.py", 3),
        ("note", "score.py", 3),
    ]


def rules_of() -> tuple[rules.Rule, ...]:
    return (ERROR, WARNING, NOTE)


def test_what_several_platforms_share_is_told_once(tmp_path: Path) -> None:
    subject = make_subject(tmp_path, "")
    report = check([subject, subject], groups=((rules_of(), lambda _: [make_finding(ERROR)]),), left_out=["a", "a"])
    assert len(report.findings) == 1
    assert report.left_out == ("a",)
    assert report.bundle == "demo 1.0.0"


def test_every_rule_has_an_id_of_its_own_and_a_level() -> None:
    listed = [rule.id for group, _ in rules.GROUPS for rule in group]
    assert len(set(listed)) == len(listed)
    assert set(listed) < set(rules.RULES)


@pytest.mark.parametrize("rule", rules.RULES.values(), ids=lambda rule: rule.id)
def test_every_rule_is_documented(rule: rules.Rule) -> None:
    assert rule.id.startswith("KILN")
    assert len(rule.id) == 7
    assert rule.name == rule.name.lower()
    for text in (rule.summary, rule.why, rule.remedy):
        assert text.endswith((".", "?"))
        assert text[0].isupper()


def test_groups_are_in_the_order_of_their_ids() -> None:
    first = [group[0].id for group, _ in rules.GROUPS if group]
    assert first == sorted(first)

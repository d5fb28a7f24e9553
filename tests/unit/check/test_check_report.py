from __future__ import annotations

from builder.check.finding import Level
from builder.check.report import CheckReport, failure
from tests.unit.check.check_findings import make_finding, make_rule

ERROR, WARNING = make_rule(901), make_rule(902, Level.WARNING)
REPORT = CheckReport(
    bundle="demo 1.0.0",
    findings=(make_finding(ERROR, column=5), make_finding(ERROR, path="b.py"), make_finding(WARNING, detail="x.y")),
    left_out=("what needs the lock",),
    silenced=((make_finding(WARNING), "because"),),
)
CLEAN = CheckReport(bundle="demo 1.0.0", findings=())


def test_errors_fail_and_warnings_only_when_strict() -> None:
    warned = CheckReport(bundle="demo 1.0.0", findings=(make_finding(WARNING),))
    assert not REPORT.passed()
    assert warned.passed()
    assert not warned.passed(strict=True)
    assert CLEAN.passed(strict=True)


def test_the_summary_counts() -> None:
    assert REPORT.summary == "2 errors, 1 warning, no notes"
    assert CLEAN.summary == "no errors, no warnings, no notes"


def test_a_block_says_what_where_why_and_what_to_do() -> None:
    first, second, _ = REPORT.to_text().split("\n\n")
    assert first.splitlines() == [
        "error KILN901 made-up-901: this is wrong",
        "  at   score.py:3:5",
        "  why  It breaks.",
        "  fix  change it",
    ]
    assert "why" not in second
    assert CLEAN.to_text() == ""


def test_colours_only_where_asked() -> None:
    assert "\x1b[" not in REPORT.to_text()
    assert "\x1b[31merror\x1b[0m KILN901" in REPORT.to_text(colour=True)


def test_json_holds_everything() -> None:
    shown = REPORT.to_dict()
    assert shown["passed"] is False
    assert shown["counts"] == {"error": 2, "warning": 1, "note": 0}
    assert shown["findings"][0] == {
        "rule": "KILN901",
        "name": "made-up-901",
        "level": "error",
        "message": "this is wrong",
        "path": "score.py",
        "line": 3,
        "column": 5,
        "detail": None,
        "why": "It breaks.",
        "remedy": "change it",
    }
    assert shown["left_out"] == ["what needs the lock"]
    assert shown["silenced"][0]["reason"] == "because"


def test_what_stops_a_build_names_every_error() -> None:
    error = failure(REPORT)
    assert error.exit_code == 20
    assert [fault.at for fault in error.faults] == ["score.py:3:5", "b.py:3"]
    assert error.faults[0].fact == "this is wrong (KILN901 made-up-901)"
    assert error.faults[0].fix == "change it"

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from builder.engine.runner import ExitState
from builder.oci.digest import Digest
from builder.oci.media_type import ManifestFormat
from builder.smoke.comparison import Difference
from builder.smoke.report import SHOWN_LINES, SmokeReport, TestResult, failure
from builder.smoke.scenarios import Kind

GREEN = SmokeReport(
    image_id=Digest.of(b"image"),
    manifest_digests={ManifestFormat.DOCKER: Digest.of(b"docker"), ManifestFormat.OCI: Digest.of(b"oci")},
    reference="churn:1.0.0",
    runner="namespaces 6.1",
    unapplied=("no seccomp filter",),
    uid=34567,
    started=1_767_225_600.5,
    seconds=1.25,
    tests=(
        TestResult(name="becomes ready", kind=Kind.BUILT_IN, passed=True, seconds=0.9, status=200),
        TestResult(name="a loyal customer stays", kind=Kind.BUNDLE, passed=True, seconds=0.004, status=200),
    ),
    exit=ExitState(code=0, seconds=0.05),
)
RED = replace(
    GREEN,
    tests=(
        GREEN.tests[0],
        replace(
            GREEN.tests[1],
            passed=False,
            status=200,
            differences=(
                Difference(at="$.p[0]", want="1", got="2 <&> \x1b"),
                Difference(at="time", want="at most 1 s", got="2 s"),
            ),
        ),
    ),
    not_run=("writes nothing outside /tmp",),
    exit=ExitState(code=137, was_killed_for_memory=True),
    logs="loading\nout of \x00memory",
)


@pytest.mark.parametrize("report", [GREEN, RED])
def test_a_report_survives_json(report: SmokeReport) -> None:
    assert SmokeReport.from_dict(json.loads(report.to_json())) == report


def test_json_names_image_manifests_reference_and_verdict() -> None:
    data = json.loads(GREEN.to_json())
    assert data["passed"] is True
    assert data["image_id"] == str(GREEN.image_id)
    assert data["manifest_digests"] == {"docker": str(Digest.of(b"docker")), "oci": str(Digest.of(b"oci"))}
    assert data["started"] == "2026-01-01T00:00:00Z"
    assert json.loads(RED.to_json())["passed"] is False


def test_a_report_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version"):
        SmokeReport.from_dict(GREEN.to_dict() | {"smoke_report": 99})


def test_nothing_tested_is_not_passed() -> None:
    assert not replace(GREEN, tests=()).passed


def test_a_test_that_was_not_run_is_not_passed() -> None:
    assert not replace(GREEN, not_run=("becomes ready",)).passed


def test_junit_counts_and_explains_failures() -> None:
    suite = ET.fromstring(RED.to_junit()).find("testsuite")
    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped", "errors")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
        "errors": "0",
    }
    found = suite.find("testcase/failure")
    assert found is not None
    assert found.get("message") == "$.p[0]: want 1, got 2 <&> �"
    assert found.text == "$.p[0]: want 1, got 2 <&> �\ntime: want at most 1 s, got 2 s"
    assert suite.findtext("system-out") == "loading\nout of �memory"


def test_junit_names_the_digests() -> None:
    suite = ET.fromstring(GREEN.to_junit()).find("testsuite")
    assert suite is not None
    assert suite.get("name") == f"churn:1.0.0@{GREEN.image_id}"
    facts = {item.get("name"): item.get("value") for item in suite.iter("property")}
    assert facts["manifest_digest.oci"] == str(Digest.of(b"oci"))
    assert (facts["runner"], facts["uid"]) == ("namespaces 6.1", "34567")


def test_the_table_has_a_line_for_each_test_and_the_digest() -> None:
    assert GREEN.to_table() == (
        "✓ becomes ready           200    900 ms\n"
        "✓ a loyal customer stays  200      4 ms\n"
        f"2 tests of {GREEN.image_id} on namespaces 6.1: passed\n"
        "not applied here: no seccomp filter"
    )


def test_the_table_shows_differences_and_last_lines() -> None:
    table = RED.to_table()
    assert "✗ a loyal customer stays" in table
    assert "    $.p[0]\n      want 1\n      got  2" in table
    assert "- writes nothing outside /tmp  not run" in table
    assert "  | loading\n" in table
    assert f"3 tests of {RED.image_id} on namespaces 6.1: 1 of 3 passed, 1 failed, 1 not run" in table


def test_nothing_that_was_answered_or_printed_controls_the_terminal() -> None:
    assert "\x1b" in RED.failures[0].differences[0].got
    for shown in (RED.to_table(), failure(RED).render()):
        assert not set("\x1b\x00") & set(shown)


def test_a_table_shows_no_more_than_the_last_forty_lines() -> None:
    line = json.dumps({"message": "it fails", "exception": "\n".join(f"frame {number}" for number in range(60))})
    shown = [line for line in replace(RED, logs=line).to_table().splitlines() if line.startswith("  | ")]
    assert len(shown) == SHOWN_LINES
    assert shown[-1] == "  |     frame 59"


def test_one_test_is_not_called_tests() -> None:
    assert "\n1 test of " in replace(GREEN, tests=GREEN.tests[:1]).to_table()


@pytest.mark.parametrize(
    ("report", "counts"),
    [(GREEN, "2 of 2 passed"), (RED, "1 of 3 passed, 1 failed, 1 not run")],
)
def test_the_counts_add_up(report: SmokeReport, counts: str) -> None:
    assert report.counts == counts


def test_a_test_without_a_time_shows_none() -> None:
    healthy = TestResult(name="HEALTHCHECK turns healthy", kind=Kind.BUILT_IN, passed=True, seconds=None)
    report = replace(GREEN, tests=(healthy,))
    assert report.to_table().splitlines()[0] == "✓ HEALTHCHECK turns healthy"
    assert report.to_dict()["tests"][0]["seconds"] is None
    assert SmokeReport.from_dict(json.loads(report.to_json())) == report
    case = ET.fromstring(report.to_junit()).find("testsuite/testcase")
    assert case is not None
    assert case.get("time") == "0.000"


def test_colour_only_adds_colour() -> None:
    coloured = GREEN.to_table(colour=True)
    assert "\x1b[32m" in coloured
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == GREEN.to_table()


def test_the_error_has_one_fault_for_each_failed_test_and_not_the_logs() -> None:
    error = failure(RED)
    assert [fault.fact for fault in error.faults] == ["smoke test failed: a loyal customer stays ($.p[0] and 1 more)"]
    assert error.faults[0].at == f"churn:1.0.0 ({RED.image_id})"
    assert error.faults[0].want == "1"
    assert "loading" not in error.render()
    assert error.hint == "raise resources.memory in bundle.yaml, or make the model smaller"


def test_the_error_of_an_empty_report_says_so() -> None:
    assert failure(replace(GREEN, tests=())).faults[0].fact == "no smoke test was run"

"""SARIF 2.1.0, held to what the specification says of the parts that are written."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from builder.check.finding import Level
from builder.check.report import CheckReport
from builder.check.rules import RULES
from builder.check.sarif import to_sarif
from tests.unit.check.check_findings import make_finding, make_rule

ERROR, WARNING = make_rule(901), make_rule(902, Level.WARNING)
REPORT = CheckReport(
    bundle="demo 1.0.0",
    findings=(
        make_finding(ERROR, column=5),
        make_finding(ERROR, path="my model/ümlaut.pkl", line=None, detail="offset 12"),
        make_finding(WARNING, level=Level.NOTE),
    ),
    left_out=("what needs the lock",),
    silenced=((make_finding(WARNING), "because"),),
)


def strict(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an object with these members and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | (optional or {}),
        "additionalProperties": False,
    }


TEXT = {"type": "string", "minLength": 1}
MESSAGE = strict({"text": TEXT})  # § 3.11, § 3.12
LEVEL = {"enum": ["none", "note", "warning", "error"]}  # § 3.27.10
POSITIVE = {"type": "integer", "minimum": 1}
RULE = strict(  # § 3.49
    {
        "id": TEXT,
        "name": TEXT,
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": MESSAGE,
        "defaultConfiguration": strict({"level": LEVEL}),
    }
)
LOCATION = strict(  # § 3.28 to § 3.30, § 3.33
    {
        "physicalLocation": strict(
            {"artifactLocation": strict({"uri": {"type": "string", "pattern": "^[^ \\\\]+$"}, "uriBaseId": TEXT})},
            {"region": strict({"startLine": POSITIVE}, {"startColumn": POSITIVE})},
        )
    },
    {"logicalLocations": {"type": "array", "items": strict({"fullyQualifiedName": TEXT})}},
)
SUPPRESSION = strict(  # § 3.35
    {"kind": {"enum": ["inSource", "external"]}, "status": {"enum": ["accepted"]}, "justification": TEXT}
)
RESULT = strict(  # § 3.27
    {
        "ruleId": TEXT,
        "level": LEVEL,
        "message": MESSAGE,
        "locations": {"type": "array", "items": LOCATION, "minItems": 1},
    },
    {"ruleIndex": {"type": "integer", "minimum": 0}, "suppressions": {"type": "array", "items": SUPPRESSION}},
)
LOG = strict(  # § 3.13, § 3.14, § 3.18 to § 3.20
    {
        "$schema": TEXT,
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": strict(
                {
                    "tool": strict(
                        {"driver": strict({"name": TEXT, "semanticVersion": TEXT, "rules": {"items": RULE}})}
                    ),
                    "originalUriBaseIds": {"additionalProperties": strict({"description": MESSAGE})},
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "invocations": {
                        "items": strict(
                            {
                                "executionSuccessful": {"type": "boolean"},
                                "toolExecutionNotifications": {"items": strict({"level": LEVEL, "message": MESSAGE})},
                            }
                        )
                    },
                    "results": {"type": "array", "items": RESULT},
                }
            ),
        },
    }
)


@pytest.mark.parametrize("report", [REPORT, CheckReport(bundle="demo 1", findings=())])
def test_the_log_has_the_shape_of_sarif(report: CheckReport) -> None:
    jsonschema.Draft202012Validator.check_schema(LOG)
    jsonschema.validate(to_sarif(report, (*RULES.values(), ERROR, WARNING), version="0.1.0"), LOG)


def test_each_result_points_to_its_rule() -> None:
    run = to_sarif(REPORT, (WARNING, ERROR), version="0.1.0")["runs"][0]
    listed = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert listed[result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_result_has_the_findings_own_level_and_a_sentence() -> None:
    results = to_sarif(REPORT, (ERROR, WARNING), version="0.1.0")["runs"][0]["results"]
    assert [one["level"] for one in results] == ["error", "error", "note", "warning"]
    assert results[0]["message"]["text"] == "This is wrong. Change it."


def test_paths_are_of_the_repository_and_escaped() -> None:
    results = to_sarif(REPORT, (ERROR, WARNING), version="0.1.0", folder="examples/churn/")["runs"][0]["results"]
    first, second = (one["locations"][0] for one in results[:2])
    assert first["physicalLocation"]["artifactLocation"]["uri"] == "examples/churn/score.py"
    assert first["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 5}
    assert second["physicalLocation"]["artifactLocation"]["uri"] == "examples/churn/my%20model/%C3%BCmlaut.pkl"
    assert second["logicalLocations"] == [{"fullyQualifiedName": "offset 12"}]
    assert "region" not in second["physicalLocation"]


def test_what_the_bundle_turned_off_is_suppressed_with_its_reason() -> None:
    results = to_sarif(REPORT, (ERROR, WARNING), version="0.1.0")["runs"][0]["results"]
    assert [one.get("suppressions", [{}])[0].get("justification") for one in results] == [None, None, None, "because"]

"""Findings as SARIF 2.1.0, which code-review tools show beside the lines (OASIS, "Static Analysis Results ...")."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from builder.check.finding import Finding, Place, Rule
from builder.check.report import CheckReport

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "%SRCROOT%"


def to_sarif(report: CheckReport, rules: Iterable[Rule], *, version: str, folder: str = "") -> dict[str, Any]:
    """Return a log of one run. ``folder`` is where the bundle is in the repository, which all paths are relative to.

    What the bundle turned off is there as a suppressed result with its justification (§ 3.35), and what was left
    out as notifications (§ 3.58).
    """
    ordered = sorted(rules, key=lambda rule: rule.id)
    index = {rule.id: number for number, rule in enumerate(ordered)}
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    results = [_result(finding, index, prefix) for finding in report.findings]
    for finding, reason in report.silenced:
        suppression = {"kind": "external", "status": "accepted", "justification": reason}
        results.append(_result(finding, index, prefix) | {"suppressions": [suppression]})
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "kiln check",
                        "semanticVersion": version,
                        "rules": [_rule(rule) for rule in ordered],
                    }
                },
                "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {"level": "note", "message": {"text": reason}} for reason in report.left_out
                        ],
                    }
                ],
                "results": results,
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": f"{rule.summary} {rule.why}"},
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": str(rule.level)},
    }


def _result(finding: Finding, index: dict[str, int], prefix: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "level": str(finding.severity),
        "message": {"text": f"{_sentence(finding.message)} {_sentence(finding.remedy)}"},
        "locations": [_location(finding.place, prefix)],
    }
    if finding.rule.id in index:
        result["ruleIndex"] = index[finding.rule.id]
    return result


def _location(place: Place, prefix: str) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(f"{prefix}{place.path}"), "uriBaseId": _ROOT}}
    if place.line is not None:
        region = {"startLine": place.line}
        if place.column is not None:
            region["startColumn"] = place.column
        physical["region"] = region
    location: dict[str, Any] = {"physicalLocation": physical}
    if place.detail:
        location["logicalLocations"] = [{"fullyQualifiedName": place.detail}]
    return location


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")

"""Smoke tests as values: requests read byte for byte, expectations checked to be possible."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from builder.bundle import quantities
from builder.bundle.document import KeyPath
from builder.bundle.files import BundleFiles
from builder.bundle.model import Contract, Expectation, SmokeTest

_JSON = "application/json"
_TYPES = {"json": _JSON, "csv": "text/csv", "txt": "text/plain", "jsonl": "application/jsonlines"}


def read_smoke_tests(
    parts: Sequence[Mapping[str, Any] | None], contract: Contract, files: BundleFiles
) -> tuple[SmokeTest, ...]:
    """Read the smoke tests; an unreadable request, a name given twice and an impossible expectation are faults."""
    first: dict[str, int] = {}
    tests = []
    for index, part in enumerate(parts):
        if part is None:
            continue
        where: KeyPath = ("smoke", index)
        name = part.get("name")
        if name in first:
            line = files.faults.document.line(("smoke", first[name], "name"))
            files.faults.add(
                "smoke test has the name of another", (*where, "name"), got=f"{name}, first on line {line}"
            )
        elif name is not None:
            first[name] = index
        test = _read_one(part, where, contract, files)
        if test is not None:
            tests.append(test)
    return tuple(tests)


def smoke_warnings(tests: Sequence[SmokeTest]) -> list[str]:
    """Return what the smoke tests leave unproved."""
    warnings = []
    if not any(test.expect.status < 400 for test in tests):
        warnings.append("no smoke test expects a request to be accepted: a model that answers nonsense would pass")
    if not any(400 <= test.expect.status < 500 for test in tests):
        warnings.append("no smoke test expects a request to be refused: a model that accepts anything would pass")
    return warnings


def _read_one(part: Mapping[str, Any], where: KeyPath, contract: Contract, files: BundleFiles) -> SmokeTest | None:
    request = part.get("request")
    content_type = _JSON
    if isinstance(request, str):
        if request.lstrip()[:1] in ("{", "[") or "\n" in request:
            fact = "request is text, which is taken for a path"
            want = "a path, or the body as a mapping or list, without quotes"
            files.faults.add(fact, (*where, "request"), want=want, got=request.strip().splitlines()[0][:60])
            return None
        body = files.content(request, (*where, "request"))
        content_type = _TYPES.get(request.rpartition(".")[2].lower(), _JSON)
    else:
        body = None if request is None else json.dumps(request, ensure_ascii=False).encode()
    expect = _read_expectation(part.get("expect") or {}, (*where, "expect"), files)
    if body is None or expect is None or "name" not in part:
        return None
    return SmokeTest(
        name=part["name"],
        request=body,
        content_type=part.get("content_type", content_type),
        path=part.get("path", contract.scoring_path),
        expect=expect,
    )


def _read_expectation(part: Mapping[str, Any], where: KeyPath, files: BundleFiles) -> Expectation | None:
    status = int(part.get("status", 200))
    error = part.get("error")
    if error is not None and status < 400 and not files.faults.has((*where, "status")):
        place = (*where, "status") if "status" in part else (*where, "error")
        files.faults.add(
            "an answer that is not a refusal carries no error", place, want="a status of 400 or more", got=str(status)
        )
        return None
    limit = part.get("time_limit")
    if limit is not None:
        limit = quantities.seconds(limit)
        if limit == 0:
            files.faults.add(
                "not a duration", (*where, "time_limit"), want="more than no time", got=str(part["time_limit"])
            )
            return None
    default = Expectation(status=status)
    return Expectation(
        status=status,
        body=part.get("body"),
        has_body="body" in part,
        subset=part.get("subset", {}),
        error=error,
        rtol=part.get("rtol", default.rtol),
        atol=part.get("atol", default.atol),
        time_limit=limit,
    )

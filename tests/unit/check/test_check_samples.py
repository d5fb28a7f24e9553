from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundle_subjects import NAMES, XGBOOST, loud, read_example, read_subject, write_files

from builder.check.finding import Finding
from builder.check.intake import ROUTES, foresee_refusal, parse, speaks_platform
from builder.check.samples import find_samples
from builder.runtime.server.failure import RefusedError
from tests.support.dialects import make_desk

RECORD = {
    "type": "object",
    "additionalProperties": False,
    "required": ["age"],
    "properties": {"age": {"type": "integer", "minimum": 0}, "plan": {"enum": ["a", "b"]}},
}
ANSWER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["label"],
    "properties": {"label": {"enum": ["stays", "leaves"]}, "score": {"$ref": "#/$defs/score"}},
    "$defs": {"score": {"type": "number", "minimum": 0, "maximum": 1}},
}
AZURE = "def init():\n    pass\n\ndef run(raw):\n    return raw\n"
PREDICT = "def load(model_dir):\n    pass\n\ndef predict(model, records):\n    return records\n"


def write_bundle(root: Path, test: Mapping[str, Any], **parts: Any) -> Path:
    scoring = parts.pop("script", None)
    document = {
        "name": "churn",
        "version": "1.0.0",
        "model": {"path": "model/m.json"},
        "environment": {"python": "3.11", "requirements": ["xgboost-cpu==3.*"]},
        "schema": {"request": RECORD, "response": ANSWER, **parts.pop("schema", {})},
        "smoke": [{"name": "t", "request": {"age": 1}, **test}],
        **({"scoring": {"script": "score.py"}} if scoring else {}),
        **parts,
    }
    document["schema"] = {key: value for key, value in document["schema"].items() if value is not None}
    files = {"bundle.yaml": json.dumps(document), "model/m.json": XGBOOST, "odd.csv": "a,b", "odd.json": '{"age": NaN}'}
    return write_files(root / "bundle", {**files, **({"score.py": scoring} if scoring else {})})


def check(tmp_path: Path, test: Mapping[str, Any], **parts: Any) -> list[Finding]:
    return list(find_samples(read_subject(write_bundle(tmp_path, test, **parts))))


def ids(findings: list[Finding]) -> list[str]:
    return [f"{finding.rule.id} {finding.severity}" for finding in findings]


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_without_fault(name: str, tmp_path: Path) -> None:
    assert loud(find_samples(read_example(name, tmp_path))) == []


GOOD: dict[str, dict[str, Any]] = {
    "one record": {"request": {"age": 1}},
    "a list": {"request": [{"age": 1}, {"age": 2, "plan": "a"}]},
    "records": {"request": {"records": [{"age": 1}]}},
    "instances": {"request": {"instances": [{"age": 1}]}},
    "no records": {"request": []},
    "a refusal by the schema": {"request": {"age": -1}, "expect": {"status": 400}},
    "a refusal of one of many": {"request": [{"age": 1}, {}], "expect": {"status": 400}},
    "a refusal of what is not JSON": {
        "request": "odd.csv",
        "content_type": "application/json",
        "expect": {"status": 400},
    },
    "a refusal of NaN": {"request": "odd.json", "expect": {"status": 400}},
    "a refusal of a type": {"request": "odd.csv", "expect": {"status": 415}},
    "no such route": {"path": "/nowhere", "expect": {"status": 404}},
    "a route of a platform": {"path": "/v2/models/churn/infer", "request": {"inputs": []}, "expect": {"status": 400}},
    "another one": {"path": "/invocations", "content_type": "text/csv", "request": "odd.csv"},
    "an answer": {"expect": {"body": {"predictions": [{"label": "stays", "score": 0.5}]}}},
    "a part of the answer": {"expect": {"subset": {"$.predictions[0].label": "leaves"}}},
    "a score": {"expect": {"subset": {"$.predictions[0].score": 0.25}}},
    "a part that cannot be told": {"expect": {"subset": {"$.meta": 1}}},
    "a failure of the model": {"expect": {"status": 500}},
}


@pytest.mark.parametrize("test", GOOD.values(), ids=GOOD)
def test_samples_that_agree_with_the_schemas_are_left_alone(test: dict[str, Any], tmp_path: Path) -> None:
    assert check(tmp_path, test) == []


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a missing field": ({"request": {"plan": "a"}}, "KILN501 error"),
    "a wrong type": ({"request": {"age": "one"}}, "KILN501 error"),
    "an unknown field": ({"request": {"age": 1, "size": 2}}, "KILN501 error"),
    "one of many": ({"request": {"records": [{"age": 1}, {"age": 1.5}]}}, "KILN501 error"),
    "a wrapper with something beside": ({"request": {"records": [{"age": 1}], "id": 1}}, "KILN501 error"),
    "a table": ({"request": "odd.csv"}, "KILN501 error"),
    "NaN": ({"request": "odd.json"}, "KILN501 error"),
    "a route that is not there": ({"path": "/score/v1"}, "KILN501 error"),
    "a refusal that is none": ({"expect": {"status": 400}}, "KILN502 warning"),
    "an answer of another label": ({"expect": {"body": {"predictions": [{"label": "goes"}]}}}, "KILN503 error"),
    "an answer without its field": ({"expect": {"body": {"predictions": [{}]}}}, "KILN503 error"),
    "a part of another label": ({"expect": {"subset": {"$.predictions[0].label": "goes"}}}, "KILN503 error"),
    "a part by reference": ({"expect": {"subset": {"$.predictions[0].score": 2}}}, "KILN503 error"),
    "a part that is not there": ({"expect": {"subset": {"$.predictions[0].lable": "stays"}}}, "KILN503 error"),
}


@pytest.mark.parametrize(("test", "expected"), BAD.values(), ids=BAD)
def test_samples_that_contradict_a_schema_are_found(test: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert ids(check(tmp_path, test)) == [expected]


def test_a_refused_sample_is_told_with_its_reasons(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, {"request": [{"age": 1}, {"age": -2, "plan": "z"}]})
    assert finding.place.path == "bundle.yaml"
    assert finding.place.detail == "smoke[0].request[1].age"
    assert "[1].age: -2 is less than the minimum of 0" in finding.message
    assert "[1].plan: 'z' is not one of ['a', 'b']" in finding.message


def test_a_body_larger_than_the_service_takes_is_found(tmp_path: Path) -> None:
    (finding,) = check(tmp_path, {"request": {"age": 123456}}, service={"max_body": 10})
    assert "refused with 413" in finding.message


def test_missing_schemas_are_noted(tmp_path: Path) -> None:
    assert ids(check(tmp_path, {}, schema={"request": None, "response": None})) == ["KILN504 note", "KILN505 note"]


def test_without_a_schema_a_record_is_an_object(tmp_path: Path) -> None:
    schema = {"request": None}
    arrays: dict[str, Any] = {"request": [[1, 2]]}
    assert "KILN501 error" not in ids(check(tmp_path, arrays, schema=schema))
    assert "KILN501 error" in ids(check(tmp_path, arrays, schema=schema, script=PREDICT))


def test_an_azure_script_without_a_schema_gets_everything(tmp_path: Path) -> None:
    schema = {"request": None}
    assert "KILN501 error" not in ids(check(tmp_path, {"request": "odd.csv"}, schema=schema, script=AZURE))
    refused = {"request": {"age": "x"}, "expect": {"status": 400}}
    assert "KILN502 warning" in ids(check(tmp_path, refused, schema=schema, script=AZURE))


def test_a_format_that_only_the_server_knows_gives_no_finding(tmp_path: Path) -> None:
    dated = {"type": "object", "properties": {"day": {"type": "string", "format": "date-time"}}}
    test = {"request": {"day": "tomorrow"}, "expect": {"status": 400}}
    assert check(tmp_path, test, schema={"request": dated}) == []


def test_a_schema_of_the_body_is_held_against_the_body(tmp_path: Path) -> None:
    body = {"type": "object", "required": ["rows"], "properties": {"rows": {"type": "array", "items": RECORD}}}
    answer = {"type": "object", "required": ["results"]}
    schema = {"scope": "body", "request": body, "response": answer}
    good = {"request": {"rows": [{"age": 1}]}, "expect": {"body": {"results": []}}}
    assert check(tmp_path, good, schema=schema, script=AZURE) == []
    assert ids(check(tmp_path, {"request": [{"age": 1}]}, schema=schema, script=AZURE)) == ["KILN501 error"]
    bad = {"request": {"rows": []}, "expect": {"body": {"predictions": []}}}
    assert ids(check(tmp_path, bad, schema=schema, script=AZURE)) == ["KILN503 error"]


def test_an_azure_answer_may_wrap_what_the_schema_describes(tmp_path: Path) -> None:
    for body in ([{"label": "stays"}], {"result": [{"label": "stays"}]}, {"label": "stays"}):
        assert check(tmp_path, {"expect": {"body": body}}, script=AZURE) == []
    assert ids(check(tmp_path, {"expect": {"body": [{"label": "x"}]}}, script=AZURE)) == ["KILN503 error"]


BODIES: tuple[bytes, ...] = (
    b"{}", b"[]", b"", b"{", b'{"age": 1}', b'{"age": -1}', b'{"age": 1.0}', b'{"age": true}', b'{"age": null}',
    b'{"age": 1, "plan": "c"}', b'[{"age": 1}]', b'[{"age": 1}, 3]', b'{"records": [{"age": 1}]}', b'{"records": 1}',
    b'{"records": [], "age": 1}', b'{"instances": [{"age": "x"}]}', b'{"age": NaN}', b'{"age": 1e400}', b"null", b'"x"',
    b"\xff", b'[[{"age": 1}]]', b'{"age": 1}}', b'{"age": 1, "age": 2}',
)  # fmt: skip


@pytest.mark.parametrize("contract", ["none", "predict", "azure"])
@pytest.mark.parametrize("scope", ["record", "body"])
@pytest.mark.parametrize("has_schema", [True, False])
def test_refusals_are_those_of_the_server(contract: str, scope: str, has_schema: bool, tmp_path: Path) -> None:
    script = {"none": None, "predict": PREDICT, "azure": AZURE}[contract]
    schema = {"request": RECORD if has_schema else None, "scope": scope}
    subject = read_subject(write_bundle(tmp_path, {"content_type": "application/json"}, script=script, schema=schema))
    resolved = {
        "name": "churn", "version": "1", "scoring": {"contract": contract, "script": script and "/score.py"},
        "model": {"path": "/m"}, "schema": schema,
    }  # fmt: skip
    desk = make_desk(resolved)
    (test,) = subject.bundle.smoke
    types = ("application/json", "text/csv", "application/json; charset=latin-1", "application/vnd.x+json", "")
    for content_type in types:
        for body in BODIES:
            refusal = foresee_refusal(subject.bundle, replace(test, request=body, content_type=content_type))
            try:
                desk.read("/predict", body, content_type=content_type)
                status = None
            except RefusedError as error:
                status = error.failure.status
            assert (refusal and refusal.status) == status, (body, content_type)


def test_the_routes_of_platforms_are_those_the_server_scores_on() -> None:
    desk = make_desk({
        "name": "churn", "version": "1", "scoring": {"contract": "none", "script": None}, "model": {"path": "/m"},
    })  # fmt: skip
    patterns = {route.pattern for route in desk.service.routes if "POST" in route.methods}
    for pattern in patterns:
        path = re.sub(r"\{\w+\}", "x", pattern)
        assert speaks_platform(path) != (path in ROUTES), path


def test_what_is_nested_too_deeply_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="deep"):
        parse(b"[" * 200_000)


@pytest.mark.parametrize(
    ("sample", "place", "fact"),
    [
        ('{\n\t"age": 1,\n\t"plan": "c"\n}', "sample.json:3:2 (plan)", "plan: 'c' is not one of"),
        ('[{"age": 1},\n {"age": -1}]', "sample.json:2:3 ([1].age)", "-1 is less than the minimum"),
        ("\n{}", "sample.json:2:1 (smoke[0].request)", "'age' is a required property"),
    ],
)
def test_a_refused_sample_of_a_file_is_told_with_the_files_line(
    sample: str, place: str, fact: str, tmp_path: Path
) -> None:
    root = write_bundle(tmp_path, {"request": "sample.json"})
    (root / "sample.json").write_text(sample)
    (finding,) = find_samples(read_subject(root))
    assert str(finding.place) == place
    assert fact in finding.message
    assert "or expect the refusal" in finding.remedy


def test_a_sample_that_is_no_json_is_to_be_corrected(tmp_path: Path) -> None:
    root = write_bundle(tmp_path, {"request": "sample.json"})
    (root / "sample.json").write_text('{"age": 1,\n "plan" "a"}')
    (finding,) = find_samples(read_subject(root))
    assert str(finding.place) == "sample.json:2:9 (smoke[0].request)"
    assert finding.message.endswith("the body is not JSON: expecting ':' delimiter")
    assert finding.remedy == "correct the JSON"


def test_a_sample_that_is_no_json_and_is_to_be_refused_is_no_finding(tmp_path: Path) -> None:
    root = write_bundle(tmp_path, {"request": "sample.json", "expect": {"status": 400}})
    (root / "sample.json").write_text('{"age"')
    assert list(find_samples(read_subject(root))) == []

from __future__ import annotations

import json
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest
from bundle_subjects import EXAMPLES, NAMES, XGBOOST, loud, read_example, read_subject, write_files

from builder.check import contract
from builder.check.contract import find_contract
from builder.check.features import ModelFeatures
from builder.check.finding import Finding

SCRIPTED = """\
name: churn
version: 1.0.0
model: {path: model/m.json}
scoring: {script: score.py}
environment: {python: "3.11", requirements: []}
schema: {request: schema.json, scope: %s}
"""
AS_IT_IS = """\
name: churn
version: 1.0.0
model: {path: model/m.json, framework: %s}
environment: {python: "3.11", requirements: [xgboost-cpu==3.*]}
schema: {request: schema.json, scope: %s}
"""
RECORD = {
    "type": "object",
    "additionalProperties": False,
    "required": ["age", "plan"],
    "properties": {"age": {"type": "integer"}, "plan": {"type": "string"}, "note": {"type": "string"}},
}
BODY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["tickets"],
    "properties": {"tickets": {"type": "array", "items": {"$ref": "#/$defs/ticket"}}, "lang": {"type": "string"}},
    "$defs": {"ticket": {"type": "object", "required": ["text"], "properties": {"text": {}, "title": {}}}},
}


def predicting(
    tmp_path: Path, predict: str, *, schema: dict[str, Any] = RECORD, scope: str = "record", before: str = ""
) -> list[Finding]:
    code = f"{before}\ndef load(model_dir):\n    return 1\n\n"
    code += f"def predict(model, records):\n{textwrap.indent(predict, '    ')}\n"
    return run(tmp_path, code, schema, scope)


def running(tmp_path: Path, body: str, *, schema: dict[str, Any] = BODY, scope: str = "body") -> list[Finding]:
    code = f"import json\n\ndef init():\n    pass\n\ndef run(raw):\n{textwrap.indent(body, '    ')}\n"
    return run(tmp_path, code, schema, scope)


def run(tmp_path: Path, code: str, schema: dict[str, Any], scope: str) -> list[Finding]:
    files = {
        "bundle.yaml": SCRIPTED % scope, "model/m.json": XGBOOST, "score.py": code, "schema.json": json.dumps(schema)
    }  # fmt: skip
    return list(find_contract(read_subject(write_files(tmp_path / "bundle", files))))


def served(
    tmp_path: Path, *, names: tuple[str, ...] | None, count: int | None = None, schema: dict[str, Any] = RECORD,
    framework: str = "xgboost", scope: str = "record", monkeypatch: pytest.MonkeyPatch,
) -> list[Finding]:  # fmt: skip
    features = ModelFeatures(names=names, count=count, source="learner.feature_names")
    monkeypatch.setattr(contract, "model_features", lambda *_: features)
    files = {
        "bundle.yaml": AS_IT_IS % (framework, scope), "model/m.json": XGBOOST, "schema.json": json.dumps(schema)
    }  # fmt: skip
    return list(find_contract(read_subject(write_files(tmp_path / "bundle", files))))


def ids(findings: list[Finding]) -> list[str]:
    return [f"{finding.rule.id} {finding.severity}" for finding in findings]


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_without_fault(name: str, tmp_path: Path) -> None:
    assert loud(find_contract(read_example(name, tmp_path))) == []


GOOD = {
    "a required key": "return [record['age'] for record in records]",
    "get of an optional key": "return [record.get('note', '') for record in records]",
    "an optional key that is asked for": "return [record['note'] if 'note' in record else '' for record in records]",
    "an optional key that is guarded": (
        "try:\n    return [r['note'] for r in records]\nexcept KeyError:\n    return records"
    ),
    "an optional key with a default": (
        "for r in records:\n    r.setdefault('note', '')\nreturn [r['note'] for r in records]"
    ),
    "a key the code makes": "for r in records:\n    r['size'] = r['age'] * 2\nreturn [r['size'] for r in records]",
    "pop with a default": "return [r.pop('note', None) for r in records]",
    "a frame's columns": "import pandas as pd\nreturn pd.DataFrame(records)[['age', 'plan']]",
    "a column the code makes": (
        "import pandas as pd\ndf = pd.DataFrame(records)\ndf['size'] = df['age'] * 2\nreturn df['size']"
    ),
    "an optional column": "import pandas as pd\nreturn pd.DataFrame(records)['note']",
    "a frame that was changed": "import pandas as pd\ndf = pd.DataFrame(records)\nadd_all(df)\nreturn df['size']",
    "a frame changed in place": (
        "import pandas as pd\ndf = pd.DataFrame(records)\ndf.rename(columns=str.upper, inplace=True)\nreturn df['AGE']"
    ),
    "renamed columns": "import pandas as pd\ndf = pd.DataFrame(records)\ndf.columns = ['a', 'b']\nreturn df['a']",
    "an unknown key": "return [record[name] for record in records for name in open('/tmp/names')]",
    "a key of something else": "return [model['weights'] for record in records]",
    "update": "for r in records:\n    r.update(model.enrich(r))\nreturn [r['size'] for r in records]",
    "a copy of the records": "rows = [dict(r, size=1) for r in records]\nreturn [row['size'] for row in rows]",
}


@pytest.mark.parametrize("code", GOOD.values(), ids=GOOD)
def test_keys_that_are_there_or_cannot_be_told_are_left_alone(code: str, tmp_path: Path) -> None:
    assert predicting(tmp_path, code) == []


BAD = {
    "a misspelt key": ("return [record['agee'] for record in records]", "KILN509 error"),
    "get of a key that never comes": ("return [record.get('agee', 0) for record in records]", "KILN509 warning"),
    "an optional key": ("return [record['note'] for record in records]", "KILN510 warning"),
    "an indexed record": ("return [records[0]['agee']]", "KILN509 error"),
    "in a loop": ("out = []\nfor r in records:\n    out.append(r['agee'])\nreturn out", "KILN509 error"),
    "enumerated by hand": ("return list(r['agee'] for r in list(records))", "KILN509 error"),
    "a frame's column": ("import pandas as pd\nreturn pd.DataFrame(records)['agee']", "KILN509 warning"),
    "a frame's columns": (
        "import pandas as pd\ndf = pd.DataFrame.from_records(records)\nreturn df[['age', 'plann']]",
        "KILN509 warning",
    ),
    "columns of a constant": (
        "import pandas as pd\nNAMES = ['age'] + ['plann']\nreturn pd.DataFrame(records)[NAMES]",
        "KILN509 warning",
    ),
}


@pytest.mark.parametrize(("code", "expected"), BAD.values(), ids=BAD)
def test_keys_that_no_request_need_have_are_found(code: str, expected: str, tmp_path: Path) -> None:
    assert ids(predicting(tmp_path, code)) == [expected]


@pytest.mark.parametrize(
    ("head", "annotation"),
    [
        ("import pandas as pd", "pd.DataFrame"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pandas import DataFrame as D", "'D | None'"),
    ],
)
def test_columns_of_a_frame_that_predict_asks_for_are_followed(head: str, annotation: str, tmp_path: Path) -> None:
    code = f"{head}\ndef load(model_dir):\n    return 1\n\nasync def predict(model, rows: {annotation}):\n"
    assert (
        ids(run(tmp_path / "good", f"{code}    return rows[['age', 'plan']], rows['note']\n", RECORD, "record")) == []
    )
    (finding,) = run(tmp_path / "bad", f"{code}    return rows['agee']\n", RECORD, "record")
    assert (finding.rule.id, "'agee'" in finding.message) == ("KILN509", True)


def test_an_array_that_predict_asks_for_has_no_keys(tmp_path: Path) -> None:
    code = "import numpy as np\ndef load(d): ...\ndef predict(model, rows: np.ndarray):\n    return rows[:, 0]\n"
    assert run(tmp_path, code, RECORD, "record") == []


def test_a_misspelt_key_is_told_with_line_and_name(tmp_path: Path) -> None:
    (finding,) = predicting(tmp_path, "return [record['agee'] for record in records]")
    assert str(finding.place) == "score.py:6:13"
    assert finding.message == "'agee' is read, and the request schema forbids it: every request fails"
    assert finding.remedy == "read 'age'"


CERTAIN = {
    "names of a constant": "NAMES = ['age', 'agee']\nreturn [[r[name] for name in NAMES] for r in records]",
    "after what raises": "if model is None:\n    raise ValueError\nreturn [r['agee'] for r in records]",
    "after a known call": "print(records)\nreturn [r['agee'] for r in records]",
    "after a helper that returns early": (
        "def half(x):\n    if x:\n        return 1\n    return 2\nhalf(model)\nreturn [r['agee'] for r in records]"
    ),
    "pop": "return [r.pop('agee') for r in records]",
    "also on a path that is not certain": (
        "for r in records:\n    if model:\n        print(r['agee'])\nreturn [r['agee'] for r in records]"
    ),
}


@pytest.mark.parametrize("code", CERTAIN.values(), ids=CERTAIN)
def test_a_forbidden_key_that_every_request_reads_is_an_error(code: str, tmp_path: Path) -> None:
    assert ids(predicting(tmp_path, code)) == ["KILN509 error"]


UNCERTAIN = {
    "below a condition": "if flags.on:\n    return [r['agee'] for r in records]\nreturn records",
    "in a choice": "return [r['agee'] if flags.on else 0 for r in records]",
    "after an and": "return [flags.on and r['agee'] for r in records]",
    "after a return": "if flags.on:\n    return records\nreturn [r['agee'] for r in records]",
    "after a continue": "for r in records:\n    if flags.on:\n        continue\n    r['agee']\nreturn records",
    "in a filtered comprehension": "return [r['agee'] for r in records if flags.on]",
    "in a loop that need not run": "for name in flags.on:\n    records[0]['agee']\nreturn records",
    "in a while": "while flags.on:\n    records[0]['agee']\nreturn records",
    "in a try": "try:\n    return [r['agee'] for r in records]\nexcept ValueError:\n    return records",
    "after a try": "try:\n    return flags.on(1)\nexcept ValueError:\n    pass\nreturn [r['agee'] for r in records]",
    "in a context": "with flags.on.all_defaults(records):\n    return [r['agee'] for r in records]",
    "changed by a library": "import enrich\nenrich.fill(records)\nreturn [r['agee'] for r in records]",
    "changed as a list": "flags.on.fill([r for r in records])\nreturn [r['agee'] for r in records]",
    "changed in a callback": "list(map(fill, records))\nreturn [r['agee'] for r in records]",
    "changed by keys that are not known": (
        "for r in records:\n    for name in flags.on:\n        r[name] = 1\nreturn [r['agee'] for r in records]"
    ),
    "merged": "for r in records:\n    r |= flags.on\nreturn [r['agee'] for r in records]",
    "one of several": "r = records[0] if flags.on else {'agee': 1}\nreturn [r['agee']]",
    "a function that may not be called so": (
        "import functools\n@flags.on.wrap\ndef one(r):\n    return r['agee']\nreturn [one(r) for r in records]"
    ),
    "a generator": "def each():\n    for r in records:\n        yield r['agee']\neach()\nreturn records",
    "a frame": "import pandas as pd\nreturn pd.DataFrame(records)['agee']",
}


@pytest.mark.parametrize("code", UNCERTAIN.values(), ids=UNCERTAIN)
def test_a_forbidden_key_that_some_requests_may_not_read_is_a_warning(code: str, tmp_path: Path) -> None:
    found = predicting(tmp_path, code, before="import flags\ndef fill(record): ...\n")
    assert ids(found) == ["KILN509 warning"]


def test_an_array_in_a_body_may_be_empty(tmp_path: Path) -> None:
    code = "return [t['agee'] for t in json.loads(raw)['tickets']]"
    part = {"type": "array", "items": {**RECORD}}
    schema = {"type": "object", "required": ["tickets"], "properties": {"tickets": part}}
    assert ids(running(tmp_path / "a", code, schema=schema)) == ["KILN509 warning"]
    assert ids(
        running(tmp_path / "b", code, schema={**schema, "properties": {"tickets": {**part, "minItems": 1}}})
    ) == ["KILN509 error"]


def test_functions_the_records_are_passed_to_are_followed(tmp_path: Path) -> None:
    before = "def one(record, key='agee'):\n    return record[key]\n"
    assert ids(predicting(tmp_path, "return [one(r) for r in records]", before=before)) == ["KILN509 error"]
    assert predicting(tmp_path, "return [one(r, 'age') for r in records]", before=before) == []


def test_an_open_schema_forgives_get(tmp_path: Path) -> None:
    schema = {key: value for key, value in RECORD.items() if key != "additionalProperties"}
    assert predicting(tmp_path, "return [r.get('size') for r in records]", schema=schema) == []
    assert ids(predicting(tmp_path, "return [r['size'] for r in records]", schema=schema)) == ["KILN509 warning"]


def test_a_schema_with_alternatives_is_not_judged(tmp_path: Path) -> None:
    schema = {**RECORD, "anyOf": [{"required": ["size"]}]}
    assert predicting(tmp_path, "return [r['size'] for r in records]", schema=schema) == []


def test_bodies_are_followed_into_lists_and_references(tmp_path: Path) -> None:
    assert running(tmp_path, "return [t['text'] for t in json.loads(raw)['tickets']]") == []
    found = running(tmp_path, "data = json.loads(raw)\nreturn [t['title'] for t in data['tickets']], data['tikets']")
    assert ids(found) == ["KILN509 error", "KILN510 warning"]
    assert found[0].remedy == "read 'tickets'"


def test_the_usual_data_key_of_azure_is_held_against_the_schema(tmp_path: Path) -> None:
    (finding,) = running(tmp_path, "return json.loads(raw)['data']")
    assert finding.message == "'data' is read, and the request schema forbids it: every request fails"


def test_a_default_is_taken_only_for_a_key_that_may_be_missing(tmp_path: Path) -> None:
    read = (
        "payload = json.loads(raw)\nreturn payload.get('{0}', payload)['inner'], payload.pop('{0}', payload)['inner']"
    )
    inner = {"type": "object", "required": ["inner"], "properties": {"inner": {}}}
    schema = {"type": "object", "required": ["data"], "properties": {"data": inner, "more": inner}}
    assert running(tmp_path, read.format("data"), schema=schema) == []
    found = running(tmp_path / "b", read.format("more"), schema=schema)
    assert [one.message for one in found] == ["'inner' is read, and the request schema does not name it"]


SAGEMAKER = """
import json
def model_fn(model_dir): return 1
def input_fn(body, content_type):
    if content_type == "application/json":
        return json.loads(body)
    return body
def predict_fn(data, model):
    return data[{key!r}]
"""


def test_a_body_goes_through_sagemakers_functions(tmp_path: Path) -> None:
    assert run(tmp_path, SAGEMAKER.format(key="tickets"), BODY, "body") == []
    (finding,) = run(tmp_path / "b", SAGEMAKER.format(key="tikets"), BODY, "body")
    assert (finding.rule.id, finding.place.line, finding.remedy) == ("KILN509", 9, "read 'tickets'")
    transform = "import json\ndef model_fn(d): return 1\ndef transform_fn(model, data, kind, accept, context):\n"
    transform += "    return str(json.loads(data)['tikets'])\n"
    assert ids(run(tmp_path / "c", transform, BODY, "body")) == ["KILN509 error"]


def test_a_body_of_one_record_or_many_may_be_read_both_ways(tmp_path: Path) -> None:
    code = "data = json.loads(raw)\nrows = data['records'] if isinstance(data, dict) else data\n"
    code += "return [r['age'] for r in rows]"
    assert running(tmp_path, code, schema=RECORD, scope="record") == []
    assert running(tmp_path, "return json.loads(raw)['age']", schema=RECORD, scope="record") == []


def test_features_that_are_the_fields_are_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert served(tmp_path, names=("note", "plan", "age"), monkeypatch=monkeypatch) == []
    assert served(tmp_path, names=None, count=3, monkeypatch=monkeypatch) == []
    assert served(tmp_path, names=None, count=None, monkeypatch=monkeypatch) == []


def test_a_renamed_feature_is_told_with_the_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = served(tmp_path, names=("Age", "plan", "note"), monkeypatch=monkeypatch)
    assert ids([finding]) == ["KILN506 error"]
    assert finding.message == "the model expects 'Age' (learner.feature_names), and the schema names 'age'"
    assert finding.remedy == "rename 'age' to 'Age'"


def test_a_missing_feature_is_an_error_where_no_request_can_carry_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("age", "plan", "note", "income")
    assert ids(served(tmp_path, names=names, monkeypatch=monkeypatch)) == ["KILN506 error"]
    schema = {key: value for key, value in RECORD.items() if key != "additionalProperties"}
    (finding,) = served(tmp_path, names=names, schema=schema, monkeypatch=monkeypatch)
    assert ids([finding]) == ["KILN506 warning"]
    assert finding.message.endswith("; a request may still carry it, for the schema allows other fields")


def test_a_field_the_model_does_not_know_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = served(tmp_path, names=("age", "plan"), monkeypatch=monkeypatch)
    assert ids([finding]) == ["KILN507 warning"]
    assert "'note'" in finding.message


def test_a_model_without_names_must_have_as_many_features_as_fields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finding,) = served(tmp_path, names=None, count=7, monkeypatch=monkeypatch)
    assert ids([finding]) == ["KILN508 error"]
    assert finding.message.startswith("the model has 7 features, and the schema 3 fields")


def test_fields_that_may_be_left_out_are_noted_for_scikit_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = served(tmp_path, names=("age", "plan", "note"), framework="sklearn", monkeypatch=monkeypatch)
    assert ids(found) == ["KILN510 note"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": RECORD},
        {"type": "object", "properties": {"records": {"type": "array", "items": RECORD}}},
    ],
    ids=["a list", "a wrapper"],
)
def test_records_are_found_in_the_schema_of_a_body(
    schema: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served(tmp_path, names=("age", "plan", "note"), schema=schema, scope="body", monkeypatch=monkeypatch) == []
    found = served(tmp_path, names=("plan", "note"), schema=schema, scope="body", monkeypatch=monkeypatch)
    assert ids(found) == ["KILN507 warning"]


def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], predict: str) -> list[Finding]:
    features = ModelFeatures(names=names, count=len(names), source="feature_names_in_")
    monkeypatch.setattr(contract, "model_features", lambda *_: features)
    return predicting(tmp_path, predict)


STRAIGHT = "import pandas as pd\nreturn model.predict(pd.DataFrame(records))"


def test_a_script_that_passes_records_on_is_told_of_renamed_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scripted(tmp_path, monkeypatch, ("ages", "plan", "note"), STRAIGHT)
    assert ids(found) == ["KILN506 warning"]
    assert "'ages'" in found[0].message


def test_a_script_and_schema_that_share_no_name_with_the_model_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finding,) = scripted(tmp_path, monkeypatch, ("length", "width"), STRAIGHT)
    assert ids([finding]) == ["KILN506 warning"]
    assert finding.message.endswith("unless it makes the names while it runs")


@pytest.mark.parametrize(
    ("names", "predict"),
    [
        (("age", "plan", "age_per_plan"), STRAIGHT),
        (("ages", "plan"), "return [{'ages': r['age']} for r in records]"),
        (("ages", "plan"), "import pandas as pd\nreturn pd.DataFrame(records).rename(columns={'age': 'x'})"),
        (("f0", "f1"), STRAIGHT),
        (("Column_0", "Column_1"), STRAIGHT),
        (("length", "width"), "return [measure(r['plan']) for r in records]"),
    ],
    ids=["derived", "mapped", "renamed in bulk", "made by a library", "made by LightGBM", "made by the code"],
)
def test_features_a_script_may_make_are_left_alone(
    names: tuple[str, ...], predict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scripted(tmp_path, monkeypatch, names, predict) == []


def test_a_field_renamed_in_an_example_is_found_with_the_real_models_features(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "fraud", tmp_path / "fraud", ignore=shutil.ignore_patterns("build", "data"))
    schema = tmp_path / "fraud/schema/request.json"
    schema.write_text(schema.read_text().replace("amount", "amout"))
    found = list(find_contract(read_subject(tmp_path / "fraud")))
    assert ids(found) == ["KILN506 error"]
    assert found[0].remedy == "rename 'amout' to 'amount'"
    assert (found[0].place.path, found[0].place.detail) == ("schema/request.json", "properties.amout")
    line = schema.read_text().splitlines()[(found[0].place.line or 0) - 1]
    assert '"amout":' in line

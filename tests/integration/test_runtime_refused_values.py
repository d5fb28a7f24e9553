"""What only the model knows to be wrong is the caller's to mend: 400 with field, value and rule, on every route."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runtime_service import Service, make_root, run_entry, running

XGBOOST = """
import json

class Booster:
    feature_names = ["age", "region"]
    feature_types = ["float", "c"]

    def __init__(self, model_file): pass

    def save_raw(self, raw_format):
        values = list(b"eastsouth")
        cats = {"enc": [{"values": [], "offsets": []}, {"values": values, "offsets": [0, 4, 9]}]}
        return json.dumps({"learner": {"gradient_booster": {"model": {"cats": cats}}}}).encode()

    def save_config(self):
        return '{"learner": {"gradient_booster": {"name": "gbtree"}}}'

    def inplace_predict(self, table, validate_features):
        return [row[0] + row[1] for row in table.rows]
"""
NUMPY = """
float32 = float

class Table:
    def __init__(self, shape):
        self.rows = [[0.0] * shape[1] for _ in range(shape[0])]

    def __setitem__(self, key, values):
        for row, value in zip(self.rows, values, strict=True):
            row[key[1]] = value

def empty(shape, dtype):
    return Table(shape)

def array(values, dtype):
    return [float(value) for value in values]
"""
SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "number"}, "region": {"type": "string"}},
    "required": ["age", "region"],
}
GOOD, WEST, NORTH = ({"age": 1, "region": name} for name in ("south", "west", "north"))


def lay_out(root: Path) -> Path:
    """Lay out an image of an XGBoost model with stand-ins for its library, as far as one is asked."""
    model = {"path": "/opt/model/model/m.json", "basename": "m.json", "framework": "xgboost", "files": []}
    made = make_root(root, None, contract="none", schema=SCHEMA, model=model)
    for name, text in (("xgboost", XGBOOST), ("numpy", NUMPY)):
        (made / f"opt/model/packages/{name}.py").write_text(text)
    (made / "opt/model/model/m.json").write_text("{}")
    return made


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(lay_out(tmp_path_factory.mktemp("refused"))) as started:
        yield started


def test_what_the_model_knows_is_scored(service: Service) -> None:
    assert service.predict(GOOD).json == {"predictions": [2.0]}


def test_a_category_of_no_training_is_refused_with_field_value_and_rule(service: Service) -> None:
    answer = service.predict(WEST)
    sentence = '"region" must be one of "east", "south", but is "west".'
    assert answer.status == 400
    assert answer.json == {
        "error": sentence,
        "message": sentence,
        "faults": [{"field": "region", "value": "west", "rule": "enum", "message": sentence}],
    }
    assert service.metric('kiln_refused_total{rule="enum"}') >= 1
    own = [line for line in service.log() if line.get("logger") != "kiln.access"]  # where each refusal has its line
    assert not [line for line in own if line.get("level") in ("warning", "error")]


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("/predict", [GOOD, WEST], ["[1].region"]),
        ("/predict", {"records": [WEST, GOOD, NORTH]}, ["records[0].region", "records[2].region"]),
        ("/predict", {"instances": [GOOD, WEST]}, ["instances[1].region"]),
        ("/invocations", {"dataframe_records": [GOOD, WEST]}, ["dataframe_records[1].region"]),
        (
            "/invocations",
            {"dataframe_split": {"columns": ["age", "region"], "data": [[1, "west"]]}},
            ["dataframe_split.data[0].region"],
        ),
        ("/v1/models/double:predict", {"instances": [GOOD, WEST]}, ["instances[1].region"]),
    ],
)
def test_the_field_is_told_by_its_place_in_the_body(service: Service, path: str, body: Any, fields: list[str]) -> None:
    service.predict([GOOD, GOOD])  # what came before has no part in it
    answer = service.predict(body, path)
    assert answer.status == 400
    for field in fields:
        assert f'\\"{field}\\" must be one of' in answer.body.decode()


def test_only_the_lines_of_a_batch_that_hold_it_are_refused(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "root")
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in (GOOD, WEST, GOOD)))
    done = run_entry(
        root,
        "batch",
        *("--input", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.jsonl"), "--on-error", "record"),
    )
    told = [json.loads(line) for line in (tmp_path / "out.jsonl.errors.jsonl").read_text().splitlines()]
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3, done.stderr
    assert [(one["kind"], one["faults"][0]["field"]) for one in told] == [("refused", "region")]

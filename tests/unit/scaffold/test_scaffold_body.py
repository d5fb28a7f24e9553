from __future__ import annotations

import ast
from pathlib import Path

import pytest

from builder.scaffold.body import add_body_requests, body_keys
from builder.scaffold.columns import Column, Intake
from builder.scaffold.draft import Draft


@pytest.mark.parametrize(
    ("code", "keys"),
    [
        ('def run(raw):\n    return json.loads(raw)["data"]', ["data"]),
        ('def run(raw):\n    body = json.loads(raw)\n    return body["x"], body["y"], body["x"]', ["x", "y"]),
        ('def run(raw):\n    return loads(raw)["data"]', ["data"]),
        ('def run(raw):\n    other = {}\n    return other["data"]', []),
        ("def run(raw):\n    return json.loads(raw)", []),
    ],
)
def test_the_keys_of_a_body_are_read_from_the_script(code: str, keys: list[str]) -> None:
    assert body_keys(ast.parse(code)) == keys


def test_a_body_is_made_up_of_as_many_features_as_the_model_has() -> None:
    draft = Draft(form="folder", root=Path("/x"), source="x")
    intake = Intake(columns=(Column(name="a"), Column(name="b")), has_names=False)
    add_body_requests(draft, ast.parse('json.loads(raw)["data"]'), intake=intake)
    assert b"0.0,\n" in draft.files["samples/accepted.json"]
    assert [test.status for test in draft.tests] == [200, 400]
    assert draft.scope == "body"


def test_a_script_that_tells_nothing_leaves_a_blank() -> None:
    draft = Draft(form="folder", root=Path("/x"), source="x")
    add_body_requests(draft, ast.parse("pass"), intake=None)
    assert [note.at for note in draft.blanks] == ["smoke[0].request"]
    assert draft.tests[0].request is None

from __future__ import annotations

import json
from typing import Any

import pytest

from builder.runtime.server.failure import RefusedError
from tests.support.dialects import Desk, make_desk
from tests.support.records import DOCUMENT, RECORDS, to_columns, to_json

PREDICT = "/v1/models/churn:predict"


@pytest.fixture(scope="module")
def desk() -> Desk:
    return make_desk(DOCUMENT)


@pytest.mark.parametrize(
    "body",
    [
        {"instances": RECORDS},
        {"instances": [list(record.values()) for record in RECORDS]},
        {"inputs": RECORDS},
        {"inputs": to_columns(RECORDS)},
    ],
    ids=["instances", "rows", "inputs", "columns"],
)
def test_rows_and_columns_are_records(desk: Desk, body: Any) -> None:
    assert desk.read(PREDICT, to_json(body)).payload == RECORDS
    answer = desk.answer(PREDICT, to_json(body), lambda records: [record["age"] for record in records])
    assert json.loads(answer.body) == {"predictions": [41, 0, 7]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "instances"),
        ([], ""),
        ({"instances": [], "inputs": []}, "instances"),
        ({"instances": 3}, "instances"),
        ({"instances": [], "parameters": {"x": 1}}, "parameters.x"),
        ({"instances": [{"age": 1}]}, "instances[0].income"),
        ({"inputs": {"age": [1], "income": 2.0}}, "inputs.income"),
    ],
)
def test_what_a_body_must_not_be_is_told_by_field(desk: Desk, body: Any, field: str) -> None:
    response = desk.refuse(PREDICT, to_json(body))
    answer = json.loads(response.body)
    assert (response.status, answer["faults"][0]["field"]) == (400, field)
    assert answer["error"] == answer["message"]


def test_the_model_is_listed_and_known_by_the_name_the_platform_gives_it() -> None:
    desk = make_desk(DOCUMENT, {"MODEL_NAME": "called"})
    listed = json.loads(desk.get("/v1/models").body)
    assert (listed["models"], listed["data"][0]["id"]) == (["called"], "called")
    for name in ("called", "churn"):
        answer = json.loads(desk.get(f"/v1/models/{name}").body)
        assert (answer["name"], answer["ready"]) == ("called", True)
        assert desk.read(f"/v1/models/{name}:predict", to_json({"instances": RECORDS})).records == 3
    assert desk.get("/v1/models/other").status == 404
    assert desk.refuse("/v1/models/other:predict", b"{}").status == 404


def test_nothing_is_explained(desk: Desk) -> None:
    request, route = desk.find("POST", "/v1/models/churn:explain", b"{}")
    with pytest.raises(RefusedError, match="only predicts") as caught:
        route.does(request)
    assert caught.value.failure.status == 501


def test_a_script_that_reads_requests_itself_cannot_be_asked_for_records() -> None:
    desk = make_desk(DOCUMENT | {"scoring": {"contract": "azure", "script": "/s.py"}, "schema": None})
    for target in (PREDICT, "/v2/models/churn/infer"):
        response = desk.refuse(target, to_json({"instances": RECORDS}))
        assert (response.status, "send what it reads to /score" in json.loads(response.body)["error"]) == (501, True)
    for target in ("/invocations", "/v1/endpoints/1/deployedModels/2:predict"):
        assert desk.read(target, b"anything").records == 1
    assert desk.get("/v1/models/churn").status == 200

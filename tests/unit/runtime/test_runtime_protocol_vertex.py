from __future__ import annotations

import json

import pytest

from tests.support.dialects import make_desk
from tests.support.records import DOCUMENT, RECORDS, SCHEMA, to_csv, to_json

DEFAULT = "/v1/endpoints/12/deployedModels/34"


def test_its_own_paths_answer_when_no_others_are_named() -> None:
    desk = make_desk(DOCUMENT)
    assert desk.get(DEFAULT).status == 200
    answer = desk.answer(f"{DEFAULT}:predict", to_json({"instances": RECORDS}), lambda records: [1] * len(records))
    assert json.loads(answer.body) == {"predictions": [1, 1, 1], "deployedModelId": "34"}
    desk.state[0] = "loading"
    assert desk.get(DEFAULT).status == 503


@pytest.mark.parametrize("path", ["/vertex/predict", "/predict", "/score", "/invocations", "/"])
def test_the_path_the_platform_names_is_its_own(path: str) -> None:
    desk = make_desk(DOCUMENT, {"AIP_PREDICT_ROUTE": path, "AIP_DEPLOYED_MODEL_ID": "9"})
    body = to_json({"instances": RECORDS, "parameters": {}})
    answer = desk.answer(path, body, lambda records: [1] * len(records))
    assert json.loads(answer.body) == {"predictions": [1, 1, 1], "deployedModelId": "9"}
    assert desk.read(path, to_json(RECORDS[0])).payload == RECORDS[:1]
    assert desk.read(path, to_json({"dataframe_records": RECORDS})).payload == RECORDS


def test_any_other_body_is_read_as_invocations_does() -> None:
    desk = make_desk(DOCUMENT, {"AIP_PREDICT_ROUTE": "/v"})
    body = to_csv(RECORDS, names=list(SCHEMA["properties"]), header=False)
    assert desk.read("/v", body, content_type="text/csv").payload == RECORDS
    assert desk.refuse("/v", body, content_type="text/plain").status == 415


def test_parameters_are_refused_by_name_since_no_model_takes_any() -> None:
    response = make_desk(DOCUMENT).refuse(f"{DEFAULT}:predict", to_json({"instances": [], "parameters": {"t": 1}}))
    assert (response.status, json.loads(response.body)["faults"][0]["field"]) == (400, "parameters.t")


@pytest.mark.parametrize("path", ["/health/me", "/", "/livez", "/ping"])
def test_the_health_path_the_platform_names_tells_of_the_model(path: str) -> None:
    desk = make_desk(DOCUMENT, {"AIP_HEALTH_ROUTE": path})
    assert desk.get(path).status == 200
    if path == "/":
        assert json.loads(desk.get(path).body)["name"] == "churn"
    desk.state[0] = "loading"
    assert desk.get(path).status == 503


@pytest.mark.parametrize("path", ["", "x", "/{a}", "/a?b"])
def test_what_is_no_path_names_none(path: str) -> None:
    desk = make_desk(DOCUMENT, {"AIP_HEALTH_ROUTE": path, "AIP_PREDICT_ROUTE": path})
    assert len(desk.service.routes) == len(make_desk(DOCUMENT).service.routes)

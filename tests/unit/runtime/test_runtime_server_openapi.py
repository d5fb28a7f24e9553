"""What is documented is what is served."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from test_runtime_bundle import make_document

from builder.runtime.server.message import to_json
from builder.runtime.server.openapi.document import make_document as make_openapi
from builder.runtime.server.openapi.operations import OPERATIONS
from builder.runtime.server.openapi.swagger import VERSIONS, make_swagger
from tests.support.dialects import make_desk

REQUEST: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.com/request",
    "type": "object",
    "properties": {
        "age": {"type": "integer", "exclusiveMinimum": 0},
        "plan": {"$ref": "#/$defs/plan"},
        "note": {"type": ["string", "null"], "const": "x"},
    },
    "required": ["age"],
    "additionalProperties": False,
    "$defs": {"plan": {"enum": ["a", "b"]}},
}
RESPONSE = {"anyOf": [{"type": "number"}, {"type": "null"}]}
SAMPLE = {"content_type": "application/json", "body": '{"records": [{"age": 1}]}'}
SUBJECTS: dict[str, dict[str, Any]] = {
    "records": {"schema": {"request": REQUEST, "response": RESPONSE}, "sample": SAMPLE},
    "bodies": {"schema": {"request": REQUEST, "scope": "body"}},
    "no schema": {"scoring": {"contract": "predict", "script": "/s.py"}},
    "by position": {},
    "azure": {"scoring": {"contract": "azure", "script": "/s.py"}},
    "sagemaker": {"scoring": {"contract": "sagemaker", "script": "/s.py"}},
    "azure with a schema": {"scoring": {"contract": "azure", "script": "/s.py"}, "schema": {"request": REQUEST}},
}
VERTEX = {"AIP_HEALTH_ROUTE": "/well", "AIP_PREDICT_ROUTE": "/ask", "MODEL_NAME": "called"}


def find_references(node: Any) -> set[str]:
    match node:
        case dict():
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*(find_references(value) for value in node.values()))
        case list():
            return set().union(*(find_references(item) for item in node))
        case _:
            return set()


def resolve(document: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document


@pytest.mark.parametrize("environment", [{}, VERTEX], ids=["plain", "vertex"])
@pytest.mark.parametrize("name", SUBJECTS)
def test_what_is_served_is_what_is_documented(name: str, environment: dict[str, str]) -> None:
    desk = make_desk(make_document(**SUBJECTS[name]), environment)
    document = json.loads(desk.get("/openapi.json").body)
    served = {(route.pattern, method.lower()) for route in desk.service.routes for method in route.methods}
    assert served == {(path, method) for path, item in document["paths"].items() for method in item}
    operations = [each["operationId"] for item in document["paths"].values() for each in item.values()]
    assert len(set(operations)) == len(operations)


@pytest.mark.parametrize("name", SUBJECTS)
def test_schemas_are_valid_and_every_reference_leads_somewhere(name: str) -> None:
    desk = make_desk(make_document(**SUBJECTS[name]))
    documents = [make_openapi(desk.service), *(make_swagger(desk.service, version) for version in VERSIONS)]
    for document in json.loads(to_json(documents)):
        for reference in find_references(document):
            assert resolve(document, reference) is not None
    whole = json.loads(desk.get("/openapi.json").body)
    for schema in whole["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_operation_is_one_of_a_route() -> None:
    used = set()
    for name, subject in SUBJECTS.items():
        for environment in ({}, VERTEX):
            desk = make_desk(make_document(**subject), environment)
            used |= {route.operation for route in desk.service.routes}
            assert used <= set(OPERATIONS), name
    assert set(OPERATIONS) == used


def test_the_schema_of_a_record_and_the_sample_are_in_it() -> None:
    document = make_openapi(make_desk(make_document(**SUBJECTS["records"])).service)
    schemas = document["components"]["schemas"]
    assert schemas["Record"]["properties"]["plan"] == {"$ref": "#/components/schemas/Record/$defs/plan"}
    assert "$id" not in schemas["Record"]
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert content["example"] == {"records": [{"age": 1}]}
    assert document["paths"]["/v1/models/{model}"]["get"]["parameters"][0]["schema"]["enum"] == ["churn"]
    infer = document["paths"]["/v2/models/{model}/infer"]["post"]["requestBody"]["content"]["application/json"]
    assert infer["example"] == {"inputs": [{"name": "age", "shape": [1], "datatype": "INT64", "data": [1]}]}


def test_an_open_record_is_not_confused_with_a_list_of_them() -> None:
    document = make_openapi(make_desk(make_document(schema={"request": {"type": "object"}})).service)
    validator = Draft202012Validator({"$ref": "#/components/schemas/Records", **document})
    assert validator.is_valid({"a": 1})
    assert validator.is_valid({"records": [{}]})
    assert not validator.is_valid({"records": [1]})


def test_swagger_2_has_only_words_it_knows() -> None:
    document = json.loads(make_desk(make_document(**SUBJECTS["records"])).get("/swagger.json").body)
    record = document["definitions"]["Record"]
    assert record["properties"]["age"] == {"type": "integer", "minimum": 0, "exclusiveMinimum": True}
    assert record["properties"]["note"] == {"type": "string", "x-nullable": True, "enum": ["x"]}
    assert record["properties"]["plan"] == {"$ref": "#/definitions/Record_plan"}
    assert document["definitions"]["Record_plan"] == {"enum": ["a", "b"]}
    assert document["definitions"]["Prediction"] == {"type": "number", "x-nullable": True}
    assert list(document["paths"]) == ["/", "/score", "/swagger.json"]
    assert document["paths"]["/score"]["post"]["parameters"][0]["schema"] == {"$ref": "#/definitions/ServiceInput"}


def test_another_version_of_swagger_is_refused_in_azures_words() -> None:
    response = make_desk(make_document()).get("/swagger.json?version=9")
    assert response.status == 404
    sentence = "Swagger version [9] is not valid. Supported versions: [2, 3, 3.1]."
    assert json.loads(response.body)["message"] == sentence

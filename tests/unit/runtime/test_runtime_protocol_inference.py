from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.runtime.server.protocols.inference import make_outputs
from builder.runtime.server.tensors import DATATYPES, make_tensor, nest, read_tensors, write_binary
from tests.support.dialects import Desk, make_desk
from tests.support.records import DOCUMENT, RECORDS, to_binary, to_json, to_tensors
from tests.support.records import read_tensors as read_outputs

INFER = "/v2/models/churn/infer"
POSITIONAL = DOCUMENT | {"scoring": {"contract": "none", "script": None}, "schema": None}
ARRAYS = DOCUMENT | {
    "schema": {
        "request": {
            "type": "object",
            "properties": {"v": {"type": "array", "items": {"type": "number"}}, "n": {"type": "integer"}},
            "required": ["v"],
        }
    }
}


@pytest.fixture(scope="module")
def desk() -> Desk:
    return make_desk(DOCUMENT)


def tensor(name: str = "age", **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": [1], "datatype": "INT64", "data": [1]} | more


def refusal(desk: Desk, value: Any, target: str = INFER, **headers: str) -> tuple[int, list[tuple[str, str]]]:
    body = value if isinstance(value, bytes) else to_json(value)
    response = desk.refuse(target, body, **headers)
    answer = json.loads(response.body)
    assert answer["error"] == answer["message"]
    return response.status, [(fault["field"], fault["rule"]) for fault in answer.get("faults", ())]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("target", [INFER, "/v2/models/churn/versions/1.2.0/infer"])
def test_columns_named_as_features_are_records(desk: Desk, target: str, nested: bool) -> None:
    assert desk.read(target, to_json(to_tensors(RECORDS, nested=nested))).payload == RECORDS


def test_bytes_after_the_json_are_the_same_records(desk: Desk) -> None:
    body, headers = to_binary(RECORDS)
    assert desk.read(INFER, body, **headers).payload == RECORDS


def test_a_table_without_names_is_read_in_the_order_of_the_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "number"}}}
    table = tensor("input-0", shape=[2, 2], datatype="FP64", data=[1, 2.5, 3, 4.5])
    expected = [{"a": 1, "b": 2.5}, {"a": 3, "b": 4.5}]
    desk = make_desk(DOCUMENT | {"schema": {"request": schema}})
    for data in (table["data"], [[1, 2.5], [3, 4.5]]):
        assert desk.read(INFER, to_json({"inputs": [table | {"data": data}]})).payload == expected
    positional = make_desk(POSITIONAL)
    assert positional.read(INFER, to_json({"inputs": [table]})).payload == [[1, 2.5], [3, 4.5]]
    assert positional.read(INFER, to_json({"inputs": [tensor("a")]})).payload == [{"a": 1}]
    assert refusal(desk, {"inputs": [table | {"shape": [1, 4]}]}) == (400, [("inputs[0].data[0]", "length")])


def test_a_feature_that_is_an_array_takes_the_other_dimensions() -> None:
    desk = make_desk(ARRAYS)
    inputs = [tensor("v", shape=[2, 2], datatype="FP32", data=[1, 2, 3, 4]), tensor("n", shape=[2], data=[5, 6])]
    assert desk.read(INFER, to_json({"inputs": inputs})).payload == [{"v": [1, 2], "n": 5}, {"v": [3, 4], "n": 6}]
    assert desk.read(INFER, to_json({"inputs": [tensor("v", shape=[1, 1])]})).payload == [{"v": [1]}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, [("inputs", "type")]),
        ({"inputs": []}, [("inputs", "type")]),
        ([], [("", "type")]),
        ({"inputs": [3]}, [("inputs[0]", "type")]),
        ({"inputs": [{"name": 1, "datatype": "X", "shape": [-1], "parameters": 3, "more": 1}]}, [
            ("inputs[0].more", "additionalProperties"), ("inputs[0].name", "type"), ("inputs[0].datatype", "enum"),
            ("inputs[0].shape", "type"), ("inputs[0].parameters", "type"),
        ]),
        ({"inputs": [tensor(data=[1, 2])]}, [("inputs[0].data", "shape")]),
        ({"inputs": [tensor(shape=[2, 2], data=[[1], [2, 3, 4]])]}, [("inputs[0].data", "shape")]),
        ({"inputs": [tensor(shape=[3, 0], data=[])]}, [("inputs[0].shape", "shape")]),
        ({"inputs": [tensor(shape=[1 << 30, 0], parameters={"binary_data_size": 0})]}, [("inputs[0].shape", "shape")]),
        ({"inputs": [tensor(data=[True])]}, [("inputs[0].data[0]", "datatype")]),
        ({"inputs": [tensor(data=[1.5])]}, [("inputs[0].data[0]", "datatype")]),
        ({"inputs": [tensor(datatype="UINT8", data=[256])]}, [("inputs[0].data[0]", "datatype")]),
        ({"inputs": [tensor(datatype="UINT64", data=[-1])]}, [("inputs[0].data[0]", "datatype")]),
        ({"inputs": [tensor(datatype="FP16", data=[70000])]}, [("inputs[0].data[0]", "datatype")]),
        ({"inputs": [tensor(datatype="BYTES", data=[1])]}, [("inputs[0].data[0]", "datatype")]),
        ({"inputs": [tensor(datatype="BOOL", data=["x"])]}, [("inputs[0].data[0]", "datatype")]),
        ({"inputs": [{"name": "a", "shape": [1], "datatype": "BOOL"}]}, [("inputs[0].data", "required")]),
        ({"inputs": [tensor(), tensor()]}, [("inputs", "unique")]),
        ({"inputs": [tensor(), tensor("income", shape=[2], data=[1, 2])]}, [("inputs[1].shape", "shape")]),
        ({"inputs": [tensor()], "id": 3, "new": 1}, [("new", "additionalProperties"), ("id", "type")]),
        ({"inputs": [tensor()], "parameters": {"t": 1}}, [("parameters.t", "additionalProperties")]),
        ({"inputs": [tensor()], "outputs": [3]}, [("outputs[0]", "type")]),
        ({"inputs": [tensor()], "outputs": [{"name": "x", "parameters": {"classification": 2}}]},
         [("outputs[0].parameters", "parameters")]),
        ({"inputs": [tensor(data=[-1])]}, [
            ("records[0].age", "minimum"), ("records[0].income", "required"), ("records[0].plan", "required")]),
    ],
)  # fmt: skip
def test_what_a_request_must_not_be_is_told_by_field(desk: Desk, value: Any, expected: list[tuple[str, str]]) -> None:
    status, faults = refusal(desk, value)
    assert (status, sorted(faults)) == (400, sorted(expected))


def test_binary_data_must_have_the_length_they_say(desk: Desk) -> None:
    body, headers = to_binary(RECORDS)
    assert refusal(desk, body + b"x", **headers) == (400, [("inputs", "binary_data_size")])
    assert refusal(desk, body[:-1], **headers)[0] == 400
    assert refusal(desk, body, **headers | {"inference_header_content_length": "999999"})[0] == 400
    assert refusal(desk, body, **headers | {"inference_header_content_length": "1" * 5000})[0] == 400
    assert refusal(desk, body, **headers | {"inference_header_content_length": "-1"})[0] == 400
    assert refusal(desk, to_json({"inputs": [tensor()]}), content_type="text/csv")[0] == 415


@pytest.mark.parametrize(
    ("datatype", "data", "rule"),
    [
        ("BOOL", b"\2", "datatype"),
        ("INT64", b"\0", "binary_data_size"),
        ("BYTES", b"\5\0\0\0ab", "binary_data_size"),
        ("BYTES", b"\1\0\0\0\xff", "utf-8"),
        ("BYTES", b"\1\0\0\0ab", "binary_data_size"),
        ("BYTES", b"\1", "binary_data_size"),
        ("FP32", struct.pack("<f", math.nan), "finite"),
        ("FP16", struct.pack("<e", math.inf), "finite"),
    ],
)
def test_bytes_that_are_no_values_are_refused(desk: Desk, datatype: str, data: bytes, rule: str) -> None:
    head = to_json(
        {
            "inputs": [
                {"name": "income", "shape": [1], "datatype": datatype, "parameters": {"binary_data_size": len(data)}}
            ]
        }
    )
    status, faults = refusal(desk, head + data, inference_header_content_length=str(len(head)))
    assert status == 400
    assert rule in {found for _, found in faults}


@given(st.data())
def test_every_datatype_survives_the_way_there_and_back(data: st.DataObject) -> None:
    datatype = DATATYPES[data.draw(st.sampled_from(sorted(set(DATATYPES) - {"BYTES", "BF16"})))]
    if datatype.kind == "boolean":
        each: st.SearchStrategy[Any] = st.booleans()
    elif datatype.kind == "integer":
        each = st.integers(int(datatype.low), int(datatype.high))
    else:
        each = st.floats(width=datatype.size * 8, allow_nan=False, allow_infinity=False)
    values = data.draw(st.lists(each, max_size=5))
    packed = struct.pack(f"<{len(values)}{datatype.code}", *values)
    given_tensor = {
        "name": "x", "shape": [len(values)], "datatype": datatype.name,
        "parameters": {"binary_data_size": len(packed)},
    }  # fmt: skip
    (read,) = read_tensors([given_tensor], memoryview(packed))
    assert read.values == values
    assert write_binary(read) == packed
    del given_tensor["parameters"]
    (as_json,) = read_tensors([given_tensor | {"data": values}], memoryview(b""))
    assert as_json.values == values


def test_bf16_is_the_upper_half_of_fp32() -> None:
    packed = struct.pack("<f", 1.5)[2:] + struct.pack("<f", -3.0)[2:]
    given_tensor = {"name": "x", "shape": [2], "datatype": "BF16", "parameters": {"binary_data_size": 4}}
    (read,) = read_tensors([given_tensor], memoryview(packed))
    assert read.values == [1.5, -3.0]


def test_nesting_follows_the_shape() -> None:
    assert nest([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]) == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    assert nest([1, 2], [2]) == [1, 2]
    assert nest([], [0, 3]) == []


@pytest.mark.parametrize(
    ("column", "datatype", "shape", "values"),
    [
        ([1, 2], "INT64", [2], [1, 2]),
        ([1, 2.5], "FP64", [2], [1.0, 2.5]),
        ([1.5, None], "FP64", [2], [1.5, None]),
        ([True, False], "BOOL", [2], [True, False]),
        (["a"], "BYTES", [1], ["a"]),
        ([[1, 2], [3, 4], [5, 6]], "INT64", [3, 2], [1, 2, 3, 4, 5, 6]),
        ([1 << 63], "UINT64", [1], [1 << 63]),
        ([1, "a"], "BYTES", [2], ["1", '"a"']),
        ([[1], [1, 2]], "BYTES", [2], ["[1]", "[1,2]"]),
        ([{"a": 1}, None], "BYTES", [2], ['{"a":1}', "null"]),
        ([1 << 70], "BYTES", [1], [str(1 << 70)]),
    ],
)
def test_predictions_get_the_datatype_that_holds_them(
    column: list[Any], datatype: str, shape: list[int], values: list[Any]
) -> None:
    made = make_tensor("x", column)
    assert (made.datatype.name, made.shape, made.values) == (datatype, shape, values)


def test_objects_are_a_tensor_for_each_field(desk: Desk) -> None:
    predictions = [{"label": "a", "score": 1}, {"label": "b", "score": 0.5}]
    answer = desk.answer(INFER, to_json(to_tensors(RECORDS[:2]) | {"id": "mine"}), lambda _: predictions)
    assert json.loads(answer.body) == {
        "model_name": "churn", "model_version": "1.2.0", "id": "mine",
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]},
            {"name": "score", "datatype": "FP64", "shape": [2], "data": [1.0, 0.5]},
        ],
    }  # fmt: skip
    assert [each.name for each in make_outputs([1, 2])] == ["predictions"]


def test_outputs_are_chosen_and_come_as_bytes_where_they_are_asked_for(desk: Desk) -> None:
    predictions = [{"label": "ä", "score": 1}, {"label": "", "score": 0.5}]
    wanted = [{"name": "score", "parameters": {"binary_data": True}}, {"name": "label"}]
    answer = desk.answer(INFER, to_json(to_tensors(RECORDS[:2]) | {"outputs": wanted}), lambda _: predictions)
    assert answer.content_type == "application/octet-stream"
    length = dict(answer.headers)["inference-header-content-length"]
    assert read_outputs(answer.body, length) == {"score": [1.0, 0.5], "label": ["ä", ""]}
    assert json.loads(answer.body[: int(length)])["id"] == "the-id"
    body, headers = to_binary(RECORDS[:2])
    everything = desk.answer(INFER, body, lambda _: predictions, **headers)
    length = dict(everything.headers)["inference-header-content-length"]
    assert read_outputs(everything.body, length) == {"label": ["ä", ""], "score": [1.0, 0.5]}


def test_an_output_there_is_not_is_refused(desk: Desk) -> None:
    body = to_json(to_tensors(RECORDS[:1]) | {"outputs": [{"name": "nothing"}]})
    request, route = desk.find("POST", INFER, body)
    intake = route.does.read(request)
    with pytest.raises(Exception, match='There is no output "nothing"; there are label'):
        route.does.write(request, intake, [{"label": "x"}])


def test_health_and_metadata_are_those_of_the_protocol(desk: Desk) -> None:
    for target in ("/v2", "/v2/"):
        assert json.loads(desk.get(target).body)["extensions"] == ["binary_tensor_data"]
    assert json.loads(desk.get("/v2/health/live").body) == {"live": True}
    assert json.loads(desk.get("/v2/health/ready").body) == {"ready": True, "live": True}
    metadata = json.loads(desk.get("/v2/models/churn").body)
    assert metadata == json.loads(desk.get("/v2/models/churn/versions/1.2.0").body)
    assert [(each["name"], each["datatype"]) for each in metadata["inputs"]] == [
        ("age", "INT64"), ("income", "FP64"), ("plan", "BYTES"), ("vip", "BOOL"), ("note", "BYTES"),
    ]  # fmt: skip
    assert [(each["name"], each["datatype"]) for each in metadata["outputs"]] == [("label", "BYTES"), ("score", "FP64")]
    assert json.loads(desk.get("/v2/models/churn/ready").body) == {"name": "churn", "ready": True}


def test_without_a_schema_outputs_are_known_from_the_sample() -> None:
    desk = make_desk(POSITIONAL)
    assert json.loads(desk.get("/v2/models/churn").body)["outputs"][0]["datatype"] == "BYTES"
    desk.service.sample_prediction = [0.5, 0.25]
    metadata = json.loads(desk.get("/v2/models/churn").body)
    assert metadata["outputs"] == [{"name": "predictions", "datatype": "FP64", "shape": [-1, -1]}]
    assert metadata["inputs"] == [{"name": "inputs", "datatype": "FP64", "shape": [-1, -1]}]


def test_another_model_or_version_is_404_and_a_model_that_loads_503(desk: Desk) -> None:
    assert refusal(desk, {}, "/v2/models/other/infer")[0] == 404
    assert refusal(desk, {}, "/v2/models/churn/versions/2/infer")[0] == 404
    assert desk.get("/v2/models/other").status == 404
    desk.state[0] = "loading"
    answers = [desk.get(target) for target in ("/v2/health/ready", "/v2/models/churn/ready", "/v1/models/churn")]
    desk.state[0] = "ready"
    assert [answer.status for answer in answers] == [503, 503, 503]
    assert json.loads(answers[0].body)["ready"] is False
    assert all(dict(answer.headers)["retry-after"] == "1" for answer in answers)

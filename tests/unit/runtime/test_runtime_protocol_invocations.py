from __future__ import annotations

import json
import time
from typing import Any

import pytest

from builder.runtime.server.failure import Failure, RefusedError
from builder.runtime.wire import DECODE
from tests.support.dialects import Desk, make_desk
from tests.support.records import DOCUMENT, RECORDS, SCHEMA, to_columns, to_csv, to_json, to_lines, to_split

NAMES = list(SCHEMA["properties"])
POSITIONAL = DOCUMENT | {"scoring": {"contract": "none", "script": None}, "schema": None}
UNNAMED = DOCUMENT | {"schema": None}
STRINGS = DOCUMENT | {
    "schema": {"request": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}}
}


@pytest.fixture(scope="module")
def desk() -> Desk:
    return make_desk(DOCUMENT)


def refusal(desk: Desk, body: Any, **headers: str) -> tuple[int, Any]:
    response = desk.refuse("/invocations", body if isinstance(body, bytes) else to_json(body), **headers)
    return response.status, json.loads(response.body)


def fields(answer: Any) -> list[tuple[str, str]]:
    return [(fault["field"], fault["rule"]) for fault in answer["faults"]]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": to_split(RECORDS)},
        {"dataframe_split": {"data": [list(record.values()) for record in RECORDS]}},
        {"dataframe_records": RECORDS},
        {"instances": RECORDS},
        {"instances": [list(record.values()) for record in RECORDS]},
        {"inputs": to_columns(RECORDS)},
        {"inputs": RECORDS, "params": None},
        {"instances": RECORDS, "parameters": {}, "signature_name": "serving_default"},
        {"records": RECORDS},
        RECORDS,
    ],
    ids=["split", "split by position", "records", "instances", "rows", "inputs", "list", "beside", "own", "bare"],
)
def test_every_shape_of_json_is_the_same_records(desk: Desk, body: Any) -> None:
    intake = desk.read("/invocations", to_json(body), content_type="application/json")
    assert (intake.payload, intake.records) == (RECORDS, 3)


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=utf-8; label_size=0"])
@pytest.mark.parametrize("header", [True, False])
def test_csv_is_read_with_and_without_a_header(desk: Desk, header: bool, content_type: str) -> None:
    names = list(reversed(NAMES)) if header else NAMES
    body = to_csv(RECORDS, names=names, header=header)
    assert desk.read("/invocations", body, content_type=content_type).payload == RECORDS


@pytest.mark.parametrize("content_type", ["application/jsonlines", "application/x-ndjson", "application/jsonl"])
def test_json_lines_are_records(desk: Desk, content_type: str) -> None:
    assert desk.read("/invocations", to_lines(RECORDS), content_type=content_type).payload == RECORDS
    assert desk.read("/invocations", to_lines(RECORDS)[:-1], content_type=content_type).records == 3


def test_a_table_cannot_leave_a_field_out_so_null_does(desk: Desk) -> None:
    record = {"age": 1, "income": 2.5, "plan": "free"}
    row: list[Any] = [1.0, 2.5, "free", None, None]
    expected = [record | {"vip": None}]
    for body in ({"dataframe_split": {"columns": NAMES, "data": [row]}}, {"instances": [row]}):
        assert desk.read("/invocations", to_json(body)).payload == expected
    full = {"dataframe_records": [dict(zip(NAMES, row, strict=True))]}
    assert desk.read("/invocations", to_json(full)).payload == expected
    assert desk.read("/invocations", b"1,2.5,free,,x", content_type="text/csv").payload == [
        record | {"vip": None, "note": "x"}
    ]
    assert refusal(desk, {"dataframe_records": [record | {"age": None}]})[1]["faults"][0]["field"] == (
        "dataframe_records[0].age"
    )


def test_the_error_is_mlflows_with_the_sentence_and_every_fault(desk: Desk) -> None:
    status, answer = refusal(desk, {"dataframe_records": [{"age": -1, "income": "x", "plan": "free", "new": 1}]})
    assert (status, answer["error_code"], answer["error"]) == (400, "BAD_REQUEST", answer["message"])
    assert sorted(fields(answer)) == [
        ("dataframe_records[0].age", "minimum"),
        ("dataframe_records[0].income", "type"),
        ("dataframe_records[0].new", "additionalProperties"),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"instances": RECORDS, "inputs": RECORDS}, [("instances", "oneOf"), ("inputs", "oneOf")]),
        ({"instances": RECORDS, "params": {"t": 1}}, [("params.t", "params")]),
        ({"instances": RECORDS, "parameters": 3}, [("parameters", "type")]),
        ({"instances": RECORDS, "extra": 3}, [("extra", "additionalProperties")]),
        ({"instances": 3}, [("instances", "type")]),
        ({"instances": [[1, 2.5]]}, [("instances[0]", "length")]),
        ({"dataframe_split": 3}, [("dataframe_split", "type")]),
        ({"dataframe_split": {"data": [3]}}, [("dataframe_split.data[0]", "type")]),
        ({"dataframe_split": {"data": [], "rows": 1}}, [("dataframe_split.rows", "additionalProperties")]),
        ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, [("dataframe_split.columns", "unique")]),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}}, [("dataframe_split.data[0]", "length")]),
        ({"dataframe_split": {"columns": None, "data": []}}, [("dataframe_split.columns", "type")]),
        ({"inputs": {"age": [1, 2], "income": [1]}}, [("inputs.income", "length")]),
        ({"inputs": "x"}, [("inputs", "type")]),
        (
            {"inputs": {"age": [], "plan": [], "more": []}},
            [
                ("inputs.income", "required"),
                ("inputs.more", "additionalProperties"),
            ],
        ),
        (b"{", [("", "json")]),
    ],
)
def test_what_a_body_must_not_be_is_told_by_field(desk: Desk, body: Any, expected: list[tuple[str, str]]) -> None:
    status, answer = refusal(desk, body)
    assert (status, fields(answer)) == (400, expected)
    assert answer["message"].endswith(".")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"age,incom,plan\n1,2,free", [("rows[0].income", "required"), ("rows[0].incom", "additionalProperties")]),
        (b"1,nan,free,true,x\n2,inf,free,true,y", [("rows[0].income", "finite"), ("rows[1].income", "finite")]),
        (b"1,nan,gold,true,x", [("rows[0].income", "finite"), ("rows[0].plan", "enum")]),
        (b"1.5,2,free,true,x", [("rows[0].age", "type")]),
        (b"1,2,free,maybe,x", [("rows[0].vip", "type")]),
        (b"1,2,free", [("rows[0]", "length")]),
        (b"age,age,plan\n1,2,free", [("header", "unique")]),
        (b'1,"2', [("", "csv")]),
        (b"\xff", [("", "csv")]),
    ],
)  # fmt: skip
def test_a_cell_that_is_not_what_it_must_be_is_told_by_field(
    desk: Desk, body: bytes, expected: list[tuple[str, str]]
) -> None:
    status, answer = refusal(desk, body, content_type="text/csv")
    assert (status, fields(answer)) == (400, expected)


def test_a_line_that_is_no_json_is_told_by_its_number(desk: Desk) -> None:
    body = to_json(RECORDS[0]) + b'\n\n{"age": NaN}\nnonsense\n'
    status, answer = refusal(desk, body, content_type="application/jsonlines")
    assert (status, fields(answer)) == (
        400, [("lines[1]", "json"), ("lines[2].age", "finite"), ("lines[3]", "json")],
    )  # fmt: skip


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "text/csv; charset=latin-1", "text/csv; label_size=1", "text/csv; header=maybe", "text/csv; a=b"],
)
def test_other_content_types_are_415(desk: Desk, content_type: str) -> None:
    status, answer = refusal(desk, b"1,2", content_type=content_type)
    assert (status, answer["error_code"]) == (415, "BAD_REQUEST")


def test_a_first_row_that_could_be_either_must_be_told() -> None:
    desk = make_desk(STRINGS)
    body = b"b,a\nx,y\n"
    assert refusal(desk, body, content_type="text/csv")[1]["faults"][0]["rule"] == "header"
    present = desk.read("/invocations", body, content_type="text/csv; header=present")
    assert present.payload == [{"b": "x", "a": "y"}]
    absent = desk.read("/invocations", body, content_type="text/csv; header=absent")
    assert absent.payload == [{"a": "b", "b": "a"}, {"a": "x", "b": "y"}]


def test_within_a_batch_only_the_names_in_their_order_are_a_header() -> None:
    desk = make_desk(STRINGS, {"SAGEMAKER_BATCH": "True"})
    read = desk.read("/invocations", b"b,a\n1,2\n", content_type="text/csv")
    assert read.payload == [{"a": "b", "b": "a"}, {"a": "1", "b": "2"}]
    assert desk.read("/invocations", b"a,b\n1,2\n", content_type="text/csv").payload == [{"a": "1", "b": "2"}]


def test_a_model_served_by_position_takes_rows() -> None:
    desk = make_desk(POSITIONAL)
    rows = [[1, 2.5], [3, 4]]
    for body in ({"instances": rows}, {"inputs": rows}, {"dataframe_split": {"columns": [0, 1], "data": rows}}):
        assert desk.read("/invocations", to_json(body)).payload == rows
    assert desk.read("/invocations", b"1,2.5\n3,4\n", content_type="text/csv").payload == rows
    named = desk.read("/invocations", b"x,y\n1,2.5\n", content_type="text/csv")
    assert named.payload == [{"x": 1, "y": 2.5}]
    assert refusal(desk, b"u,v\nx,y\n", content_type="text/csv")[1]["faults"][0]["rule"] == "header"


def test_without_a_schema_rows_need_names() -> None:
    desk = make_desk(UNNAMED)
    assert desk.read("/invocations", b"x,y\n007,2.5\n", content_type="text/csv").payload == [{"x": "007", "y": 2.5}]
    status, answer = refusal(desk, b"1,2\n", content_type="text/csv; header=absent")
    assert (status, fields(answer)) == (400, [("rows", "names")])


def test_a_schema_of_whole_bodies_takes_only_those() -> None:
    body_schema = {"type": "object", "required": ["instances"], "properties": {"instances": {"maxItems": 2}}}
    desk = make_desk(DOCUMENT | {"schema": {"request": body_schema, "scope": "body"}})
    assert desk.read("/invocations", to_json({"instances": [{"x": 1}]})).payload == [{"x": 1}]
    assert refusal(desk, {"instances": [{}, {}, {}]})[0] == 400
    for body, kind in ((b"1,2", "text/csv"), (b"{}", "application/jsonlines"), (b"PAR1", "application/x-parquet")):
        assert refusal(desk, body, content_type=kind)[0] == 501
    assert refusal(desk, {"dataframe_records": []})[0] == 501


@pytest.mark.parametrize(
    ("accept", "content_type", "body"),
    [
        ("", "application/json", b'{"predictions":[{"label":"a","score":1.5},{"label":"b,c","score":null}]}'),
        ("*/*", "application/json", b'{"predictions":[{"label":"a","score":1.5},{"label":"b,c","score":null}]}'),
        ("text/csv", "text/csv; charset=utf-8", b'a,1.5\n"b,c",'),
        ("application/jsonlines", "application/jsonlines", b'{"label":"a","score":1.5}\n{"label":"b,c","score":null}'),
        ("application/x-ndjson", "application/x-ndjson", b'{"label":"a","score":1.5}\n{"label":"b,c","score":null}'),
        ("text/html, text/csv;q=0.2", "text/csv; charset=utf-8", b'a,1.5\n"b,c",'),
    ],
)
def test_accept_chooses_the_form_of_the_answer(desk: Desk, accept: str, content_type: str, body: bytes) -> None:
    headers = {"accept": accept} if accept else {}
    predictions = [{"label": "a", "score": 1.5}, {"label": "b,c", "score": None}]
    answer = desk.answer("/invocations", to_json(RECORDS[:2]), lambda _: predictions, **headers)
    assert (answer.content_type, answer.body) == (content_type, body)


def test_a_batch_transform_gets_a_line_for_each_line() -> None:
    desk = make_desk(DOCUMENT, {"SAGEMAKER_BATCH": "True"})
    body = to_csv(RECORDS, names=NAMES, header=False)
    answer = desk.answer("/invocations", body, lambda records: [1] * len(records), content_type="text/csv")
    assert answer.body == b"1\n1\n1"
    preferring = make_desk(DOCUMENT, {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/jsonlines"})
    assert preferring.answer("/invocations", to_json(RECORDS), lambda records: [1] * len(records)).body == b"1\n1\n1"


def test_parquet_is_read_by_the_worker_and_then_checked(desk: Desk) -> None:
    intake = desk.read("/invocations", b"PAR1", content_type="application/vnd.apache.parquet")
    assert (intake.kind, intake.payload[:2]) == (DECODE, ("parquet", b"PAR1"))
    assert intake.proceed is not None
    columns = to_columns(RECORDS)
    assert intake.proceed(("columns", list(columns), list(columns.values()))).payload == RECORDS
    with pytest.raises(RefusedError, match="finite"):
        intake.proceed(("columns", ["age", "income", "plan"], [[1], [float("nan")], ["free"]]))
    with pytest.raises(RefusedError, match="no file") as caught:
        intake.proceed(("unreadable", 400, "It is no file."))
    assert caught.value.failure.status == 400


def test_ping_and_health_follow_the_model(desk: Desk) -> None:
    assert (desk.get("/ping").status, desk.get("/ping").body) == (200, b"")
    assert desk.get("/health").body == b"\n"
    desk.state[0] = "loading"
    response = desk.get("/ping")
    desk.state[0] = "ready"
    assert (response.status, response.headers) == (503, (("retry-after", "1"),))
    assert json.loads(response.body)["error_code"] == "TEMPORARILY_UNAVAILABLE"


def test_the_version_is_mlflows_for_its_models() -> None:
    assert make_desk(DOCUMENT).get("/version").body == b"1.2.0"
    of_mlflow = DOCUMENT | {
        "model": {"path": "/m", "framework": "mlflow"},
        "environment": {"requirements": ["mlflow==3.17.2"]},
    }
    assert make_desk(of_mlflow).get("/version").body == b"3.17.2"


def test_a_batch_transform_is_told_the_limits() -> None:
    service = {"workers": 2, "max_body": 30 << 20}
    answer = json.loads(make_desk(DOCUMENT | {"service": service}).get("/execution-parameters").body)
    assert answer == {"MaxConcurrentTransforms": 3, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 30}


@pytest.mark.parametrize(
    ("status", "code"), [(413, "BAD_REQUEST"), (429, "REQUEST_LIMIT_EXCEEDED"), (500, "INTERNAL_ERROR")]
)
def test_failures_have_mlflows_codes(desk: Desk, status: int, code: str) -> None:
    answer = json.loads(desk.fail("/invocations", Failure(status=status, message="no")).body)
    assert answer == {"error": "no", "message": "no", "error_code": code}


def test_a_header_of_very_many_columns_is_refused_at_once(desk: Desk) -> None:
    header = ",".join(f"c{number}" for number in range(150_000)).encode()
    started = time.perf_counter()
    status, _ = refusal(desk, header + b"\n", content_type="text/csv; header=present")
    assert status == 400
    assert time.perf_counter() - started < 5

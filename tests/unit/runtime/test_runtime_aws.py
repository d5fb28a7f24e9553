"""Events of Lambda as requests, and answers as their callers read them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from builder.runtime.aws.events import Call, EventError, read_event, write_answer

HTTP: dict[str, Any] = {
    "rawPath": "/prod/v2/models/a%20b/infer",
    "rawQueryString": "a=1&a=2",
    "headers": {"Content-Type": "text/csv"},
    "cookies": ["a=1", "b=2"],
    "requestContext": {"http": {"method": "post", "sourceIp": "192.0.2.1"}, "stage": "prod"},
    "body": "MSwy",
    "isBase64Encoded": True,
}
REST: dict[str, Any] = {
    "httpMethod": "GET",
    "path": "/livez",
    "requestContext": {"stage": "prod", "identity": {"sourceIp": "192.0.2.2"}},
    "headers": {"Accept": "*/*"},
    "multiValueHeaders": {"Accept": ["text/csv", "application/json"]},
    "multiValueQueryStringParameters": {"q": ["a b", "c&d"]},
    "body": None,
}


def test_an_http_apis_stage_is_no_part_of_the_path() -> None:
    call = read_event(HTTP, "/predict")
    assert (call.method, call.target, call.client) == ("POST", "/v2/models/a%20b/infer?a=1&a=2", "192.0.2.1")
    assert call.headers == (("content-type", "text/csv"), ("cookie", "a=1; b=2"))
    assert call.body == b"1,2"


@pytest.mark.parametrize(("path", "target"), [("/prod", "/"), ("/prod/", "/"), ("/production", "/production")])
def test_only_a_whole_segment_is_a_stage(path: str, target: str) -> None:
    assert read_event(HTTP | {"rawPath": path, "rawQueryString": ""}, "/predict").target == target


def test_a_rest_apis_query_is_encoded_again_and_every_header_value_kept() -> None:
    call = read_event(REST, "/predict")
    assert (call.method, call.target, call.client) == ("GET", "/livez?q=a+b&q=c%26d", "192.0.2.2")
    assert call.headers == (("accept", "text/csv"), ("accept", "application/json"))


def test_a_custom_domains_base_path_is_no_part_of_the_path() -> None:
    event = REST | {"path": "/models/livez", "resource": "/{proxy+}", "pathParameters": {"proxy": "livez"}}
    assert read_event(event, "/predict").target.startswith("/livez?")


def test_a_balancers_query_is_left_as_it_was_written() -> None:
    event = REST | {"requestContext": {"elb": {}}, "multiValueQueryStringParameters": {"q": ["a%20b"]}}
    assert read_event(event, "/predict").target == "/livez?q=a%20b"


@pytest.mark.parametrize("event", [{"a": 1}, [1], "x", 3, None, {"requestContext": {}}, {"httpMethod": "GET"}])
def test_whatever_is_no_http_event_is_a_direct_invocation(event: Any) -> None:
    call = read_event(event, "/score")
    assert (call.kind, call.method, call.target) == ("direct", "POST", "/score")


@pytest.mark.parametrize("more", [{"body": "*", "isBase64Encoded": True}, {"body": {"a": 1}}])
def test_a_body_that_is_none_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(EventError):
        read_event(HTTP | more, "/predict")


def test_a_header_cannot_begin_another() -> None:
    call = read_event(HTTP | {"headers": {"X": "a\r\nEvil: b"}, "cookies": None}, "/predict")
    assert call.headers == (("x", "a  Evil: b"),)


def answer(call: Call, *, content_type: str = "application/json", body: bytes = b"{}") -> dict[str, Any]:
    headers = (("x-request-id", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2"))
    return write_answer(call, 200, content_type, headers, body)


def test_an_http_api_gets_cookies_apart() -> None:
    told = answer(read_event(HTTP, "/"))
    assert told["cookies"] == ["a=1", "b=2"]
    assert told["headers"] == {"content-type": "application/json", "x-request-id": "1"}


def test_a_rest_api_gets_every_value_of_a_header() -> None:
    told = answer(read_event(REST, "/"))
    assert told["multiValueHeaders"]["set-cookie"] == ["a=1", "b=2"]


def test_bytes_that_are_no_text_go_as_base64() -> None:
    told = answer(read_event(HTTP, "/"), content_type="application/octet-stream", body=b"\xff\x00")
    assert told["isBase64Encoded"] is True
    assert base64.b64decode(told["body"]) == b"\xff\x00"
    assert answer(read_event(HTTP, "/"), content_type="text/plain", body=b"\xff")["isBase64Encoded"] is True
    assert answer(read_event(HTTP, "/"), content_type="text/csv; charset=utf-8", body=b"1,2")["body"] == "1,2"

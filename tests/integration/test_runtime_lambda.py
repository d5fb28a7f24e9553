"""The Lambda loop against a stub of the runtime API: every kind of event, errors, deadlines, limits, its end."""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runtime_service import ENTRY, NUMBER_SCHEMA, make_environment, make_root, run_entry, wait_for
from tests.support.lambda_api import LambdaApi

V2 = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/prod/predict",
    "rawQueryString": "",
    "headers": {"Content-Type": "application/json", "X-Forwarded-For": "192.0.2.7"},
    "requestContext": {"http": {"method": "POST", "path": "/prod/predict", "sourceIp": "192.0.2.7"}, "stage": "prod"},
    "body": '{"a": 3}',
    "isBase64Encoded": False,
}
URL = V2 | {
    "rawPath": "/predict",
    "requestContext": {"http": {"method": "POST", "path": "/predict", "sourceIp": "192.0.2.7"}, "stage": "$default"},
}
V1 = {
    "version": "1.0",
    "resource": "/{proxy+}",
    "path": "/predict",
    "httpMethod": "POST",
    "headers": {"Content-Type": "application/json"},
    "multiValueHeaders": {"Content-Type": ["application/json"], "X-Twice": ["1", "2"]},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": {"proxy": "predict"},
    "requestContext": {"path": "/prod/predict", "stage": "prod", "httpMethod": "POST", "identity": {"sourceIp": "::1"}},
    "body": '{"a": 3}',
    "isBase64Encoded": False,
}
BALANCER = {
    "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/b"}},
    "httpMethod": "POST",
    "path": "/predict",
    "queryStringParameters": {},
    "headers": {"content-type": "application/json"},
    "body": '{"a": 3}',
    "isBase64Encoded": False,
}
SCRIPT = """
import os, time

def load(model_dir):
    if os.environ.get("BROKEN"):
        raise RuntimeError("no such tensor")
    return 2

def predict(model, records):
    out = []
    for record in records:
        if record.get("b") == "raise":
            raise ValueError("bad")
        if record.get("b") == "sleep":
            time.sleep(3)
        out.append("x" * int(record["a"]) if record.get("b") == "long" else record["a"] * model)
    return out
"""


@dataclass
class Function:
    """A running function and the API it talks to."""

    api: LambdaApi
    process: subprocess.Popen[bytes]
    log_path: Path

    def invoke(self, event: Any, **more: Any) -> Any:
        return self.api.invoke(event, **more)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]


@contextlib.contextmanager
def function(root: Path, *arguments: str, **variables: str) -> Iterator[Function]:
    """Start the image's entry as Lambda does."""
    with LambdaApi() as api, (root / "log.jsonl").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(ENTRY), *(arguments or ("auto",))],
            env=make_environment(root, AWS_LAMBDA_RUNTIME_API=f"127.0.0.1:{api.port}", **variables),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Function(api, process, root / "log.jsonl")
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    root = make_root(tmp_path_factory.mktemp("lambda"), SCRIPT, schema=NUMBER_SCHEMA, service={"max_body": 8_000_000})
    with function(root) as started:
        yield started


@pytest.mark.parametrize("event", [V2, URL, V1, BALANCER], ids=["http-api", "function-url", "rest-api", "balancer"])
def test_an_http_event_is_scored(running: Function, event: dict[str, Any]) -> None:
    reply = running.invoke(event)
    assert reply.kind == "response"
    assert reply.json["statusCode"] == 200
    assert json.loads(reply.json["body"]) == {"predictions": [6]}
    assert reply.json["isBase64Encoded"] is False
    assert reply.json["headers"]["content-type"] == "application/json"


def test_every_http_event_says_the_invocations_id_unless_the_caller_gave_one(running: Function) -> None:
    reply = running.invoke(V2)
    assert reply.json["headers"]["x-request-id"] == reply.invocation
    named = running.invoke(V2 | {"headers": V2["headers"] | {"x-request-id": "mine"}})  # type: ignore[operator]
    assert named.json["headers"]["x-request-id"] == "mine"


def test_a_body_in_base64_is_decoded(running: Function) -> None:
    event = V2 | {"body": base64.b64encode(b'[{"a": 3}, {"a": 4}]').decode(), "isBase64Encoded": True}
    assert json.loads(running.invoke(event).json["body"]) == {"predictions": [6, 8]}


def test_a_refusal_keeps_its_status_and_all_its_faults(running: Function) -> None:
    answer = running.invoke(V1 | {"body": '{"a": "x", "c": 1}'}).json
    assert answer["statusCode"] == 400
    assert {fault["field"] for fault in json.loads(answer["body"])["faults"]} == {"a", "c"}


def test_a_balancer_with_multi_value_headers_is_answered_with_them(running: Function) -> None:
    event = {name: value for name, value in BALANCER.items() if name not in {"headers", "queryStringParameters"}}
    event |= {"multiValueHeaders": {"content-type": ["application/json"]}, "multiValueQueryStringParameters": {}}
    answer = running.invoke(event).json
    assert answer["statusDescription"] == "200 OK"
    assert answer["multiValueHeaders"]["content-type"] == ["application/json"]
    assert "headers" not in answer


def test_other_routes_are_there_too(running: Function) -> None:
    event = URL | {"rawPath": "/readyz", "requestContext": {"http": {"method": "GET", "path": "/readyz"}}, "body": None}
    assert running.invoke(event).json["statusCode"] == 200
    assert running.invoke(event | {"rawPath": "/nowhere"}).json["statusCode"] == 404


@pytest.mark.parametrize(
    ("event", "predictions"), [({"a": 3}, [6]), ([{"a": 3}, {"a": 4}], [6, 8]), ({"instances": [{"a": 5}]}, [10])]
)
def test_a_direct_invocation_takes_plain_records(running: Function, event: Any, predictions: list[Any]) -> None:
    reply = running.invoke(event)
    assert (reply.kind, reply.json) == ("response", {"predictions": predictions})


def test_a_direct_invocation_that_is_refused_is_an_error_with_the_faults(running: Function) -> None:
    reply = running.invoke({"a": "x"})
    assert reply.kind == "error"
    assert reply.json["errorType"] == "InvalidRequest"
    assert reply.json["errorMessage"] == '"a" must be a number, but is "x" (a string).'
    assert reply.json["faults"][0]["rule"] == "type"
    assert reply.json["stackTrace"] == []
    assert reply.headers["lambda-runtime-function-error-type"] == "InvalidRequest"
    assert json.loads(reply.headers["lambda-runtime-function-xray-error-cause"])["exceptions"]


def test_code_that_raises_is_an_error_and_the_next_event_is_scored(running: Function) -> None:
    reply = running.invoke({"a": 1, "b": "raise"})
    assert (reply.kind, reply.json["errorType"]) == ("error", "ScoringFailed")
    assert running.invoke({"a": 1}).json == {"predictions": [2]}
    assert any(line.get("request_id") == reply.invocation and "exception" in line for line in running.log())


@pytest.mark.parametrize(
    "event",
    [
        b"[" * 100_000,
        json.dumps({"a": 1, "b": "@"}).encode().replace(b'"@"', b"[" * 900 + b"]" * 900),
        b'{"a": 1, "b": "\\ud800"}',
        V1 | {"multiValueHeaders": {"x": 5}},
        V1 | {"multiValueHeaders": {"x": [None, "\u2603"]}, "httpMethod": 7},
        V1 | {"pathParameters": "proxy", "path": None},
        V1 | {"queryStringParameters": {"a": "\ud800"}, "multiValueQueryStringParameters": None},
        V2 | {"rawPath": "/\ud800"},
        V2 | {"rawQueryString": "\u2603 \r\nx: y"},
        V2 | {"headers": {"x-request-id": "\u2603", "content-type": "\ud800"}},
        V2 | {"headers": [1, 2], "cookies": [None]},
    ],
    ids=range(11),
)
def test_no_event_ends_the_function(running: Function, event: Any) -> None:
    running.invoke(event)
    assert running.invoke({"a": 1}).json == {"predictions": [2]}


def test_an_event_that_is_not_json_is_an_error(running: Function) -> None:
    reply = running.invoke(b"{")
    assert (reply.kind, reply.json["errorType"]) == ("error", "InvalidEvent")


def test_an_answer_over_six_megabytes_is_refused_in_the_callers_terms(running: Function) -> None:
    direct = running.invoke({"a": 7_000_000, "b": "long"})
    assert (direct.kind, direct.json["errorType"]) == ("error", "ResponseTooLarge")
    by_http = running.invoke(V2 | {"body": '{"a": 7000000, "b": "long"}'}).json
    assert by_http["statusCode"] == 413
    assert "7000" in json.loads(by_http["body"])["message"]


def test_the_caller_is_answered_before_the_deadline(running: Function) -> None:
    started = time.monotonic()
    reply = running.invoke(V2 | {"body": '{"a": 1, "b": "sleep"}'}, seconds=1.5)
    assert time.monotonic() - started < 1.5
    assert reply.json["statusCode"] == 504


def test_the_trace_of_xray_reaches_the_routes(running: Function) -> None:
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    assert running.invoke({"a": 1}, trace=trace).kind == "response"


def test_a_model_that_does_not_load_is_an_error_of_the_start(tmp_path: Path) -> None:
    with function(make_root(tmp_path, SCRIPT), BROKEN="1") as started:
        reply = started.api.replies.get(timeout=20)
        assert (reply.invocation, reply.kind) == ("", "error")
        assert reply.json["errorType"] == "Runtime.ModelDoesNotLoad"
        assert started.process.wait(10) == 70
        assert started.api.asked == 0
        assert any("no such tensor" in line.get("exception", "") for line in started.log())


def test_sigterm_ends_the_function_at_once(tmp_path: Path) -> None:
    with function(make_root(tmp_path), "lambda") as started:
        wait_for(lambda: started.api.asked == 1)
        begun = time.monotonic()
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(5) == 0
        assert time.monotonic() - begun < 1.0


def test_there_is_one_worker_unless_the_environment_says_otherwise(tmp_path: Path) -> None:
    with function(make_root(tmp_path)) as started:
        assert started.invoke({"a": 1}).kind == "response"
        children = Path(f"/proc/{started.process.pid}/task/{started.process.pid}/children").read_text().split()
        assert len(children) == 1


def test_lambda_without_a_runtime_api_is_a_usage_error(tmp_path: Path) -> None:
    done = run_entry(make_root(tmp_path), "lambda")
    assert done.returncode == 64
    assert "AWS_LAMBDA_RUNTIME_API is not set" in done.stdout


def test_train_is_answered_clearly(tmp_path: Path) -> None:
    done = run_entry(make_root(tmp_path), "train")
    assert done.returncode == 64
    assert "no train command" in done.stderr

"""A ``predict`` that yields: its answer is on the way while it is still being made."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from runtime_service import Service, make_root, running, wait_for

SCRIPT = """
import time
from pathlib import Path

import logging

MARK = Path(__file__).with_name("mark")
log = logging.getLogger("streaming")

def load(model_dir):
    return None

def predict(model, records):
    record = records[0]
    try:
        for number in range(record["count"]):
            if number == record.get("fail_at"):
                raise ValueError("out of words")
            if number == record.get("hang_at"):
                time.sleep(60)
            if number == record.get("die_at"):
                import os
                os._exit(3)
            time.sleep(record.get("pause", 0))
            yield {"number": number, "text": "x" * record.get("size", 1)}
    finally:
        log.info("closed at %s", locals().get("number"))
"""
ASYNC = """
import asyncio

async def load(model_dir):
    return 3

async def predict(model, records):
    for number in range(model):
        await asyncio.sleep(0)
        yield number
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = make_root(tmp_path_factory.mktemp("streaming") / "root", SCRIPT, service={"request_timeout": 2})
    with running(root, KILN_BODY_TIMEOUT="1") as started:
        yield started


def open_stream(service: Service, value: object, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.request("POST", "/predict", json.dumps(value), {"content-type": "application/json"} | headers)
    return connection.getresponse()


def test_parts_arrive_before_the_answer_is_whole(service: Service) -> None:
    began = time.monotonic()
    response = open_stream(service, {"count": 4, "pause": 0.3})
    first = json.loads(response.readline())
    at_first = time.monotonic() - began
    rest = [json.loads(line) for line in response]
    assert [first["number"], *(each["number"] for each in rest)] == [0, 1, 2, 3]
    assert time.monotonic() - began - at_first > 0.5
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["transfer-encoding"] == "chunked"
    line = service.find_log(request_id=response.headers["x-request-id"], logger="kiln.access")
    assert (line["status"], line["path"]) == (200, "/predict")
    assert line["bytes_out"] > 60
    assert line["duration_ms"] > 1000


def test_a_connection_is_kept_after_a_stream(service: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    for _ in range(3):
        connection.request("POST", "/predict", json.dumps({"count": 2}), {"content-type": "application/json"})
        response = connection.getresponse()
        assert len(response.read().splitlines()) == 2
        assert connection.sock is not None
    connection.close()


def test_server_sent_events_where_they_are_asked_for(service: Service) -> None:
    response = open_stream(service, {"count": 2}, accept="text/event-stream")
    assert response.headers["content-type"] == "text/event-stream"
    assert response.read() == b'data: {"number":0,"text":"x"}\n\ndata: {"number":1,"text":"x"}\n\n'


def test_plain_json_where_only_that_is_accepted(service: Service) -> None:
    response = open_stream(service, {"count": 3, "size": 0}, accept="application/json")
    assert [each["number"] for each in json.loads(response.read())["predictions"]] == [0, 1, 2]


def test_nothing_yielded_is_an_empty_answer(service: Service) -> None:
    response = open_stream(service, {"count": 0})
    assert (response.status, response.read()) == (200, b"")


def test_http_1_0_gets_the_parts_until_the_connection_ends(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        body = b'{"count": 3, "size": 0}'
        connection.sendall(b"POST /predict HTTP/1.0\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert b"content-length" not in head.lower()
    assert [json.loads(line)["number"] for line in body.splitlines()] == [0, 1, 2]


def test_a_failure_before_the_first_part_has_its_own_status(service: Service) -> None:
    response = open_stream(service, {"count": 3, "fail_at": 0})
    assert (response.status, json.loads(response.read())["error"]) == (500, "scoring failed")
    assert open_stream(service, {"count": 1}).status == 200


def test_a_failure_after_it_ends_the_stream_so_that_the_client_can_tell(service: Service) -> None:
    response = open_stream(service, {"count": 3, "fail_at": 2})
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    lines = caught.value.partial.splitlines()
    assert [json.loads(line)["number"] for line in lines[:2]] == [0, 1]
    assert json.loads(lines[2])["error"] == "scoring failed"
    line = service.find_log(logger="kiln.scoring", request_id=response.headers["x-request-id"])
    assert "out of words" in line["exception"]


def test_a_client_that_hangs_up_stops_the_model(service: Service) -> None:
    response = open_stream(service, {"count": 1_000_000, "pause": 0.01})
    response.readline()
    response.close()
    service.find_log(message="closed at", logger="streaming", request_id=response.headers["x-request-id"])
    line = service.find_log(logger="kiln.access", request_id=response.headers["x-request-id"])
    assert line["status"] == 499
    assert open_stream(service, {"count": 1}).status == 200


def test_a_client_that_does_not_read_holds_the_model_back_and_is_cut_off(service: Service) -> None:
    body = b'{"count": 1000000, "size": 100000}'
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nhost: x\r\nx-request-id: slow-reader\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        line = service.find_log(15, message="closed at", request_id="slow-reader")
    assert int(line["message"].rpartition(" ")[2]) < 2000
    assert service.metric("process_resident_memory_bytes") < 100 << 20
    assert service.metric('kiln_worker_restarts_total{reason="hang"}') == 0
    assert open_stream(service, {"count": 1}).status == 200


@pytest.mark.parametrize(("fault", "reason"), [("hang_at", "hang"), ("die_at", "crash")])
def test_a_worker_lost_in_mid_stream_breaks_that_stream_only(service: Service, fault: str, reason: str) -> None:
    before = service.metric(f'kiln_worker_restarts_total{{reason="{reason}"}}')
    response = open_stream(service, {"count": 3, fault: 1})
    with pytest.raises(http.client.IncompleteRead):
        response.read()
    wait_for(lambda: service.metric(f'kiln_worker_restarts_total{{reason="{reason}"}}') == before + 1)
    service.wait_ready()
    assert len(open_stream(service, {"count": 2}).read().splitlines()) == 2


def test_an_asynchronous_generator_streams_as_well(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root", ASYNC)) as service:
        assert open_stream(service, {"a": 1}).read() == b"0\n1\n2\n"
        assert service.predict({"a": 1}, "/invocations", accept="application/json").json["predictions"] == [0, 1, 2]

"""What a client of the service sees."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from runtime_service import NUMBER_SCHEMA, Service, make_root, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = make_root(tmp_path_factory.mktemp("http") / "root", schema=NUMBER_SCHEMA)
    with running(root, KILN_HEAD_TIMEOUT="1", KILN_BODY_TIMEOUT="1", KILN_MAX_HEAD="8192") as started:
        yield started


def talk(service: Service, data: bytes, *, end: bool = False, limit: float = 10) -> bytes:
    """Send raw bytes and return everything that comes back until the other side closes or says nothing more."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=limit) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while chunk := connection.recv(65536):
                answer += chunk
        except TimeoutError:
            pass
        return answer


def post(body: bytes, *headers: str, path: str = "/predict") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize(
    ("body", "predictions"),
    [
        ({"a": 2}, [4]),
        ({"records": [{"a": 1}, {"a": 2}, {"a": 3}]}, [2, 4, 6]),
        ({"instances": [{"a": 1.5}]}, [3.0]),
        ([{"a": 1}, {"a": 5}], [2, 10]),
        ([], []),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/score"])
def test_records_are_scored_in_every_shape(service: Service, path: str, body: object, predictions: list[float]) -> None:
    answer = service.predict(body, path)
    assert (answer.status, answer.json) == (200, {"predictions": predictions})
    assert answer.headers["content-type"] == "application/json"


def test_every_fault_is_told_with_field_value_and_rule(service: Service) -> None:
    answer = service.predict({"records": [{"a": "x", "c": 1}, {"a": 1}, {"b": 3}]})
    assert answer.status == 400
    assert sorted((each["field"], each["value"], each["rule"]) for each in answer.json["faults"]) == [
        ("records[0].a", "x", "type"),
        ("records[0].c", 1, "additionalProperties"),
        ("records[2].a", None, "required"),
        ("records[2].b", 3, "type"),
    ]
    assert answer.json["error"] == answer.json["message"]
    assert answer.json["error"].startswith('"records[0].a" must be a number, but is "x" (a string).')


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_json_does_not_know_are_refused_by_field(service: Service, literal: str) -> None:
    answer = service.request("POST", "/predict", b'{"records": [{"a": 1}, {"a": %b}]}' % literal.encode())
    assert answer.status == 400
    assert answer.json["faults"][0]["field"] == "records[1].a"
    assert answer.json["faults"][0]["rule"] == "finite"


@pytest.mark.parametrize("body", [b"", b"  ", b"{", b"nonsense", b'{"a": 1} x', b"\xff\xfe", b"[" * 50_000, b'"\xc3"'])
def test_a_body_that_is_not_json_is_refused(service: Service, body: bytes) -> None:
    answer = service.request("POST", "/predict", body, content_type="application/json")
    assert answer.status == 400
    assert answer.json["faults"][0]["rule"] == "json"


@pytest.mark.parametrize(("content_type", "status"), [
    ("application/json", 200),
    ("application/json; charset=utf-8", 200),
    ("application/vnd.example+json", 200),
    ("application/x-www-form-urlencoded", 200),
    ("text/csv", 415),
    ("application/json; charset=latin-1", 415),
])  # fmt: skip
def test_the_content_type_decides(service: Service, content_type: str, status: int) -> None:
    assert service.request("POST", "/predict", b'{"a": 1}', content_type=content_type).status == status


def test_an_unknown_route_and_a_wrong_method_are_told_apart(service: Service) -> None:
    assert service.get("/nothing").status == 404
    answer = service.get("/predict")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_the_root_says_what_is_served(service: Service) -> None:
    answer = service.get("/").json
    assert {"/", "/livez", "/metrics", "/predict", "/readyz", "/score"} <= set(answer.pop("routes"))
    assert answer == {
        "status": "alive",
        "ready": True,
        "name": "double",
        "version": "1.2.3",
        "description": "doubles",
        "owner": "tests@example.com",
        "contract": "predict",
    }


def test_a_request_id_is_sent_back_or_made(service: Service) -> None:
    assert service.predict({"a": 1}, x_request_id="mine-1").headers["x-request-id"] == "mine-1"
    made = [service.predict({"a": 1}).headers["x-request-id"] for _ in range(2)]
    assert len(set(made)) == 2
    assert len(made[0]) == 36


def test_a_head_request_gets_no_body(service: Service) -> None:
    answer = service.request("HEAD", "/livez")
    assert (answer.status, answer.body) == (200, b"")


def test_a_body_over_the_limit_is_refused_before_it_is_read(service: Service) -> None:
    began = time.monotonic()
    answer = service.request("POST", "/predict", b" " * 50_000_000, content_type="application/json")
    assert answer.status == 413
    assert "100000" in answer.json["error"]
    assert time.monotonic() - began < 5
    assert service.predict({"a": 1}).status == 200


def test_a_chunked_body_is_read_and_limited(service: Service) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    assert b'{"predictions":[14]}' in talk(service, head + b'4\r\n{"a"\r\n4\r\n: 7}\r\n0\r\n\r\n')
    assert b" 413 " in talk(service, head + b"%x\r\n" % 200_000 + b" " * 200_000 + b"\r\n0\r\n\r\n").split(b"\r\n")[0]


def test_pipelined_requests_are_answered_in_order(service: Service) -> None:
    data = b"".join(post(json.dumps({"a": number}).encode()) for number in range(40))
    answer = talk(service, data + post(b'{"a": 99}', "connection: close"))
    bodies = [part.split(b"\r\n\r\n")[1] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
    assert [json.loads(body)["predictions"][0] for body in bodies] == [*range(0, 80, 2), 198]


def test_a_half_closed_connection_still_gets_its_answer(service: Service) -> None:
    assert b'{"predictions":[2]}' in talk(service, post(b'{"a": 1}'), end=True)


def test_the_client_is_asked_to_continue(service: Service) -> None:
    answer = talk(service, post(b'{"a": 1}', "expect: 100-continue", "connection: close"))
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    old = post(b'{"a": 1}', "expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
    assert talk(service, old).startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_upgrade_is_not_made_and_the_request_is_answered(service: Service) -> None:
    offer = post(b'{"a": 1}', "connection: upgrade", "upgrade: h2c")
    answer = talk(service, offer + post(b'{"a": 2}', "connection: close"))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.endswith(b'{"predictions":[4]}')
    assert b" 405 " in talk(service, b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n").split(b"\r\n")[0]


def test_an_offer_to_upgrade_takes_nothing_back_that_was_said_beside_it(service: Service) -> None:
    offer = post(b'{"a": 1}', "connection: close, upgrade", "upgrade: h2c")
    answer = talk(service, offer)
    assert answer.endswith(b'{"predictions":[2]}')
    assert b"connection: close" in answer


def test_fields_after_the_body_are_not_headers(service: Service) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    answer = talk(service, head + b'8\r\n{"a": 7}\r\n0\r\nx-request-id: late\r\ncontent-type: text/csv\r\n\r\n')
    assert answer.endswith(b'{"predictions":[14]}')
    assert b"late" not in answer


@pytest.mark.parametrize("beside", [b"0\r\nx-long: %b", b"8;x=%b", b"0\r\n%b"])
def test_what_comes_with_a_body_is_limited(service: Service, beside: bytes) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"
    long = b"x: y\r\n" * 200_000 if beside == b"0\r\n%b" else b"y" * 1_200_000
    assert b" 431 " in talk(service, head + beside % long).split(b"\r\n")[0]


def test_another_coding_below_the_chunks_is_not_taken_for_the_body(service: Service) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n"
    assert b" 501 " in talk(service, head + b'8\r\n{"a": 7}\r\n0\r\n\r\n').split(b"\r\n")[0]


@pytest.mark.parametrize(
    "data",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: nine\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: x\r\nhost: y\r\nconnection: close\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_closed(service: Service, data: bytes) -> None:
    assert b" 400 " in talk(service, data).split(b"\r\n")[0]
    assert service.get("/livez").status == 200


def test_headers_are_limited(service: Service) -> None:
    many = "\r\n".join(f"x-{number}: y" for number in range(200))
    assert b" 431 " in talk(service, post(b"{}", many)).split(b"\r\n")[0]
    assert b" 431 " in talk(service, b"GET / HTTP/1.1\r\nx-long: " + b"y" * 20_000).split(b"\r\n")[0]


def test_a_client_that_dawdles_is_cut_off(service: Service) -> None:
    began = time.monotonic()
    assert b" 408 " in talk(service, b"GET /livez HTTP/1.1\r\nhost: x").split(b"\r\n")[0]
    begun = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"
    assert b" 408 " in talk(service, begun).split(b"\r\n")[0]
    assert time.monotonic() - began < 28


def test_metrics_count_requests_by_route_and_code(service: Service) -> None:
    before = service.metric('kiln_requests_total{route="/predict",code="200"}')
    service.predict({"a": 1})
    assert service.metric('kiln_requests_total{route="/predict",code="200"}') == before + 1
    page = service.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    for name in ("kiln_queue_seconds", "kiln_batch_records", "kiln_worker_restarts_total", "kiln_requests_in_flight"):
        assert f"# TYPE {name} " in page.body.decode()


PROBES = ("/livez", "/readyz", "/metrics")


def read_access(service: Service) -> set[str]:
    return {line["path"] for line in service.log() if line["logger"] == "kiln.access"}


def test_answers_of_probes_are_not_logged(service: Service) -> None:
    for path in PROBES:
        service.get(path)
        service.request("POST", path, b"")  # refused, and still no more than a probe
    service.get("/a-last-route")
    service.find_log(logger="kiln.access", path="/a-last-route")
    assert not read_access(service) & set(PROBES)


def test_answers_of_probes_are_logged_when_all_are_asked_for(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root"), KILN_ACCESS_LOG="all") as service:
        for path in PROBES:
            service.get(path)
            assert service.find_log(logger="kiln.access", path=path)["level"] == "info"


def test_every_log_line_is_compact_whoever_wrote_it(tmp_path: Path) -> None:
    script = "def load(d):\n    print('loading it')\ndef predict(m, records):\n    return [1 for _ in records]\n"
    with running(make_root(tmp_path / "root", script)) as service:
        service.find_log(logger="stdout")
        service.find_log(message="model loaded")
        lines = service.read_log().splitlines()
    assert lines == [json.dumps(json.loads(line), ensure_ascii=False, separators=(",", ":")) for line in lines]


def test_the_server_stays_small(service: Service) -> None:
    assert 0 < service.metric("process_resident_memory_bytes") < 60 * 2**20

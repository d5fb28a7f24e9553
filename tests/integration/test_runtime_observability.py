"""What one can see of a running service: log lines and whose they are, traces, metrics."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus
from runtime_service import ENTRY, NUMBER_SCHEMA, Service, make_environment, make_root, running, wait_for

TALKATIVE = """
import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

from kiln_runtime.request import current_requests

log = logging.getLogger("mine")
pool = ThreadPoolExecutor(1)


def load(model_dir):
    print("loading")
    log.info("loaded")
    return 2


def linger():
    time.sleep(1.5)
    print("from a thread that outlives its request")


async def task():
    await asyncio.sleep(0)
    print("from a task")


async def gather():
    await asyncio.gather(task(), asyncio.to_thread(print, "from a thread of asyncio"))


def predict(model, records):
    what = records[0].get("b")
    if what == "everything":
        print("two\\nlines")
        print("no end, then ", end="")
        sys.stdout.buffer.write(b"bytes \\xff\\n")
        print("to the error", file=sys.stderr)
        warnings.warn("a warning", stacklevel=1)
        log.warning("with fields", extra={"customer": 7, "score": float("nan"), "level": "mine"})
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("with a traceback")
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        pool.submit(print, "from a pool").result()
        asyncio.run(gather())
        os.write(1, b"past Python\\n")
        os.write(2, b"\\x00\\xff\\x1ejunk\\n")
        subprocess.run(["sh", "-c", "echo from a program"], check=True)
        threading.Thread(target=lambda: 1 / 0, name="the thread").start()
        time.sleep(1)
    if what == "linger":
        threading.Thread(target=linger).start()
    if what == "pool":
        pool.submit(print, "from the pool again").result()
    if what == "slow":
        time.sleep(3)
    if what == "huge":
        print("x" * 1_000_000)
    if what == "flood":
        for number in range(20_000):
            print("line", number)
    if what == "trace":
        for request in current_requests():
            print("called by", request.id, request.traceparent, request.tracestate)
    if len(records) > 1:
        print("a batch")
    return [record["a"] * model for record in records]
"""
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = make_root(tmp_path_factory.mktemp("seen") / "root", TALKATIVE, schema=NUMBER_SCHEMA)
    with running(root) as started:
        yield started


def ask(service: Service, what: str, request_id: str, **headers: str) -> None:
    answer = service.predict({"a": 1, "b": what}, x_request_id=request_id, **headers)
    assert (answer.status, answer.headers["x-request-id"]) == (200, request_id)


def lines_of(service: Service, request_id: str) -> list[dict[str, Any]]:
    service.find_log(logger="kiln.access", request_id=request_id)
    return [line for line in service.log() if line.get("request_id") == request_id]


def test_every_word_of_the_author_carries_its_request(service: Service) -> None:
    ask(service, "everything", "r-everything")
    service.find_log(20, message="the thread ended: ZeroDivisionError")
    lines = lines_of(service, "r-everything")
    told = {(line["logger"], line["message"]) for line in lines}
    assert told >= {
        ("stdout", "two\nlines"),
        ("stderr", "to the error"),
        ("stdout", "no end, then bytes \\xff"),
        ("mine", "with fields"),
        ("mine", "with a traceback"),
        ("stdout", "from a thread"),
        ("stdout", "from a pool"),
        ("stdout", "from a task"),
        ("stdout", "from a thread of asyncio"),
        ("output", "past Python"),
        ("output", "\x00\\xff\x1ejunk"),
        ("output", "from a program"),
        ("kiln.scoring", "the thread ended: ZeroDivisionError: division by zero"),
    }
    by_message = {line["message"]: line for line in lines}
    fields = by_message["with fields"]
    assert (fields["customer"], fields["score"], fields["extra_level"], fields["level"]) == (
        7,
        "nan",
        "mine",
        "warning",
    )
    assert "ZeroDivisionError" in by_message["with a traceback"]["exception"]
    assert any(line["logger"] == "py.warnings" and "a warning" in line["message"] for line in lines)


def test_what_is_said_while_loading_belongs_to_no_request(service: Service) -> None:
    for message in ("loading", "loaded"):
        line = service.find_log(message=message)
        assert not {"request_id", "request_ids"} & line.keys()


def test_a_thread_stays_with_the_request_that_started_it_and_a_pool_goes_on_to_the_next(service: Service) -> None:
    ask(service, "linger", "r-linger")
    ask(service, "pool", "r-pool")
    assert service.find_log(20, message="outlives its request")["request_id"] == "r-linger"
    assert service.find_log(message="from the pool again")["request_id"] == "r-pool"


def test_the_lines_of_a_batch_name_all_its_requests(service: Service) -> None:
    threads = [threading.Thread(target=ask, args=(service, "slow", "r-first"))]
    threads[0].start()
    wait_for(lambda: service.metric('kiln_workers{state="busy"}') == 1)
    threads += [threading.Thread(target=ask, args=(service, "none", f"r-batch-{number}")) for number in range(3)]
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(service.find_log(message="a batch")["request_ids"]) == ["r-batch-0", "r-batch-1", "r-batch-2"]


def test_a_huge_line_is_cut_and_a_flood_of_lines_arrives(service: Service) -> None:
    ask(service, "huge", "r-huge")
    line = service.find_log(logger="stdout", request_id="r-huge")
    assert (len(line["message"]), line["cut"]) == (65537, 1_000_000)
    ask(service, "flood", "r-flood")
    wait_for(lambda: any(line["message"] == "line 19999" for line in service.log()), 20)
    assert sum(line["message"].startswith("line ") for line in lines_of(service, "r-flood")) == 20_000


def test_the_caller_s_trace_is_in_every_line_and_in_the_author_s_hands(service: Service) -> None:
    ask(service, "trace", "r-trace", traceparent=PARENT, tracestate="a=1")
    lines = lines_of(service, "r-trace")
    assert {line["logger"] for line in lines} == {"stdout", "kiln.access"}
    assert {(line["trace_id"], line["span_id"]) for line in lines} == {(TRACE, SPAN)}
    assert any(line["message"] == f"called by r-trace {PARENT} a=1" for line in lines)


@pytest.mark.parametrize("parent", ["00-1-2-01", PARENT.upper(), PARENT + "-more", "ff" + PARENT[2:]])
def test_a_trace_that_breaks_the_grammar_is_none(service: Service, parent: str) -> None:
    answer = service.predict({"a": 1}, traceparent=parent)
    line = service.find_log(logger="kiln.access", request_id=answer.headers["x-request-id"])
    assert "trace_id" not in line
    assert "traceresponse" not in answer.headers


def test_requests_that_never_reach_the_model_are_logged_and_counted(service: Service) -> None:
    body = b"x" * 200_000
    large = service.request("POST", "/predict", body, content_type="application/json", x_request_id="r-large")
    assert (large.status, large.headers["x-request-id"]) == (413, "r-large")
    line = service.find_log(logger="kiln.access", request_id="r-large")
    assert (line["status"], line["path"], line["level"]) == (413, "/predict", "warning")
    [name] = json.loads(service.request("GET", "/v1/models").body)["models"]
    service.request("POST", f"/v1/models/{name}:explain", b"{}", content_type="application/json", x_request_id="r-501")
    line = service.find_log(logger="kiln.access", request_id="r-501")
    assert (line["status"], line["level"]) == (501, "warning")
    before = service.metric('kiln_refused_total{rule="minimum"}')
    assert service.predict({"a": -2000}).status == 400
    assert service.predict({"c": 1}).status == 400
    assert service.metric('kiln_refused_total{rule="minimum"}') == before + 1
    assert service.metric('kiln_refused_total{rule="additionalProperties"}') >= 1
    assert service.metric('kiln_requests_total{route="/predict",code="413"}') >= 1
    assert service.metric('kiln_requests_total{route="/predict",code="400"}') >= 2


def test_the_page_of_metrics_reads_in_both_forms(service: Service) -> None:
    for number in range(300):
        service.get(f"/no-such-route-{number}")
    plain = service.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in parse_prometheus(plain.body.decode())}
    routes = {sample.labels.get("route") for sample in families["kiln_requests"].samples}
    assert "other" in routes
    assert len(routes) < 20
    opened = service.request("GET", "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert opened.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert {family.name for family in parse_open_metrics(opened.body.decode())} >= {
        "kiln_requests",
        "kiln_request_seconds",
        "kiln_queue_seconds",
        "kiln_predict_seconds",
        "kiln_batch_records",
        "kiln_requests_in_flight",
        "kiln_worker_restarts",
        "kiln_model_load_seconds",
        "kiln_worker_resident_memory_bytes",
        "kiln_memory_limit_bytes",
        "kiln_refused",
        "process_resident_memory_bytes",
    }


def test_people_read_text(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root"), KILN_LOG="text") as service:
        service.predict({"a": 1}, x_request_id="r1")
        pattern = r"^\d\d:\d\d:\d\d\.\d{3} INFO     kiln\.access: POST /predict 200 [\d.]+ ms request_id=r1 .*batch=1$"
        wait_for(lambda: re.search(pattern, service.read_log(), re.MULTILINE), 5, service.read_log)
        assert "{" not in service.read_log()


def test_a_terminal_is_taken_for_a_person(tmp_path: Path) -> None:
    leader, follower = os.openpty()
    root = make_root(tmp_path / "root")
    subprocess.run(
        [sys.executable, "-I", "-S", str(ENTRY), "check"], env=make_environment(root), stdout=follower, check=True
    )
    shown = os.read(leader, 65536).decode()
    os.close(follower)
    os.close(leader)
    assert re.fullmatch(r"[\d:.]{12} INFO     kiln: the model loads seconds=[\d.]+\r\n", shown)


class Collector(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.spans: list[Any] = []
        self.metrics: list[Any] = []


class Taker(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(body)
            self.server.spans += [span for each in traces.resource_spans[0].scope_spans for span in each.spans]
        else:
            metrics = ExportMetricsServiceRequest.FromString(body)
            self.server.metrics += metrics.resource_metrics[0].scope_metrics[0].metrics
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_spans_and_metrics_reach_a_collector_and_the_author_continues_the_trace(
    tmp_path: Path, collector: Collector
) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
    }
    root = make_root(tmp_path / "root", TALKATIVE, schema=NUMBER_SCHEMA)
    with running(root, **variables) as service:
        answer = service.predict({"a": 1, "b": "trace"}, traceparent=PARENT, x_request_id="r1")
        wait_for(lambda: len(collector.spans) == 3)
        spans = {span.name: span for span in collector.spans}
        server, predict = spans["POST /predict"], spans["predict"]
        assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE, SPAN)
        assert answer.headers["traceresponse"] == f"00-{TRACE}-{server.span_id.hex()}-01"
        assert service.find_log(message="called by r1")["span_id"] == predict.span_id.hex()
        assert service.find_log(logger="kiln.access", request_id="r1")["span_id"] == server.span_id.hex()
        wait_for(lambda: any(metric.name == "kiln_requests" for metric in collector.metrics))
        service.predict({"a": 5})
        assert service.stop() == 0
    assert len(collector.spans) == 6


def test_a_collector_that_never_answers_delays_no_request_and_no_end(tmp_path: Path) -> None:
    with http.server.socketserver.TCPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as deaf:
        url = f"http://127.0.0.1:{deaf.server_address[1]}"
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_SCHEDULE_DELAY": "10",
            "OTEL_BSP_MAX_QUEUE_SIZE": "5",
        }
        with running(make_root(tmp_path / "root"), **variables) as service:
            for _ in range(50):
                assert service.predict({"a": 1}).status == 200
            assert service.metric("kiln_spans_dropped_total") >= 40
            started = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - started < 30


def test_nothing_of_the_export_is_loaded_unless_it_is_asked_for(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root")) as service:
        maps = Path(f"/proc/{service.process.pid}/maps").read_text()
        assert "_ssl" not in maps or "uvloop" in maps
        threads = {path.read_text().strip() for path in Path(f"/proc/{service.process.pid}/task").glob("*/comm")}
        assert not any("otlp" in name for name in threads)
        assert json.loads(service.get("/").body)["status"] == "alive"

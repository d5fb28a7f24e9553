"""What is exported, read back with the classes that OpenTelemetry's own project generates."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from builder.runtime.bundle import parse_bundle
from builder.runtime.server.logs import Log
from builder.runtime.server.measures import Measures
from builder.runtime.server.message import Request, Response
from builder.runtime.server.metrics import Gauge
from builder.runtime.server.observer import wants_telemetry
from builder.runtime.server.otlp.encoding import METRICS, TRACES, to_json, to_protobuf
from builder.runtime.server.otlp.export import Export, start_export
from builder.runtime.server.otlp.metrics import describe_metrics
from builder.runtime.server.otlp.settings import decide_telemetry
from builder.runtime.server.otlp.tracer import Tracer
from builder.runtime.server.trace import Trace

BUNDLE = parse_bundle(
    {
        "kiln": {"version": "0.1.0"},
        "name": "double",
        "version": "1.2.3",
        "model": {"path": "/opt/model/model/m.json"},
        "scoring": {"contract": "none"},
    }
)
CALLER = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1, "a=1,b=2")


class Collector(http.server.ThreadingHTTPServer):
    """Keeps what it is sent; answers what it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.taken: list[tuple[str, Mapping[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.stall = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def wait(self, count: int, limit: float = 10) -> None:
        end = time.monotonic() + limit
        while len(self.taken) < count:
            assert time.monotonic() < end, self.taken
            time.sleep(0.01)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(self.server.stall)
        status, headers = self.server.answers.pop(0) if self.server.answers else (200, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()
        self.server.taken.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))

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


class Run:
    """An export and the log beside it."""

    def __init__(self, **variables: str) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the run
        self.log = Log(self._file.fileno())
        self.measures = Measures(BUNDLE)
        self.export: Export = start_export(BUNDLE, variables, self.log, self.measures)

    def answer(self, trace: Trace | None = None, status: int = 200, **more: Any) -> Trace:
        """Answer one request, whose place is returned."""
        assert self.export.tracer is not None
        place = self.export.tracer.begin(trace)
        request = Request(Nobody(), 0.0, method="POST", target=b"/predict?x=1", request_id="r1", trace=place)
        request.route = more.pop("route", "/predict")
        for name, value in more.items():
            setattr(request, name, value)
        if place.sampled:
            self.export.tracer.record(request, Response(status, b"{}"), 10, 0.25)
        return place

    def lines(self) -> list[dict[str, Any]]:
        self.log.close()
        return [json.loads(line) for line in os.pread(self._file.fileno(), 1 << 20, 0).splitlines()]

    def close(self) -> None:
        self.export.exporter.close(5)
        self.log.close()


class Nobody:
    peer = "192.0.2.1"

    def send(self, request: Request, response: Response) -> None:
        pass


def read_spans(taken: tuple[str, Mapping[str, str], bytes]) -> Any:
    message = ExportTraceServiceRequest()
    message.ParseFromString(taken[2])
    return message


def plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def test_a_scored_request_is_three_spans_of_the_caller_s_trace(collector: Collector) -> None:
    run = Run(
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url + "/",
        OTEL_SERVICE_NAME="leaving",
        OTEL_RESOURCE_ATTRIBUTES="team=growth%20team,service.name=other",
        OTEL_EXPORTER_OTLP_HEADERS="api-key=se%3Dcret",
        OTEL_METRICS_EXPORTER="none",
    )
    run.answer(CALLER, scoring=(0.05, 0.15, 7))
    run.close()
    ((path, headers, _),) = collector.taken
    assert path == "/v1/traces"
    assert (headers["content-type"], headers["api-key"]) == ("application/x-protobuf", "se=cret")
    (resource,) = read_spans(collector.taken[0]).resource_spans
    named = plain(resource.resource.attributes)
    assert (named["service.name"], named["service.version"], named["team"]) == ("leaving", "1.2.3", "growth team")
    server, queue, predict = resource.scope_spans[0].spans
    assert {span.trace_id.hex() for span in (server, queue, predict)} == {CALLER.trace_id}
    assert server.parent_span_id.hex() == CALLER.span_id
    assert server.trace_state == "a=1,b=2"
    assert {queue.parent_span_id, predict.parent_span_id} == {server.span_id}
    assert len({server.span_id, queue.span_id, predict.span_id, bytes.fromhex(CALLER.span_id)}) == 4
    assert (server.name, server.kind, queue.name, predict.name) == (
        "POST /predict",
        server.SPAN_KIND_SERVER,
        "queue",
        "predict",
    )
    told = plain(server.attributes)
    assert told["http.response.status_code"] == 200
    assert (told["http.route"], told["url.path"], told["client.address"]) == ("/predict", "/predict", "192.0.2.1")
    assert told["kiln.request_id"] == "r1"
    assert plain(predict.attributes) == {"kiln.batch.records": 7}
    assert server.end_time_unix_nano - server.start_time_unix_nano == 250_000_000
    assert (predict.start_time_unix_nano - server.start_time_unix_nano) == pytest.approx(50_000_000, abs=2)
    assert abs(server.end_time_unix_nano - time.time_ns()) < 60e9


def test_a_failure_is_an_error_and_a_request_without_a_caller_a_new_trace(collector: Collector) -> None:
    run = Run(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector.url + "/here")
    place = run.answer(status=500)
    other = run.answer(status=404, route="other")
    run.close()
    assert collector.taken[0][0] == "/here"
    failed, unknown = read_spans(collector.taken[0]).resource_spans[0].scope_spans[0].spans
    assert failed.status.code == failed.status.STATUS_CODE_ERROR
    assert plain(failed.attributes)["error.type"] == "500"
    assert failed.parent_span_id == b""
    assert (failed.trace_id.hex(), failed.span_id.hex()) == (place.trace_id, place.span_id)
    assert (unknown.name, unknown.status.code) == ("POST", 0)
    assert "http.route" not in plain(unknown.attributes)
    assert other.trace_id != place.trace_id


def test_json_and_gzip_are_what_they_say(collector: Collector) -> None:
    run = Run(
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL="http/json",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )
    run.answer(CALLER)
    run.close()
    ((_, headers, body),) = collector.taken
    assert (headers["content-type"], headers["content-encoding"]) == ("application/json", "gzip")
    (span,) = json.loads(gzip.decompress(body))["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (span["traceId"], span["parentSpanId"]) == (CALLER.trace_id, CALLER.span_id)


def test_metrics_are_exported_as_they_are_counted(collector: Collector) -> None:
    run = Run(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=collector.url + "/m")
    assert run.export.tracer is None
    run.measures.requests.add(("/predict", "200"), 3)
    run.measures.request_seconds.observe(0.002, ("/predict",))
    run.close()
    ((_, _, body),) = collector.taken
    message = ExportMetricsServiceRequest()
    message.ParseFromString(body)
    found = {metric.name: metric for metric in message.resource_metrics[0].scope_metrics[0].metrics}
    requests = found["kiln_requests"].sum
    assert (requests.is_monotonic, requests.aggregation_temporality) == (True, 2)
    assert requests.data_points[0].as_double == 3
    assert plain(requests.data_points[0].attributes) == {"route": "/predict", "code": "200"}
    spread = found["kiln_request_seconds"].histogram.data_points[0]
    assert (spread.count, sum(spread.bucket_counts), found["kiln_request_seconds"].unit) == (1, 1, "s")
    assert len(spread.bucket_counts) == len(spread.explicit_bounds) + 1
    assert spread.bucket_counts[list(spread.explicit_bounds).index(0.0025)] == 1


def test_both_forms_say_the_same_to_the_generated_classes() -> None:
    measures = Measures(BUNDLE)
    measures.requests.add(("/é", "200"))
    metrics = describe_metrics([*measures.list(), Gauge("g", "Below nothing.", lambda: -1.5)], 5)
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    binary = ExportMetricsServiceRequest()
    binary.ParseFromString(to_protobuf(body, METRICS))
    assert Parse(to_json(body), ExportMetricsServiceRequest()) == binary


def test_a_number_of_64_bits_and_a_lone_surrogate_are_sent() -> None:
    span = {"traceId": "ff" * 16, "name": "\ud800", "startTimeUnixNano": (1 << 64) - 1, "status": {"code": 2}}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    message = ExportTraceServiceRequest()
    message.ParseFromString(to_protobuf(body, TRACES))
    (read,) = message.resource_spans[0].scope_spans[0].spans
    assert (read.start_time_unix_nano, read.name) == ((1 << 64) - 1, "?")


def test_what_the_collector_puts_off_is_sent_again_and_what_it_refuses_is_not(collector: Collector) -> None:
    collector.answers = [(503, {"retry-after": "0"}), (200, {}), (400, {}), (200, {})]
    run = Run(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="20")
    run.answer()
    collector.wait(2)
    run.answer()
    collector.wait(3)
    run.answer()
    collector.wait(4)
    run.close()
    assert (run.export.exporter.sent, run.export.exporter.dropped) == (2, 1)
    told = [line["message"] for line in run.lines() if line["logger"] == "kiln.telemetry"]
    assert told[1:] == [
        f"telemetry is not taken; {collector.url}: it answers 400",
        f"telemetry is taken again by {collector.url}",
    ]


def test_a_collector_that_is_not_there_or_stalls_costs_nothing_but_the_spans(collector: Collector) -> None:
    collector.stall = 300
    run = Run(
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="10",
        OTEL_BSP_MAX_QUEUE_SIZE="100",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10",
        OTEL_EXPORTER_OTLP_TIMEOUT="60000",
    )
    started = time.monotonic()
    for _ in range(5000):
        run.answer()
    run.export.exporter.close(0.1)
    assert time.monotonic() - started < 60
    assert run.export.exporter.dropped >= 4800
    run.log.close()


def test_a_host_that_does_not_exist_is_told_once() -> None:
    run = Run(
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://127.0.0.1:1/v1/traces",
        OTEL_BSP_SCHEDULE_DELAY="10",
        OTEL_EXPORTER_OTLP_TIMEOUT="10",
    )
    for _ in range(3):
        run.answer()
        time.sleep(0.1)
    run.close()
    warnings = [line for line in run.lines() if line["level"] == "warning"]
    assert len(warnings) == 1
    assert "127.0.0.1:1" in warnings[0]["message"]


@pytest.mark.parametrize(
    ("variables", "from_sampled", "from_unsampled", "alone"),
    [
        ({}, True, False, True),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, True, True, True),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, False, False, False),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, True, False, False),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, True, False, False),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, False, False, False),
        ({"OTEL_TRACES_SAMPLER": "dice"}, True, False, True),
    ],
)
def test_the_sampler_decides_as_its_name_says(
    variables: dict[str, str], from_sampled: bool, from_unsampled: bool, alone: bool
) -> None:
    tracer = Tracer(decide_telemetry(BUNDLE, variables, instance="i"), lambda span: None)
    assert tracer.begin(CALLER).sampled is from_sampled
    assert tracer.begin(Trace(CALLER.trace_id, CALLER.span_id, 0)).sampled is from_unsampled
    assert tracer.begin(None).sampled is alone


def test_a_ratio_keeps_the_traces_opentelemetry_keeps() -> None:
    variables = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    tracer = Tracer(decide_telemetry(BUNDLE, variables, instance="i"), lambda span: None)
    kept = sum(tracer.begin(None).sampled for _ in range(4000))
    assert 800 < kept < 1200
    assert tracer.begin(Trace("f" * 16 + "3fffffffffffffff", "1" * 16, 0)).sampled
    assert not tracer.begin(Trace("0" * 15 + "1" + "4000000000000000", "1" * 16, 1)).sampled


@pytest.mark.parametrize(
    ("variables", "traces", "metrics"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318/v1/traces", "http://c:4318/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/x"}, "https://c/x", None),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces", None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_METRICS_EXPORTER": "none"}, "http://c/v1/traces", None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "console"}, None, "http://c/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317"}, None, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "file:///etc"}, None, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, None, None),
    ],
)
def test_each_signal_goes_where_its_variables_say(variables: dict[str, str], traces: str, metrics: str) -> None:
    decided = decide_telemetry(BUNDLE, variables, instance="i")
    assert wants_telemetry(variables)
    assert (decided.traces and decided.traces.url, decided.metrics and decided.metrics.url) == (traces, metrics)
    assert bool(decided.warnings) == any(word in str(variables) for word in ("console", "c:4317", "file", "grpc"))


def test_what_is_wrong_in_a_variable_is_told_and_its_default_taken() -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "soon",
        "OTEL_BSP_SCHEDULE_DELAY": "-3",
        "OTEL_EXPORTER_OTLP_HEADERS": "secret-without-equals",
    }
    decided = decide_telemetry(BUNDLE, variables, instance="i")
    assert decided.traces is not None
    assert (decided.traces.timeout, decided.interval, decided.traces.headers) == (10, 5, {})
    assert not any("secret-without" in warning for warning in decided.warnings)
    assert len(decided.warnings) == 5


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "True"},
    ],
)
def test_nothing_is_exported_unless_it_is_asked_for(variables: dict[str, str]) -> None:
    assert not wants_telemetry(variables)


def test_a_certificate_that_cannot_be_read_stops_the_export_only(tmp_path: Path) -> None:
    run = Run(
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="https://127.0.0.1:1/v1/traces",
        OTEL_EXPORTER_OTLP_CERTIFICATE=str(tmp_path / "none.pem"),
        OTEL_EXPORTER_OTLP_TIMEOUT="10",
    )
    run.answer()
    run.close()
    assert any("not taken" in line["message"] for line in run.lines())

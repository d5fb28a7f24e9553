"""Scoring code that does what it should not: the service answers, and the next request is as good as any."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from runtime_service import Service, make_root, running, wait_for

SCRIPT = """
import marshal, os, struct, subprocess

class Mute(Exception):
    def __str__(self):
        raise ValueError("nothing to say")

def send(message):
    body = marshal.dumps(message)
    os.write(3, struct.pack("<I", len(body)) + body)

def load(model_dir):
    return 2

def predict(model, records):
    for record in records:
        match record.get("do"):
            case "raise what cannot be shown":
                raise Mute
            case "write nothing to the channel":
                os.write(3, bytes(4))
            case "write a number to the channel":
                send(5)
            case "fork and return twice":
                os.fork()
            case "die":
                os._exit(1)
            case "die with a child":
                child = subprocess.Popen(["sleep", "1000"])
                print("child", child.pid, flush=True)
                os._exit(1)
            case "answer half of a pair":
                return ["\\ud800"]
            case "answer a long number":
                return [10**5000]
    return [record["a"] * model for record in records]
"""
STREAM = """
def load(model_dir):
    return 2

def predict(model, records):
    yield 1
    yield records[0]["a"] if records[0]["a"] else "\\ud800"
    yield 3
"""
AZURE = """
import os
from azureml.contrib.services.aml_request import rawhttp
from azureml.contrib.services.aml_response import AMLResponse

def init():
    pass

@rawhttp
def run(request):
    with open(os.environ["EFFECTS"], "a") as effects:
        effects.write("x")
    match request.args.get("do"):
        case "die":
            os._exit(1)
        case "snowman":
            return AMLResponse("fine", 200, {"x-a": "\\u2603"})
        case "split":
            return AMLResponse("fine", 200, {"x-a: b\\r\\nset-cookie": "c"})
        case "status":
            return AMLResponse("fine", 99999, {})
        case "switch":
            return AMLResponse("fine", 101, {})
    return "fine"
"""
SAGEMAKER = """
import os

def model_fn(model_dir):
    return 2

def input_fn(body, content_type):
    return body

def predict_fn(value, model):
    with open(os.environ["EFFECTS"], "a") as effects:
        effects.write("x")
    os._exit(1)
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(make_root(tmp_path_factory.mktemp("service") / "root", SCRIPT)) as started:
        yield started


def ask(service: Service, do: str) -> int:
    status = service.predict({"a": 1, "do": do}).status
    assert service.predict({"a": 1}).json == {"predictions": [2]}
    return status


@pytest.mark.parametrize("do", ["raise what cannot be shown", "answer half of a pair", "answer a long number"])
def test_code_that_cannot_say_what_it_means_fails_and_keeps_its_worker(service: Service, do: str) -> None:
    workers = service.worker_pids()
    assert ask(service, do) == 500
    assert service.worker_pids() == workers


@pytest.mark.parametrize("do", ["write nothing to the channel", "write a number to the channel"])
def test_a_worker_that_writes_to_the_channel_is_replaced_at_once(service: Service, do: str) -> None:
    started = time.monotonic()
    assert ask(service, do) in {200, 503}
    assert time.monotonic() - started < 5
    service.find_log(message="a worker ended", reason="nonsense")
    assert "Fatal error on transport" not in service.read_log()


def test_a_fork_that_answers_too_costs_no_other_request(service: Service) -> None:
    assert ask(service, "fork and return twice") == 200


def test_what_a_dead_worker_started_ends_with_it(service: Service) -> None:
    assert ask(service, "die with a child") == 503

    def find_children() -> list[str]:
        return [line["message"].split()[1] for line in service.log() if str(line.get("message")).startswith("child ")]

    # Two, one for each try; but one when the late second answer of the fork above cost the first try its worker.
    wait_for(find_children, explain=service.read_log)
    wait_for(lambda: not any(Path("/proc", child).exists() for child in find_children()))


def test_workers_that_die_between_answers_are_replaced_without_a_growing_pause(service: Service) -> None:
    for _ in range(3):
        started = time.monotonic()
        assert ask(service, "die") == 503
        assert time.monotonic() - started < 4


def test_a_streamed_value_that_cannot_be_sent_ends_that_stream_only(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root", STREAM)) as service:
        workers = service.worker_pids()
        with pytest.raises(Exception, match="IncompleteRead"):
            service.predict({"a": 0})
        assert service.predict({"a": 2}).body == b"1\n2\n3\n"
        assert service.worker_pids() == workers
        service.find_log(message="the answer cannot be sent", level="error")


def test_headers_and_statuses_that_http_does_not_have_are_500(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", AZURE, contract="azure")
    with running(root, EFFECTS=str(tmp_path / "effects")) as service:
        workers = service.worker_pids()
        for do in ("snowman", "split", "status", "switch"):
            answer = service.request("POST", f"/score?do={do}", b"{}", timeout=5)
            assert answer.status == 500, do
            assert "set-cookie" not in answer.headers
        assert service.request("POST", "/score", b"{}").json == "fine"
        assert service.worker_pids() == workers


@pytest.mark.parametrize(
    ("contract", "script", "target"),
    [("azure", AZURE, "/score?do=die"), ("sagemaker", SAGEMAKER, "/invocations")],
)
def test_a_script_that_reads_requests_itself_gets_none_twice(
    tmp_path: Path, contract: str, script: str, target: str
) -> None:
    effects = tmp_path / "effects"
    with running(make_root(tmp_path / "root", script, contract=contract), EFFECTS=str(effects)) as service:
        answer = service.request("POST", target, b"{}", content_type="application/json")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        service.wait_ready()
        assert effects.stat().st_size == 1

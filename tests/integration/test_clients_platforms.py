"""Platforms' own local runs of one and the same image, offline and with credentials that nobody reads."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.integration.runtime_service import find_port
from tests.support.clients import PREDICTIONS, PROBABILITIES, RECORDS, SCRIPTS, Client
from tests.support.kiln import ROOT
from tests.support.lambda_api import LambdaApi

pytestmark = [pytest.mark.engine, pytest.mark.package_index]
ANSWER = {"predictions": PREDICTIONS}


@pytest.fixture(scope="module")
def vertex(client: Callable[[str], Client], client_image: str) -> Any:
    return client("vertex").run(client_image, json.dumps(RECORDS))


def test_vertex_local_endpoint_predicts_on_its_own_port_and_routes(vertex: Any) -> None:
    assert (vertex["status"], vertex["body"], vertex["health"]) == (200, ANSWER, 200)
    status, refused = vertex["refused"]
    assert status == 400
    assert refused["faults"]


def test_azure_ml_deploys_and_invokes_the_image_locally(
    client: Callable[[str], Client], client_image: str, tmp_path: Path
) -> None:
    told = client("azure").run(client_image, ROOT / "examples/churn/samples/batch.json", tmp_path, HOME=str(tmp_path))
    assert json.loads(told["answer"]) == ANSWER
    assert told["state"] == "Succeeded"
    assert "does not hold this model; /opt/model/model is used" in told["logs"]
    assert "must not run" not in told["logs"]


@pytest.fixture(scope="module")
def sagemaker(client: Callable[[str], Client], client_image: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    work = tmp_path_factory.mktemp("sagemaker")
    return client("sagemaker").run(client_image, json.dumps(RECORDS), work, find_port(), HOME=str(work))


def test_sagemaker_local_mode_serves_an_endpoint(sagemaker: Any) -> None:
    assert sagemaker["json"][:2] == [200, "application/json"]
    assert json.loads(sagemaker["json"][2]) == ANSWER
    status, content_type, body = sagemaker["csv"]
    assert (status, content_type.partition(";")[0]) == (200, "text/csv")
    assert [float(line.split(",")[1]) for line in body.splitlines()] == PROBABILITIES
    assert sagemaker["refused"][0] == 400


def test_sagemaker_local_mode_transforms_files_line_by_line(sagemaker: Any) -> None:
    assert [json.loads(line) for line in sagemaker["multi"]] == PREDICTIONS
    assert [float(line.split(",")[1]) for line in sagemaker["single"]] == PROBABILITIES


@pytest.fixture(scope="module")
def function(sdk: docker.DockerClient, client_image: str) -> Iterator[LambdaApi]:
    """Run the image as Lambda does: another user, nothing writable but /tmp, no shared memory."""
    with LambdaApi() as api:
        container = sdk.containers.run(
            client_image,
            detach=True,
            network_mode="host",
            read_only=True,
            tmpfs={"/tmp": "", "/dev/shm": "size=0"},
            cap_drop=["ALL"],
            user="993:990",
            environment={"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.port}"},
        )
        try:
            yield api
        finally:
            container.remove(force=True)


def test_the_image_as_it_is_serves_lambda(function: LambdaApi) -> None:
    direct = function.invoke({"records": RECORDS}, limit=60)
    assert (direct.kind, direct.json) == ("response", ANSWER)
    event = {
        "version": "2.0",
        "rawPath": "/v1/models/churn:predict",
        "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"instances": RECORDS}),
    }
    by_http = function.invoke(event).json
    assert by_http["statusCode"] == 200
    assert json.loads(by_http["body"]) == ANSWER


@contextlib.contextmanager
def amazons_own(client: Client, handler: str) -> Iterator[tuple[LambdaApi, subprocess.Popen[bytes]]]:
    """Run AWS's own runtime client with a handler."""
    with LambdaApi() as api:
        variables = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.port}", "AWS_LAMBDA_FUNCTION_NAME": "f"}
        process = subprocess.Popen(
            [str(client.python), "-m", "awslambdaric", f"lambda_handlers.{handler}"],
            cwd=SCRIPTS,
            env=client.make_environment(**variables),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        try:
            yield api, process
        finally:
            process.kill()
            process.wait()


def test_lambda_errors_have_the_shape_that_amazons_own_client_gives_them(
    client: Callable[[str], Client], function: LambdaApi
) -> None:
    with amazons_own(client("lambda"), "fail") as (api, _):
        theirs = api.invoke({"a": 1})
    ours = function.invoke({"a": 1}, limit=60)
    keys = {"errorMessage", "errorType", "stackTrace"}
    for reply in (theirs, ours):
        assert reply.kind == "error"
        assert set(reply.json) >= keys
        cause = json.loads(reply.headers["lambda-runtime-function-xray-error-cause"])
        assert set(cause) == {"working_directory", "exceptions", "paths"}


def test_lambda_answers_have_the_type_that_amazons_own_client_gives_them(
    client: Callable[[str], Client], function: LambdaApi
) -> None:
    with amazons_own(client("lambda"), "echo") as (api, _):
        theirs = api.invoke({"a": 1})
    ours = function.invoke({"records": RECORDS}, limit=60)
    assert theirs.kind == ours.kind == "response"
    assert theirs.headers.get("content-type") == ours.headers.get("content-type")


def test_a_handler_that_cannot_start_is_told_as_amazons_own_client_does(client: Callable[[str], Client]) -> None:
    with amazons_own(client("lambda"), "nobody") as (api, process):
        reply = api.replies.get(timeout=20)
        assert (reply.invocation, reply.kind) == ("", "error")
        assert reply.headers["lambda-runtime-function-error-type"].startswith("Runtime.")
        assert process.wait(10) != os.EX_OK
        assert api.asked == 0

"""Clients of scoring protocols against one and the same hardened container, without a way out of this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.clients import LABELS, PREDICTIONS, PROBABILITIES, RECORDS, Client, Served

pytestmark = [pytest.mark.engine, pytest.mark.package_index]
OUTPUTS = {"label": LABELS, "probability": PROBABILITIES}


@pytest.fixture(scope="module")
def kserve(client: Callable[[str], Client], served: Served) -> Any:
    return client("kserve").run(served.url, "churn", json.dumps(RECORDS))


@pytest.fixture(scope="module")
def triton(client: Callable[[str], Client], served: Served) -> Any:
    return client("triton").run(f"127.0.0.1:{served.port}", "churn", json.dumps(RECORDS), "1.0.0")


def test_kserves_client_predicts_by_its_first_protocol(kserve: Any) -> None:
    assert kserve["v1"] == {"live": True, "ready": True, "predictions": PREDICTIONS}


@pytest.mark.parametrize("form", ["v2", "v2_binary"])
def test_kserves_client_infers_by_the_open_protocol_in_json_and_binary(kserve: Any, form: str) -> None:
    told = kserve[form]
    assert (told["live"], told["server_ready"], told["ready"]) == (True, True, True)
    assert (told["id"], told["model"]) == ("r-1", "churn")
    assert told["outputs"] == OUTPUTS


def test_kserves_client_is_told_of_a_model_that_is_not_here(kserve: Any) -> None:
    assert "404" in kserve["unknown"]


def test_tritons_client_sees_what_is_served(triton: Any) -> None:
    assert all(triton[name] for name in ("live", "server_ready", "ready", "version_ready"))
    assert triton["other_ready"] is False
    assert "binary_tensor_data" in triton["server"]["extensions"]
    assert [each["name"] for each in triton["metadata"]["inputs"]] == list(RECORDS[0])
    assert triton["metadata"]["versions"] == ["1.0.0"]


@pytest.mark.parametrize("form", ["binary", "json", "versioned"])
def test_tritons_client_infers(triton: Any, form: str) -> None:
    assert triton[form] == OUTPUTS


def test_tritons_client_reads_what_is_wrong_with_a_request(triton: Any) -> None:
    assert triton["refused"].startswith("400: ")
    assert "is required, but is missing" in triton["refused"]


def test_mlflows_client_scores_frames_and_arrays_and_reads_refusals(
    client: Callable[[str], Client], served: Served
) -> None:
    told = client("mlflow").run("127.0.0.1", served.port, json.dumps(RECORDS))
    assert told["version"] == "1.0.0"
    assert told["frame"] == PREDICTIONS
    assert told["array"] == PREDICTIONS
    assert "is not a known field" in told["refused"]
    assert "BAD_REQUEST" in told["refused"]

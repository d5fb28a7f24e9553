from __future__ import annotations

import pytest
from test_runtime_bundle import make_document

from builder.runtime import settings as module
from builder.runtime.bundle import parse_bundle
from builder.runtime.settings import SettingError, decide_settings, decide_worker_environment


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "count_cores", lambda _declared: 4)


@pytest.mark.parametrize(
    ("environment", "port"),
    [
        ({}, 8080),
        ({"PORT": "9000"}, 9000),
        ({"PORT": "9000", "AIP_HTTP_PORT": "9001"}, 9001),
        ({"PORT": "9000", "AIP_HTTP_PORT": "9001", "SAGEMAKER_BIND_TO_PORT": "9002"}, 9002),
        ({"PORT": ""}, 8080),
    ],
)
def test_the_port_comes_from_the_platform(environment: dict[str, str], port: int) -> None:
    assert decide_settings(parse_bundle(make_document()), environment).port == port


def test_variables_that_name_another_port_are_told() -> None:
    given = {"PORT": "9000", "AIP_HTTP_PORT": "9001", "SAGEMAKER_BIND_TO_PORT": "9001"}
    assert decide_settings(parse_bundle(make_document()), given).passed_over == ("PORT=9000",)
    assert decide_settings(parse_bundle(make_document()), {"PORT": "9000"}).passed_over == ()


def test_workers_default_to_cores_and_share_the_threads() -> None:
    alone = decide_settings(parse_bundle(make_document()), {})
    assert (alone.workers, alone.threads) == (4, 1)
    chosen = decide_settings(parse_bundle(make_document(service={"workers": 2})), {})
    assert (chosen.workers, chosen.threads) == (2, 2)
    assert decide_settings(parse_bundle(make_document(service={"workers": 2})), {"WEB_CONCURRENCY": "1"}).workers == 1


def test_the_scoring_timeout_of_azure_is_heeded() -> None:
    decided = decide_settings(parse_bundle(make_document()), {"SCORING_TIMEOUT_MS": "1500"})
    assert (decided.request_timeout, decided.hold) == (1.5, 1.5)


def test_the_timeout_of_mlflow_is_heeded_when_azure_has_none() -> None:
    given = {"MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "7"}
    assert decide_settings(parse_bundle(make_document()), given).request_timeout == 7
    given["SCORING_TIMEOUT_MS"] = "1500"
    assert decide_settings(parse_bundle(make_document()), given).request_timeout == 1.5


@pytest.mark.parametrize(
    ("name", "text"), [("PORT", "http"), ("KILN_MAX_BODY", "-1"), ("KILN_WORKERS", "0"), ("KILN_MAX_QUEUE", "nan")]
)
def test_a_variable_that_is_wrong_is_named(name: str, text: str) -> None:
    with pytest.raises(SettingError, match=name):
        decide_settings(parse_bundle(make_document()), {name: text})


def test_the_bundles_own_thread_variables_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    bundle = parse_bundle(make_document(environment={"variables": {"OPENBLAS_NUM_THREADS": "3"}}))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    environment = decide_worker_environment(bundle, decide_settings(bundle, {"KILN_WORKERS": "2"}))
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["MKL_NUM_THREADS"] == "7"
    assert environment["OPENBLAS_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("text", "requests", "probes"),
    [("", True, False), ("on", True, False), ("off", False, False), ("0", False, False), ("ALL", True, True)],
)
def test_probes_are_logged_on_demand_only(text: str, *, requests: bool, probes: bool) -> None:
    decided = decide_settings(parse_bundle(make_document()), {"KILN_ACCESS_LOG": text})
    assert (decided.access_log, decided.probe_log) == (requests, probes)

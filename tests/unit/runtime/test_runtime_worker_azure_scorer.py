"""How Azure ML's contract is read and called."""

from __future__ import annotations

import json
import time
import types
from collections.abc import Callable
from typing import Any

import pytest

from builder.runtime.wire import OK
from builder.runtime.worker.azure_input import read_form
from builder.runtime.worker.azure_scorer import AzureScorer
from builder.runtime.worker.output import Journal


class Silent(Journal):
    """Keeps what would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def write(self, level: str, logger: str, message: str, **more: Any) -> None:
        del level, logger, more
        self.lines.append(message)


def make_module(run: Callable[..., Any], init: Callable[[], None] = lambda: None) -> types.ModuleType:
    module = types.ModuleType("score")
    module.__dict__.update(init=init, run=run)
    return module


def ask(scorer: AzureScorer, body: bytes = b"x", method: str = "POST") -> tuple[int, dict[str, str], bytes]:
    ((outcome, (status, headers, answer)),) = scorer.score([("a", (method, b"/score", [], body))])
    assert outcome == OK
    return status, dict(headers), answer


def test_scripts_behind_a_driver_are_called_directly() -> None:
    started: list[int] = []
    outer = make_module(lambda data: data, lambda: started.append(1))
    outer.driver_module = make_module(lambda data: {"inner": data})  # type: ignore[attr-defined]
    status, headers, answer = ask(AzureScorer(outer, Silent(), timeout=1))
    assert (status, json.loads(answer), started) == (200, {"inner": "x"}, [1])
    assert float(headers["x-ms-run-fn-exec-ms"]) >= 0


def test_the_signature_of_run_is_read_as_azure_ml_reads_it() -> None:
    def read(run: Callable[..., Any]) -> tuple[str, bool]:
        form = read_form(run, raw=False)
        return form.parameters[0].name, form.wants_headers

    assert read(lambda data: data) == ("data", False)
    assert read(lambda request_headers, body: (request_headers, body)) == ("body", True)
    for run in (lambda: 0, lambda request_headers: request_headers, lambda *data: data, lambda **data: data):
        with pytest.raises(TypeError):
            read(run)


def test_a_run_that_takes_too_long_is_interrupted_and_the_worker_goes_on() -> None:
    def run(data: str) -> str:
        if data == "slow":
            time.sleep(5)
        return data

    scorer = AzureScorer(make_module(run), Silent(), timeout=0.2)
    status, headers, answer = ask(scorer, b"slow")
    assert (status, json.loads(answer)) == (500, {"message": "Scoring timeout after 200 ms"})
    assert headers["x-ms-run-function-failed"] == "True"
    assert ask(scorer, b"quick")[2] == b'"quick"'


def test_when_init_fails_the_log_says_what_the_model_directory_holds(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/model.pkl").write_text("")
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path))
    journal = Silent()
    with pytest.raises(ZeroDivisionError):
        AzureScorer(make_module(lambda data: data, lambda: 1 / 0), journal, timeout=1)  # type: ignore[arg-type, return-value]
    assert "sub/model.pkl" in journal.lines[-1]


def test_what_is_no_function_is_no_contract() -> None:
    with pytest.raises(TypeError, match="no function run"):
        AzureScorer(make_module(7), Silent(), timeout=1)  # type: ignore[arg-type]

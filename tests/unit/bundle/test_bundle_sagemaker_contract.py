"""SageMaker's contract, told by reading a script."""

from __future__ import annotations

import pytest

from builder.bundle.contract import ContractReading, read_contract
from builder.bundle.model import Contract

GOOD = "def model_fn(model_dir): ...\ndef predict_fn(data, model): ...\n"


def read(source: str) -> ContractReading:
    return read_contract(source.encode(), name="inference.py", python="3.11")


@pytest.mark.parametrize(
    "source",
    [
        GOOD,
        "def model_fn(model_dir, context=None): ...\n",
        "from shared import model_fn\ndef input_fn(body, content_type, context): ...\n",
        "def model_fn(d): ...\ndef transform_fn(model, data, content_type, accept): ...\n",
        "@cached\ndef model_fn(): ...\n",
        GOOD + "def init(): ...\n",
    ],
)
def test_a_script_with_model_fn_is_sagemakers(source: str) -> None:
    assert read(source).contract is Contract.SAGEMAKER


@pytest.mark.parametrize(
    ("source", "fact"),
    [
        ("def predict_fn(data, model): ...\n", "script defines predict_fn but no model_fn"),
        (GOOD + "def load(d): ...\ndef predict(m, r): ...\n", "script keeps two contracts, and only one can be served"),
        (GOOD + "def init(): ...\ndef run(data): ...\n", "script keeps two contracts, and only one can be served"),
        (
            GOOD + "def transform_fn(m, d, c, a): ...\n",
            "transform_fn stands in for predict_fn, and only one can be called",
        ),
        ("def model_fn(): ...\n", "model_fn cannot be called: it gets 1, or one more with a context"),
        ("def model_fn(*args): ...\n", "model_fn cannot be called: it gets 1, or one more with a context"),
        (GOOD + "def output_fn(p): ...\n", "output_fn cannot be called: it gets 2, or one more with a context"),
        ("async def model_fn(d): ...\n", "model_fn is async, and is called as a plain function"),
        ("class model_fn: ...\n", "model_fn is a class"),
    ],
)
def test_what_the_toolkit_would_refuse_is_a_fault(source: str, fact: str) -> None:
    reading = read(source)
    assert reading.contract is None
    assert fact in [fault.fact for fault in reading.faults]


def test_a_request_goes_to_the_route_of_the_contract() -> None:
    assert [contract.scoring_path for contract in Contract] == ["/predict", "/score", "/invocations", "/predict"]
    assert [contract.reads_requests for contract in Contract] == [False, True, True, False]

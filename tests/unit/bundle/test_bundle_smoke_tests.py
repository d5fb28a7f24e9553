from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.bundle.faults import Faults
from builder.bundle.files import BundleFiles
from builder.bundle.model import Contract, SmokeTest
from builder.bundle.smoke_tests import read_smoke_tests, smoke_warnings
from builder.bundle.yaml_document import read_document
from builder.errors import Fault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.json").write_bytes(b'{"a": \xff broken')
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "empty").write_bytes(b"")
    return tmp_path.resolve()


def read(
    folder: Path, text: str, contract: Contract = Contract.PREDICT
) -> tuple[tuple[SmokeTest, ...], tuple[Fault, ...]]:
    faults = Faults(read_document(f"smoke: {text}\n".encode(), name="bundle.yaml"))
    parts: list[Any] = yaml.safe_load(text)
    return read_smoke_tests(parts, contract, BundleFiles(folder, faults)), faults.in_order()


def one(folder: Path, text: str, contract: Contract = Contract.PREDICT) -> SmokeTest:
    tests, faults = read(folder, text, contract)
    assert faults == ()
    (test,) = tests
    return test


def test_a_request_file_is_sent_byte_for_byte(folder: Path) -> None:
    test = one(folder, "[{name: a, request: a.json}]")
    assert test.request == b'{"a": \xff broken'
    assert test.content_type == "application/json"
    assert one(folder, "[{name: a, request: empty}]").request == b""


def test_a_request_written_in_place_is_json(folder: Path) -> None:
    test = one(folder, "[{name: a, request: {b: [1, é, null]}}]")
    assert test.request == '{"b": [1, "é", null]}'.encode()
    assert one(folder, "[{name: a, request: []}]").request == b"[]"


def test_the_content_type_follows_the_file_unless_it_is_given(folder: Path) -> None:
    assert one(folder, "[{name: a, request: a.csv}]").content_type == "text/csv"
    assert one(folder, "[{name: a, request: a.csv, content_type: text/plain}]").content_type == "text/plain"


def test_the_route_follows_the_contract_unless_it_is_given(folder: Path) -> None:
    assert one(folder, "[{name: a, request: {}}]").path == "/predict"
    assert one(folder, "[{name: a, request: {}}]", Contract.NONE).path == "/predict"
    assert one(folder, "[{name: a, request: {}}]", Contract.AZURE).path == "/score"
    assert one(folder, "[{name: a, request: {}, path: /x}]", Contract.AZURE).path == "/x"


def test_an_expectation_is_read_whole(folder: Path) -> None:
    expect = "{status: 201, body: null, subset: {$.a: 1}, rtol: 0.01, atol: 0.1, time_limit: 200ms}"
    found = one(folder, f"[{{name: a, request: {{}}, expect: {expect}}}]").expect
    assert (found.status, found.body, found.has_body, found.subset) == (201, None, True, {"$.a": 1})
    assert (found.rtol, found.atol, found.time_limit, found.error) == (0.01, 0.1, 0.2, None)


def test_without_an_expectation_the_request_is_accepted(folder: Path) -> None:
    found = one(folder, "[{name: a, request: {}}]").expect
    assert (found.status, found.has_body, found.time_limit, found.rtol, found.atol) == (200, False, None, 1e-6, 1e-9)


def test_a_name_given_twice_names_the_first_line(folder: Path) -> None:
    _, faults = read(folder, "\n- {name: a, request: {}}\n- {name: b, request: {}}\n- {name: a, request: {}}")
    (fault,) = faults
    assert fault.at == "bundle.yaml:4 smoke[2].name"
    assert fault.got == "a, first on line 2"


@pytest.mark.parametrize(
    ("text", "at", "fact"),
    [
        ("[{name: a, request: gone.json}]", "smoke[0].request", "no such file"),
        ("[{name: a, request: ../x}]", "smoke[0].request", "'..'"),
        ("""[{name: a, request: '{"a": 1}'}]""", "smoke[0].request", "taken for a path"),
        ('[{name: a, request: "a\\nb"}]', "smoke[0].request", "taken for a path"),
        ("[{name: a, request: {}, expect: {error: age}}]", "smoke[0].expect.error", "carries no error"),
        ("[{name: a, request: {}, expect: {status: 200, error: age}}]", "smoke[0].expect.status", "carries no error"),
        ("[{name: a, request: {}, expect: {time_limit: 0s}}]", "smoke[0].expect.time_limit", "not a duration"),
    ],
)
def test_a_test_that_cannot_be_run_says_why(folder: Path, text: str, at: str, fact: str) -> None:
    tests, faults = read(folder, text)
    assert tests == ()
    (fault,) = faults
    assert fault.at == f"bundle.yaml:1 {at}"
    assert fact in fault.fact


def test_what_the_schema_refused_is_passed_over(folder: Path) -> None:
    faults = Faults(read_document(b"smoke: []\n", name="bundle.yaml"))
    assert read_smoke_tests([None, {"name": "a"}, {"request": {}}], Contract.NONE, BundleFiles(folder, faults)) == ()
    assert not faults


def test_one_accepted_and_one_refused_request_are_asked_for(folder: Path) -> None:
    assert len(smoke_warnings(())) == 2
    both, _ = read(folder, "[{name: a, request: {}}, {name: b, request: {}, expect: {status: 400}}]")
    assert smoke_warnings(both) == []
    assert "refused" in smoke_warnings(both[:1])[0]
    assert "accepted" in smoke_warnings(both[1:])[0]

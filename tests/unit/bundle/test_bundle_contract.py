from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.bundle.contract import ContractReading, read_contract
from builder.bundle.model import Contract


def read(source: str | bytes, python: str = "3.11") -> ContractReading:
    return read_contract(source.encode() if isinstance(source, str) else source, name="score.py", python=python)


OURS = "def load(model_dir): ...\ndef predict(model, records): ...\n"
AZURE = "def init(): ...\ndef run(data): ...\n"


@pytest.mark.parametrize(
    "source",
    [
        OURS,
        "def load(path, *, mode='r'): ...\ndef predict(m, r, threshold=0.5): ...\n",
        "def load(*args): ...\ndef predict(*args, **kwargs): ...\n",
        "import joblib\nload = joblib.load\ndef predict(model, records, /): ...\n",
        "from impl import load, other as predict\n",
        "try:\n    from fast import load\nexcept ImportError:\n    load = slow\nif True:\n    def predict(m, r): ...\n",
        "with x:\n    def load(d): ...\nfor _ in a:\n    pass\nelse:\n    def predict(m, r): ...\n",
        "load: object = make()\nload, predict = make()\n",
        "@functools.cache\ndef load(): ...\n@wraps\ndef predict(): ...\n",
        "# -*- coding: latin-1 -*-\n" + OURS,
        "async def load(d): ...\nasync def predict(m, r): ...\n",
        "def load(d): ...\ndef predict(m, r):\n    yield 1\n",
        "def load(d):\n    def inner():\n        yield 1\n    return inner\nasync def predict(m, r):\n    yield 1\n",
    ],
)
def test_load_and_predict_are_our_contract(source: str) -> None:
    found = read(source)
    assert found.contract is Contract.PREDICT
    assert found.faults == ()


@pytest.mark.parametrize(
    "source",
    [
        AZURE,
        "def init(): ...\ndef run(data, request_headers): ...\n",
        "def init(flag=True): ...\n@input_schema('data', x)\n@output_schema(y)\ndef run(data, method='predict'): ...\n",
        "from azureml.contrib.services.aml_request import rawhttp\ndef init(): ...\n@rawhttp\ndef run(request): ...\n",
        "def load(d): ...\n" + AZURE,
    ],
)
def test_init_and_run_are_azures_contract(source: str) -> None:
    found = read(source)
    assert found.contract is Contract.AZURE
    assert found.faults == ()


def test_a_blank_is_a_fault_with_its_line_and_the_contract_is_kept() -> None:
    found = read("\x0c\nimport x\nWORDS = ['a']\nFEATURES = ...  # fill in: the names\nMORE = ... # fill in:\n" + OURS)
    assert found.contract is Contract.PREDICT
    assert [(fault.at, fault.fact, fault.want) for fault in found.faults] == [
        ("score.py:4", "FEATURES is left to be filled in", "the names"),
        ("score.py:5", "MORE is left to be filled in", None),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "FEATURES = ['a']  # fill in: the names\n",
        "FEATURES = ...\n# fill in: the names\n",
        "UNSET = ...  # stands for no value\n",
        "FEATURES = []  # fill in: the names\n",
        "class Stub:\n    x = ...  # fill in: it\n",
    ],
)
def test_what_is_filled_in_or_no_blank_is_no_fault(source: str) -> None:
    assert read(source + OURS).faults == ()


def test_the_script_is_never_run() -> None:
    assert read("raise SystemExit('run')\n" + OURS).contract is Contract.PREDICT


def test_both_contracts_are_one_too_many() -> None:
    (fault,) = read(OURS + AZURE).faults
    assert "two contracts" in fault.fact
    assert fault.got == "load (line 1), predict (line 2), init (line 3), run (line 4)"


@pytest.mark.parametrize(
    ("source", "fact", "got"),
    [
        ("def score(x): ...\n", "keeps no scoring contract", "score"),
        ("", "keeps no scoring contract", "no functions"),
        ("def load(d): ...\n", "defines load but no predict", "load"),
        ("def predict(m, r): ...\n", "defines predict but no load", "predict"),
        ("def run(data): ...\n", "defines run but no init", "run"),
        ("from impl import *\n", "by '*'", "no functions"),
        ("class Model:\n    def load(self, d): ...\n    def predict(self, m, r): ...\n", "keeps no", "no functions"),
        ("def outer():\n    def load(d): ...\n", "keeps no", "outer"),
    ],
)
def test_a_script_without_a_contract_says_what_is_wanted(source: str, fact: str, got: str) -> None:
    found = read(source)
    assert found.contract is None
    (fault,) = found.faults
    assert fact in fault.fact
    assert got in (fault.got or "")
    assert "load(model_dir)" in (fault.want or "")


@pytest.mark.parametrize(
    ("source", "at", "fact"),
    [
        ("def load(): ...\ndef predict(m, r): ...\n", "score.py:1 load", "takes no arguments and gets 1"),
        ("def load(d, extra): ...\ndef predict(m, r): ...\n", "score.py:1 load", "requires 2 arguments and gets 1"),
        ("def load(d): ...\ndef predict(records): ...\n", "score.py:2 predict", "takes 1 argument and gets 2"),
        ("def load(d): ...\ndef predict(m, r, k): ...\n", "score.py:2 predict", "requires 3 arguments and gets 2"),
        ("def load(d, *, how): ...\ndef predict(m, r): ...\n", "score.py:1 load", "keyword argument how"),
        ("def init(path): ...\ndef run(data): ...\n", "score.py:1 init", "requires 1 argument and gets none"),
        ("def init(): ...\ndef run(): ...\n", "score.py:2 run", "takes no argument"),
        ("def init(): ...\ndef run(request_headers): ...\n", "score.py:2 run", "takes no argument"),
        ("def init(): ...\ndef run(*data): ...\n", "score.py:2 run", "Azure ML refuses"),
        ("def init(): ...\ndef run(data, **more): ...\n", "score.py:2 run", "Azure ML refuses"),
        ("def init(): ...\ndef run(data, /): ...\n", "score.py:2 run", "positional-only"),
        ("async def init(): ...\ndef run(data): ...\n", "score.py:1 init", "async"),
        ("def init(): ...\nasync def run(data): ...\n", "score.py:2 run", "async"),
        ("def load(d):\n    yield 1\ndef predict(m, r): ...\n", "score.py:1 load", "load yields"),
        ("class load: ...\ndef predict(m, r): ...\n", "score.py:1 load", "is a class"),
    ],
)
def test_a_function_that_cannot_be_called_is_shown_as_it_is_and_as_wanted(source: str, at: str, fact: str) -> None:
    found = read(source)
    assert found.contract is None
    (fault,) = found.faults
    assert fault.at == at
    assert fact in fault.fact
    assert fault.want
    assert fault.got


@pytest.mark.parametrize(
    "test", ['__name__ == "__main__"', "TYPE_CHECKING", "False", "sys.version_info < (3, 11)", "not __debug__"]
)
def test_functions_under_a_condition_that_is_false_in_the_image_are_not_there(test: str) -> None:
    defined = "    def load(model_dir): ...\n    def predict(model, records): ...\n"
    (fault,) = read(f"import sys\nif {test}:\n{defined}").faults
    assert fault.fact == "script defines load and predict only under a condition that is false in the image"
    assert fault.at == "score.py:3"
    assert fault.fix == "define load and predict without that condition: the image imports the script"


@pytest.mark.parametrize(
    "source",
    [
        f"if __name__ == '__main__':\n    main()\nelse:\n    {OURS.replace(chr(10), chr(10) + '    ')}\n",
        f"if some_flag():\n    {OURS.replace(chr(10), chr(10) + '    ')}\n",
        OURS + "if __name__ == '__main__':\n    def init(): ...\n    def run(data): ...\n",
        "if False:\n    def load(): ...\n" + OURS,
    ],
)
def test_functions_that_are_there_count_whatever_else_stands_under_a_condition(source: str) -> None:
    found = read(source)
    assert found.contract is Contract.PREDICT
    assert found.faults == ()


def test_a_branch_for_a_newer_python_counts_from_there_on() -> None:
    source = f"import sys\nif sys.version_info >= (3, 12):\n    {OURS.replace(chr(10), chr(10) + '    ')}\n"
    assert read(source, "3.11").contract is None
    assert read(source, "3.13").contract is Contract.PREDICT


@pytest.mark.parametrize(
    ("source", "fact", "at", "fix"),
    [
        ("def load_model(d): ...\ndef predict(m, r): ...\n", "'load_model'", "score.py:1", "rename load_model to load"),
        ("def load(d): ...\ndef predct(m, r): ...\n", "'predct'", "score.py:2", "rename predct to predict"),
        ("def input_fn(b, t): ...\ndef modelfn(d): ...\n", "'modelfn'", "score.py:2", "rename modelfn to model_fn"),
        ("def help(): ...\ndef run(data): ...\n", "script defines run but no init", "score.py:2", None),
    ],
)
def test_a_function_of_nearly_the_name_is_asked_for(source: str, fact: str, at: str, fix: str | None) -> None:
    (fault,) = read(source).faults
    assert fact in fault.fact
    assert (fault.at, fault.fix) == (at, fix)
    assert ("did you mean" in fault.fact) is (fix is not None)


def test_all_signature_faults_are_told_at_once() -> None:
    assert len(read("def load(): ...\ndef predict(): ...\n").faults) == 2


def test_a_syntax_error_names_file_line_and_text() -> None:
    (fault,) = read("import os\ndef load(model_dir:\n    pass\n").faults
    assert fault.at == "score.py:2"
    assert fault.fact.startswith("syntax error: ")
    assert fault.got == "def load(model_dir:"


def test_syntax_newer_than_the_bundles_python_is_a_syntax_error() -> None:
    source = "match x:\n    case 1: pass\n" + OURS
    assert read(source, python="3.9").contract is None
    assert read(source, python="3.11").contract is Contract.PREDICT


@pytest.mark.parametrize(
    ("rest", "contract"), [(OURS, Contract.PREDICT), (AZURE, Contract.AZURE), ("", None), (OURS + AZURE, None)]
)
def test_syntax_newer_than_the_reader_leaves_only_the_names(rest: str, contract: Contract | None) -> None:
    found = read("def later[[\n" + rest, python="3.99")
    assert found.contract is contract
    assert bool(found.faults) == (contract is None)
    if contract:
        assert "only the names" in found.warnings[0]


def test_a_null_byte_is_an_error_and_not_a_crash() -> None:
    assert read(b"x = 1\0\n").faults[0].at is not None


def test_a_script_in_no_known_encoding_is_an_error() -> None:
    assert read(b"# -*- coding: klingon -*-\n").contract is None
    assert read(b"x = '\xff'\n").contract is None


def test_a_dubious_escape_is_not_our_business() -> None:
    assert read("x = '\\d'\n" + OURS).contract is Contract.PREDICT


@given(st.text(alphabet="def load(model_dir):\n\t predict,*=/@[]'\"", max_size=80))
def test_any_text_is_read_or_refused(source: str) -> None:
    found = read(source)
    assert (found.contract is None) == bool(found.faults)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_script_in_utf_16_is_told_as_that(encoding: str) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    (fault,) = read(mark + OURS.encode(encoding)).faults
    assert "UTF-16" in fault.fact
    assert fault.want == "UTF-8"

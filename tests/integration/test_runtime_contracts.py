"""How scoring code is called, and what it can and cannot see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from runtime_service import ENTRY, NUMBER_SCHEMA, make_environment, make_root, run_entry, running

AZURE = """
import json, os, time

def init():
    global model
    model = os.environ["AZUREML_MODEL_DIR"]

def run(data, request_headers):
    parsed = json.loads(data)
    match parsed:
        case {"do": "raise"}:
            raise ValueError("no")
        case {"do": "none"}:
            return None
        case {"do": "set"}:
            return {1, 2}
        case {"do": "sleep"}:
            time.sleep(60)
        case {"do": "text"}:
            return json.dumps([1])
        case {"do": "nan"}:
            return float("nan")
        case {"do": "headers"}:
            return request_headers
        case {"do": "model"}:
            return model
    return {"got": parsed, "é": 1.0}
"""


def test_azure_scripts_get_text_and_their_answers_are_dumped_as_json_does(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", AZURE, contract="azure", service={"request_timeout": 1})
    with running(root) as service:

        def run(do: str, **headers: str) -> tuple[int, str]:
            answer = service.predict({"do": do}, "/score", **headers)
            return answer.status, answer.body.decode()

        answer = service.predict({"x": 1}, "/score")
        assert answer.body == b'{"got": {"x": 1}, "\\u00e9": 1.0}'
        assert answer.headers["x-ms-run-function-failed"] == "False"
        assert float(answer.headers["x-ms-run-fn-exec-ms"]) < 1000
        assert answer.headers["x-ms-request-id"] == answer.headers["x-request-id"]
        assert run("none") == (200, "{}")
        assert run("text") == (200, '"[1]"')
        assert run("nan") == (200, "NaN")
        assert json.loads(run("headers", x_custom="é")[1])["X-Custom"] == "é"
        assert run("model") == (200, json.dumps(str(root / "opt/model/model")))
        failed = service.predict({"do": "raise"}, "/score")
        assert failed.status == 500
        message = "An unexpected error occurred in scoring script. Check the logs for more info."
        assert failed.json == {"message": message}
        assert failed.headers["x-ms-run-function-failed"] == "True"
        strange = service.predict({"do": "set"}, "/score")
        assert strange.status == 500
        assert strange.json == {"message": "An unexpected internal error occurred. Check the logs for more info."}
        assert strange.headers["x-ms-run-function-failed"] == "False"
        assert service.request("POST", "/score", b"\xff\xfe").json["message"].startswith("Input cannot be decoded")
        assert service.get("/score?a=1&b=[1,2]&b=x").json["got"] == {"a": 1, "b": [[1, 2], "x"]}
        assert service.request("OPTIONS", "/score").status == 200
        assert service.request("PUT", "/score", b"1").status == 405
        ids = service.predict({}, "/score", x_ms_client_request_id="c1", traceid="t1")
        assert (ids.headers["x-ms-request-id"], ids.headers["x-ms-client-request-id"]) == ("c1", "c1")
        assert ids.headers["traceid"] == "t1"
        assert service.predict({}, "/score", x_request_id="x" * 101).status == 431
        late = service.predict({"do": "sleep"}, "/score")
        while late.status == 503:  # a machine that stalled for a second had its worker replaced just before
            late = service.predict({"do": "sleep"}, "/score")
        assert (late.status, late.json) == (500, {"message": "Scoring timeout after 1000 ms"})


def test_a_body_schema_is_checked_against_the_whole_body(tmp_path: Path) -> None:
    schema = {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "minItems": 1}}}
    root = make_root(tmp_path / "root", AZURE, contract="azure")
    document = json.loads((root / "opt/model/bundle.json").read_text())
    document["schema"] = {"request": schema, "response": None, "scope": "body"}
    (root / "opt/model/bundle.json").write_text(json.dumps(document))
    with running(root) as service:
        assert service.predict({"data": [1]}, "/score").json["got"] == {"data": [1]}
        refused = service.predict({"data": []}, "/score")
        assert refused.status == 400
        assert refused.json["faults"] == [
            {
                "field": "data",
                "value": [],
                "rule": "minItems",
                "message": '"data" must have at least 1 item, but has 0.',
            }
        ]


def test_what_the_author_prints_and_logs_carries_the_request(tmp_path: Path) -> None:
    script = (
        "import logging, os, sys, warnings\n"
        "def load(d):\n    print('loading it')\n"
        "def predict(m, records):\n"
        "    print('printed', end='')\n"
        "    print('to stderr', file=sys.stderr)\n"
        "    logging.getLogger('mine').info('logged %d', 7)\n"
        "    warnings.warn('warned')\n"
        "    os.write(1, b'past python\\n')\n"
        "    return [1 for _ in records]\n"
    )
    with running(make_root(tmp_path / "root", script)) as service:
        service.predict({"a": 1}, x_request_id="req-7")
        assert "request_id" not in service.find_log(message="loading it")
        assert service.find_log(message="printed", request_id="req-7")["logger"] == "stdout"
        assert service.find_log(message="to stderr", request_id="req-7")["level"] == "error"
        assert service.find_log(message="logged 7", request_id="req-7")["logger"] == "mine"
        service.find_log(message="warned", logger="py.warnings")
        service.find_log(message="past python", logger="output")
        line = service.find_log(logger="kiln.access", request_id="req-7")
        assert (line["status"], line["batch"], line["path"]) == (200, 1, "/predict")
        assert {"time", "level", "duration_ms", "queue_ms", "model_ms"} <= line.keys()


def test_a_bundle_may_pin_other_versions_of_what_the_server_uses(tmp_path: Path) -> None:
    script = (
        "import msgspec, sys\n"
        "def load(d):\n    import extra\n    return msgspec.__version__ + extra.word\n"
        "def predict(m, records):\n    return [[m, 'uvloop' in sys.modules] for _ in records]\n"
    )
    root = make_root(tmp_path / "root", script)
    packages = root / "opt/model/packages"
    (packages / "msgspec.py").write_text("__version__ = '0.0.1'\n")
    (packages / "more").mkdir()
    (packages / "more/extra.py").write_text("word = '!'\n")
    (packages / "extra.pth").write_text("more\n")
    with running(root) as service:
        assert service.predict({"a": 1}).json == {"predictions": [["0.0.1!", False]]}


def test_the_worker_does_not_see_the_servers_packages(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", "import msgspec\ndef load(d): ...\ndef predict(m, r): return r\n")
    ended = run_entry(root, "check")
    assert ended.returncode == 1
    assert "No module named 'msgspec'" in ended.stdout


def test_sources_beside_the_script_and_at_the_root_are_importable(tmp_path: Path) -> None:
    script = "import beside, above\ndef load(d): ...\ndef predict(m, r): return [beside.x + above.x for _ in r]\n"
    root = make_root(tmp_path / "root", script)
    (root / "opt/model/code/src/beside.py").write_text("x = 1\n")
    (root / "opt/model/code/above.py").write_text("x = 2\n")
    with running(root) as service:
        assert service.predict({}).json == {"predictions": [3]}
    assert not list((root / "opt/model/code").rglob("*.pyc"))


def test_a_sample_warms_the_model_up_before_it_is_ready(tmp_path: Path) -> None:
    script = (
        "import time\ncalls = []\n"
        "def load(d): ...\n"
        "def predict(m, records):\n    calls.extend(records)\n    return [len(calls) for _ in records]\n"
    )
    sample = {"content_type": "application/json", "body": '{"a": 1}'}
    with running(make_root(tmp_path / "root", script, sample=sample)) as service:
        assert service.predict({"a": 2}).json == {"predictions": [2]}
        service.find_log(message="model warmed up")


def test_async_code_is_awaited(tmp_path: Path) -> None:
    script = "async def load(d): return 3\nasync def predict(m, records): return [m for _ in records]\n"
    with running(make_root(tmp_path / "root", script)) as service:
        assert service.predict([{}, {}]).json == {"predictions": [3, 3]}


@pytest.mark.parametrize(
    ("answer", "logged"), [("[1, 2]", "2 predictions for 1 records"), ("{1}", "no form in JSON"), ("7", "answered int")]
)
def test_an_answer_that_is_not_one_prediction_for_each_record_is_a_500(
    tmp_path: Path, answer: str, logged: str
) -> None:
    root = make_root(tmp_path / "root", f"def load(d): ...\ndef predict(m, records): return {answer}\n")
    with running(root) as service:
        assert service.predict({}).status == 500
        service.find_log(logger="kiln.scoring", message=logged)


def test_thread_pools_are_sized_unless_the_container_says_otherwise(tmp_path: Path) -> None:
    script = "import os\ndef load(d): ...\ndef predict(m, r): return [os.environ[x['name']] for x in r]\n"
    root = make_root(tmp_path / "root", script, service={"workers": 1})
    with running(root, MKL_NUM_THREADS="7") as service:
        records = [{"name": "OMP_NUM_THREADS"}, {"name": "MKL_NUM_THREADS"}]
        assert service.predict(records).json == {"predictions": ["1", "7"]}


def test_check_loads_the_model_and_says_so(tmp_path: Path) -> None:
    ended = run_entry(make_root(tmp_path / "root"), "check")
    assert (ended.returncode, json.loads(ended.stdout)["message"]) == (0, "the model loads")


def test_check_fails_with_the_traceback_when_the_model_does_not_load(tmp_path: Path) -> None:
    ended = run_entry(make_root(tmp_path / "root", "1 / 0\n"), "check")
    assert ended.returncode == 1
    assert "ZeroDivisionError" in json.loads(ended.stdout)["exception"]


def test_a_foreign_command_is_executed_and_sees_the_bundles_packages(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    (root / "opt/model/packages/theirs.py").write_text("x = 5\n")
    ended = run_entry(root, sys.executable, "-c", "import theirs; print(theirs.x)")
    assert (ended.returncode, ended.stdout) == (0, "5\n")
    assert run_entry(root, "no-such-command").returncode == 127


def test_the_probe_asks_the_running_server(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    with running(root) as service:
        probe = [sys.executable, "-I", "-S", str(ENTRY.with_name("probe.py"))]
        environment = make_environment(root, PORT=str(service.port))
        for question in ("livez", "readyz"):
            assert subprocess.run([*probe, question], env=environment, capture_output=True, check=False).returncode == 0
            assert run_entry(root, "probe", question, PORT=str(service.port)).returncode == 0
        service.stop()
        assert subprocess.run([*probe, "livez"], env=environment, capture_output=True, check=False).returncode == 1
    assert run_entry(root, "probe", "nonsense").returncode == 2


def test_one_schema_gives_the_same_answer_on_both_routes(tmp_path: Path) -> None:
    with running(make_root(tmp_path / "root", schema=NUMBER_SCHEMA)) as service:
        first, second = (service.predict({"a": "x"}, path) for path in ("/score", "/predict"))
        assert (first.status, first.body) == (second.status, second.body)

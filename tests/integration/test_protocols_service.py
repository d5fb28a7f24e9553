"""Every route of a running service: the same records, the same predictions; refusals in each platform's words."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime_service import Answer, Service, make_root, running, wait_for

from tests.support.environments import FrameworkEnvironment, make_environment
from tests.support.records import RECORDS, RESPONSE, SCHEMA, to_columns, to_csv, to_json, to_tensors
from tests.support.routes import Case, make_cases, read_csv

SCRIPT = """
def load(model_dir):
    return 2

def predict(model, records):
    return [{"label": record["plan"] + record.get("note", ""), "score": record["income"] * model} for record in records]
"""
PREDICTIONS = [{"label": each["plan"] + each["note"], "score": each["income"] * 2} for each in RECORDS]
SAMPLE = {"content_type": "application/json", "body": json.dumps(RECORDS[0])}
CASES = list(make_cases(RECORDS, names=list(SCHEMA["properties"]), model="double", version="1.2.3"))
WRITE = """
import json, sys
import pyarrow, pyarrow.parquet
columns = json.loads(sys.argv[2])
pyarrow.parquet.write_table(pyarrow.table(columns), sys.argv[1], compression=sys.argv[3], use_dictionary=True)
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("protocols") / "root"
    make_root(root, SCRIPT, schema=SCHEMA, sample=SAMPLE)
    path = root / "opt/model/bundle.json"
    document = json.loads(path.read_text())
    document["schema"]["response"] = RESPONSE
    path.write_text(json.dumps(document))
    with running(root) as started:
        yield started


def ask(service: Service, case: Case) -> Answer:
    return send(service, case.path, case.body, dict(case.headers))


def send(service: Service, path: str, body: bytes, headers: dict[str, str], method: str = "POST") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=found, body=response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_records_give_the_same_predictions(service: Service, case: Case) -> None:
    answer = ask(service, case)
    assert answer.status == 200, answer.body
    assert case.read(answer.body, answer.headers) == PREDICTIONS


def test_an_answer_in_csv_has_a_row_for_each_record(service: Service) -> None:
    answer = send(service, "/invocations", to_json(RECORDS), {"accept": "text/csv"})
    assert read_csv(answer.body) == [[each["label"], str(each["score"])] for each in PREDICTIONS]


@pytest.mark.parametrize(
    ("path", "headers", "keys"),
    [
        ("/predict", {}, set()),
        ("/invocations", {}, {"error_code"}),
        ("/v1/models/double:predict", {}, set()),
        ("/v2/models/double/infer", {}, set()),
        ("/v1/endpoints/1/deployedModels/2:predict", {}, set()),
    ],
)
def test_a_body_over_the_limit_is_refused_in_the_words_of_its_route(
    service: Service, path: str, headers: dict[str, str], keys: set[str]
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.putrequest("POST", path)
    connection.putheader("content-length", str(50 << 20))
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert response.status == 413
    assert answer["error"].endswith("the limit is 100000")
    assert set(answer) >= keys | {"error", "message"}


@pytest.mark.parametrize(("path", "kind", "body"), [
    ("/predict", "application/json", to_json(RECORDS)),
    ("/invocations", "text/csv", to_csv(RECORDS, names=list(SCHEMA["properties"]), header=True)),
    ("/v2/models/double/infer", "application/json", to_json(to_tensors(RECORDS))),
])  # fmt: skip
def test_a_body_may_come_compressed(service: Service, path: str, kind: str, body: bytes) -> None:
    headers = {"content-type": kind, "content-encoding": "gzip"}
    assert send(service, path, gzip.compress(body), headers).status == 200
    assert send(service, path, gzip.compress(b"0" * 200_000), headers).status == 413
    assert send(service, path, gzip.compress(body), headers | {"content-encoding": "br"}).status == 415
    assert send(service, path, b"nonsense", headers).status == 400


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/models/double/nothing", "/nothing", "/v2/models/other"])
def test_what_is_not_there_is_a_404_everywhere(service: Service, path: str) -> None:
    answer = service.get(path)
    assert (answer.status, answer.json["error"]) == (404, answer.json["message"])


def test_every_route_answers_what_it_says_and_refuses_other_methods(service: Service) -> None:
    document = service.get("/openapi.json").json
    fill = {"{model}": "double", "{version}": "1.2.3", "{endpoint}": "1", "{deployed}": "2"}
    for pattern, item in document["paths"].items():
        path = pattern
        for name, value in fill.items():
            path = path.replace(name, value)
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            answer = send(service, path, b"{}" if method == "POST" else b"", {}, method)
            if method.lower() in item:
                assert str(answer.status) in item[method.lower()]["responses"], (method, path)
            else:
                assert answer.status == 405, (method, path)
                assert answer.headers["allow"] == ", ".join(sorted(name.upper() for name in item)), path


def test_the_examples_of_the_document_are_accepted(service: Service) -> None:
    document = service.get("/openapi.json").json
    tried = 0
    for pattern, item in document["paths"].items():
        content = item.get("post", {}).get("requestBody", {}).get("content", {})
        path = pattern.replace("{model}", "double").replace("{version}", "1.2.3").replace("{", "").replace("}", "")
        for kind, media in content.items():
            if "example" in media:
                answer = send(service, path, to_json(media["example"]), {"content-type": kind})
                assert answer.status == 200, (path, answer.body)
                tried += 1
    assert tried >= 7


def test_routes_are_counted_by_their_pattern_and_probes_are_not_logged(service: Service) -> None:
    for path in ("/ping", "/v2/health/ready", "/v1/models/double", "/v2/models/double/ready"):
        assert service.get(path).status == 200
    send(service, "/v1/models/double:predict", to_json({"instances": RECORDS}), {})
    assert service.metric('kiln_requests_total{route="/v1/models/{model}:predict",code="200"}') > 0
    logged = {line["path"] for line in service.log() if line["logger"] == "kiln.access"}
    assert "/ping" not in logged
    assert "/v1/models/double" not in logged


def test_a_sample_in_csv_warms_the_model_up(tmp_path: Path) -> None:
    sample = {"content_type": "text/csv", "body": "41,1.5,free,true,x\n"}
    with running(make_root(tmp_path / "root", SCRIPT, schema=SCHEMA, sample=sample)) as service:
        service.find_log(message="model warmed up")
        assert not [line for line in service.log() if line["level"] == "warning"]
        metadata = service.get("/v2/models/double").json
    assert [each["name"] for each in metadata["outputs"]] == ["label", "score"]


def test_before_the_model_is_loaded_readiness_is_503_on_every_platforms_route(tmp_path: Path) -> None:
    slow = "import time\ndef load(model_dir):\n    time.sleep(60)\ndef predict(model, records):\n    return records\n"
    root = make_root(tmp_path / "root", slow)
    with running(root, ready=False, AIP_HEALTH_ROUTE="/vertex/health") as service:
        wait_for_port(service)
        for path in ("/readyz", "/ping", "/health", "/v2/health/ready", "/v2/models/double/ready", "/v1/models/double",
                     "/v1/endpoints/1/deployedModels/2", "/vertex/health"):  # fmt: skip
            assert service.get(path).status == 503, path
        for path in ("/livez", "/v2/health/live", "/"):
            assert service.get(path).status == 200, path


def wait_for_port(service: Service) -> None:
    wait_for(lambda: service.get("/livez").status == 200, 10, service.read_log)


def test_the_platforms_variables_name_paths(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", SCRIPT, schema=SCHEMA)
    with running(root, AIP_HEALTH_ROUTE="/well", AIP_PREDICT_ROUTE="/ask", MODEL_NAME="other") as service:
        assert service.get("/well").status == 200
        answer = send(service, "/ask", to_json({"instances": RECORDS}), {})
        assert (answer.status, answer.json["predictions"]) == (200, PREDICTIONS)
        answer = send(service, "/v2/models/other/infer", to_json(to_tensors(RECORDS)), {})
        assert (answer.status, answer.json["model_name"]) == (200, "other")


@pytest.fixture(scope="module")
def pyarrow(kiln_home: Path) -> FrameworkEnvironment:
    return make_environment(kiln_home, "pyarrow==21.*")


@pytest.mark.package_index
@pytest.mark.parametrize("compression", ["snappy", "zstd", "none"])
def test_parquet_is_read_with_the_bundles_own_pyarrow(
    pyarrow: FrameworkEnvironment, tmp_path: Path, compression: str
) -> None:
    with serving_parquet(pyarrow, tmp_path) as service:
        body = write_parquet(pyarrow, tmp_path, to_columns(RECORDS), compression)
        answer = send(service, "/invocations", body, {"content-type": "application/vnd.apache.parquet"})
        assert (answer.status, answer.json) == (200, {"predictions": PREDICTIONS})


@pytest.mark.package_index
def test_parquet_that_is_wrong_is_refused_and_the_service_lives_on(
    pyarrow: FrameworkEnvironment, tmp_path: Path
) -> None:
    kind = {"content-type": "application/x-parquet"}
    with serving_parquet(pyarrow, tmp_path) as service:
        answer = send(service, "/invocations", b"PAR1 is not enough", kind)
        assert (answer.status, answer.json["faults"][0]["rule"]) == (400, "parquet")
        columns: dict[str, list[Any]] = {"age": [1, -1], "income": [1.5, 2.5], "plan": ["free", "gold"]}
        answer = send(service, "/invocations", write_parquet(pyarrow, tmp_path, columns), kind)
        assert [(each["field"], each["rule"]) for each in answer.json["faults"]] == [
            ("rows[1].age", "minimum"), ("rows[1].plan", "enum"),
        ]  # fmt: skip
        bomb = write_parquet(pyarrow, tmp_path, {"age": [1] * 200_000})
        assert len(bomb) < 10_000
        answer = send(service, "/invocations", bomb, kind)
        assert (answer.status, "200000 values; the limit is 100000" in answer.json["error"]) == (413, True)
        missing: dict[str, list[Any]] = {"age": [1], "income": [2.5], "plan": ["free"], "vip": [None], "note": [None]}
        answer = send(service, "/invocations", write_parquet(pyarrow, tmp_path, missing), kind)
        assert answer.json == {"predictions": [{"label": "free", "score": 5.0}]}
        assert service.get("/readyz").status == 200


def test_without_pyarrow_parquet_is_a_content_type_that_is_not_read(service: Service) -> None:
    answer = send(service, "/invocations", b"PAR1", {"content-type": "application/vnd.apache.parquet"})
    assert (answer.status, "own pyarrow" in answer.json["message"]) == (415, True)


def serving_parquet(pyarrow: FrameworkEnvironment, tmp_path: Path) -> Any:
    root = make_root(tmp_path / "root", SCRIPT, schema=SCHEMA)
    packages = root / "opt/model/packages"
    packages.rmdir()
    packages.symlink_to(pyarrow.packages)
    return running(root)


def write_parquet(
    pyarrow: FrameworkEnvironment, tmp_path: Path, columns: dict[str, list[Any]], compression: str = "snappy"
) -> bytes:
    path = tmp_path / "table.parquet"
    code = WRITE.replace("json.loads(sys.argv[2])", "json.loads(open(sys.argv[2]).read())")
    (tmp_path / "columns.json").write_text(json.dumps(columns))
    pyarrow.run(code, path, tmp_path / "columns.json", compression)
    return path.read_bytes()

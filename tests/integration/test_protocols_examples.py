"""The examples' images, run as they are: the same records give the same predictions by every route and encoding."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.bundle.parser import load_bundle
from builder.engine.namespaces import NamespaceRunner
from builder.engine.runner import Answer, Instance, RunOptions
from builder.store.blobs import BlobStore
from builder.store.images import read_layout
from tests.integration.runtime_service import wait_for
from tests.support.kiln import Kiln, copy_example
from tests.support.records import to_json
from tests.support.routes import VERTEX, Case, make_cases

pytestmark = [pytest.mark.namespaces, pytest.mark.package_index]
MANY = 16


class Running:
    """One example's image, running."""

    def __init__(self, bundle: Path, instance: Instance) -> None:
        self.bundle = load_bundle(bundle)
        self.folder = bundle
        self._instance = instance

    def ask(self, path: str, body: bytes, method: str = "POST", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._instance.request(method, path, body=body or None, headers=named, timeout=30)

    def is_ready(self) -> bool:
        try:
            return self.ask("/readyz", b"", "GET").status == 200
        except ConnectionError:
            return False

    def logs(self) -> str:
        return self._instance.logs(50)

    def sample(self, name: str) -> Any:
        return json.loads((self.folder / "samples" / name).read_text())


@pytest.fixture(scope="module")
def examples(kiln: Kiln, kiln_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """Build the three examples and start their images."""
    runner = NamespaceRunner(BlobStore(kiln_home / "store"))
    found: dict[str, Running] = {}
    started: list[Instance] = []
    try:
        for name in ("churn", "fraud", "triage"):
            folder = copy_example(name, tmp_path_factory.mktemp("bundles") / name)
            kiln("build", folder)
            bundle = load_bundle(folder)
            image = read_layout(folder / "build" / "layout", bundle.environment.platforms[0])
            options = RunOptions(memory=bundle.resources.memory, cpu=bundle.resources.cpu, uid=10001)
            started.append(runner.start(image, options))
            found[name] = Running(folder, started[-1])
        for running in found.values():
            wait_for(running.is_ready, 60, running.logs)
        yield found
    finally:
        for instance in started:
            instance.remove()


def make_records(schema: Any, seed: int) -> list[dict[str, Any]]:
    """Return valid records, at random but the same ones each time."""
    source = random.Random(seed)
    return [{name: make_value(part, source) for name, part in schema["properties"].items()} for _ in range(MANY)]


def make_value(part: Any, source: random.Random) -> Any:
    if "enum" in part:
        return source.choice(part["enum"])
    match part["type"]:
        case "integer":
            return source.randint(part.get("minimum", 0), part.get("maximum", 100))
        case "number":
            low, high = part.get("minimum", part.get("exclusiveMinimum", 0)), part.get("maximum", 500)
            return round(source.uniform(low + 0.01, high), source.randint(0, 3)) or 1.0
        case _:
            return source.random() < 0.5


def assert_close(found: Any, expected: Any, case: Case) -> None:
    assert len(found) == len(expected), case.name
    for mine, theirs in zip(found, expected, strict=True):
        if isinstance(theirs, dict):
            assert mine.keys() == theirs.keys(), case.name
            pairs = [(mine[name], theirs[name]) for name in theirs]
        else:
            pairs = [(mine, theirs)]
        for one, other in pairs:
            close = pytest.approx(other, rel=1e-6) if isinstance(other, float) else other
            assert one == close, case.name


@pytest.mark.parametrize("name", ["churn", "fraud"])
def test_every_route_and_encoding_gives_the_same_predictions(examples: dict[str, Running], name: str) -> None:
    running = examples[name]
    schema = running.bundle.schemas.request
    assert schema is not None
    records = make_records(schema, seed=3)
    expected = json.loads(running.ask("/predict", to_json({"records": records})).body)["predictions"]
    assert len({json.dumps(each) for each in expected}) > 1
    tried = 0
    names = list(schema["properties"])
    for case in make_cases(records, names=names, model=name, version=running.bundle.version):
        answer = running.ask(case.path, case.body, **case.headers)
        assert answer.status == 200, (case.name, answer.body)
        assert_close(case.read(answer.body, answer.headers), expected, case)
        tried += 1
    assert tried > 25
    alone = [json.loads(running.ask("/predict", to_json(record)).body)["predictions"][0] for record in records]
    assert_close(alone, expected, Case("one by one", "/predict", b""))


def test_a_script_that_reads_requests_itself_answers_the_same_wherever_it_is_asked(
    examples: dict[str, Running],
) -> None:
    running = examples["triage"]
    body = to_json(running.sample("morning.json"))
    answers = [
        running.ask(path, body, content_type="application/json")
        for path in ("/score", "/predict", "/invocations", VERTEX)
    ]
    assert [answer.status for answer in answers] == [200] * 4
    assert len({answer.body for answer in answers}) == 1
    for path in ("/v1/models/triage:predict", "/v2/models/triage/infer"):
        answer = running.ask(path, body, content_type="application/json")
        assert (answer.status, "/score" in json.loads(answer.body)["error"]) == (501, True)


@pytest.mark.parametrize("name", ["churn", "fraud", "triage"])
def test_the_documents_describe_the_example(examples: dict[str, Running], name: str) -> None:
    running = examples[name]
    document = json.loads(running.ask("/openapi.json", b"", "GET").body)
    assert (document["info"]["title"], document["info"]["version"]) == (name, running.bundle.version)
    for path in ("/swagger.json", "/swagger.json?version=3", "/swagger.json?version=3.1"):
        assert "/score" in json.loads(running.ask(path, b"", "GET").body)["paths"]
    for path, item in document["paths"].items():
        for media in item.get("post", {}).get("requestBody", {}).get("content", {}).values():
            if "example" in media:
                target = path.replace("{model}", name).replace("{version}", running.bundle.version)
                target = target.replace("{endpoint}", "1").replace("{deployed}", "2")
                answer = running.ask(target, to_json(media["example"]), content_type="application/json")
                assert answer.status in {200, 501}, (path, answer.body)


@pytest.mark.parametrize("name", ["churn", "fraud"])
def test_bad_input_is_refused_by_field_on_every_route(examples: dict[str, Running], name: str) -> None:
    running = examples[name]
    schema = running.bundle.schemas.request
    assert schema is not None
    records = make_records(schema, seed=5)
    field = next(part for part in schema["properties"] if schema["properties"][part].get("type") == "number")
    records[3][field] = -1.0
    names = list(schema["properties"])
    for case in make_cases(records, names=names, model=name, version=running.bundle.version):
        answer = running.ask(case.path, case.body, **case.headers)
        told = json.loads(answer.body)
        assert answer.status == 400, (case.name, answer.body)
        (fault,) = told["faults"]
        assert fault["field"].endswith(f"[3].{field}"), (case.name, fault)
        assert (fault["value"], fault["rule"] in {"minimum", "exclusiveMinimum"}) == (-1.0, True), case.name
        assert told["error"] == told["message"] == fault["message"]

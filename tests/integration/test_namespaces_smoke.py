"""Smoke tests of whole images in the embedded runner: one that works, and every way one can fail to."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import namespaces_image as tiny
import pytest

from builder.bundle.model import (
    Bundle,
    Contract,
    Environment,
    Expectation,
    Framework,
    Model,
    Resources,
    Scoring,
    Service,
    SmokeTest,
)
from builder.engine.namespaces import NamespaceRunner
from builder.host.removal import remove_tree
from builder.oci.image import Layer
from builder.oci.media_type import ManifestFormat
from builder.oci.platform import Platform
from builder.smoke.report import SmokeReport, failure
from builder.smoke.run import run_smoke
from builder.store.blobs import BlobStore

pytestmark = pytest.mark.namespaces


@pytest.fixture(scope="module")
def store() -> Iterator[BlobStore]:
    root = Path(tempfile.mkdtemp(prefix="kiln-smoke-"))
    yield BlobStore(root)
    remove_tree(root)


@pytest.fixture(scope="module")
def python(store: BlobStore) -> Layer:
    return tiny.python_layer(store)


def bundle_of(*tests: SmokeTest, memory: int = 128 << 20, **service: Any) -> Bundle:
    return Bundle(
        root=Path("/nowhere"),
        name="adder",
        version="1.0.0",
        model=Model(path="model.bin", framework=Framework.CUSTOM),
        scoring=Scoring(contract=Contract.PREDICT, script="score.py"),
        environment=Environment(
            python="3.11", requirements=(), base="debian12-python3.11", platforms=(Platform.parse("linux/amd64"),)
        ),
        smoke=tests,
        resources=Resources(memory=memory),
        service=Service(**{"startup_timeout": 20.0, "shutdown_grace": 3.0, "request_timeout": 5.0} | service),
    )


def case(name: str, request: bytes, **expect: Any) -> SmokeTest:
    return SmokeTest(
        name=name,
        request=request,
        content_type="application/json",
        path="/predict",
        expect=Expectation(**{"status": 200} | expect),
    )


def smoke(store: BlobStore, python: Layer, bundle: Bundle, program: str = tiny.SERVICE) -> SmokeReport:
    image = tiny.image_of(python, store, program)
    digests = {dialect: image.manifest(dialect).descriptor.digest for dialect in ManifestFormat}
    return run_smoke(
        bundle, image, NamespaceRunner(store), reference="adder:1.0.0", manifest_digests=digests, clock=lambda: 1000.0
    )


def test_a_good_image_passes_everything_and_the_report_names_its_digests(store: BlobStore, python: Layer) -> None:
    bundle = bundle_of(
        case("adds", b'{"a": 1.5, "b": 2}', has_body=True, body={"predictions": [3.5000001]}, rtol=1e-6),
        case("first is three", b'{"a": 3}', subset={"$.predictions[0]": 3}, time_limit=5.0),
        case("refuses words", b"word", status=400, error="is not JSON"),
    )
    report = smoke(store, python, bundle)
    assert report.failures == ()
    assert report.passed
    assert report.logs == ""
    assert report.exit is not None
    assert report.exit.code == 0
    assert len(report.tests) == 8 + 3
    suite = ET.fromstring(report.to_junit()).find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "0"
    facts = {item.get("name"): item.get("value") for item in suite.iter("property")}
    assert facts["image_id"] == str(report.image_id)
    assert facts["manifest_digest.docker"] == str(report.manifest_digests[ManifestFormat.DOCKER])


def test_a_wrong_answer_is_shown_beside_what_was_wanted(store: BlobStore, python: Layer) -> None:
    bundle = bundle_of(case("adds", b'{"a": 1, "b": 2}', has_body=True, body={"predictions": [4]}))
    report = smoke(store, python, bundle)
    assert [test.name for test in report.failures] == ["adds"]
    error = failure(report)
    assert error.exit_code == 12
    assert "$.predictions[0]" in error.faults[0].fact
    assert (error.faults[0].want, error.faults[0].got) == ("4 within 4.001e-06", "3, off by 1")
    assert "POST /predict" in report.logs


def test_a_container_that_dies_at_start_is_reported_with_code_and_last_lines(store: BlobStore, python: Layer) -> None:
    program = "import sys\nprint('the model file is damaged')\nsys.exit(7)"
    report = smoke(store, python, bundle_of(case("adds", b"{}")), program)
    assert [test.name for test in report.tests] == ["becomes ready"]
    assert report.tests[0].differences[0].got == "it ended with exit code 7"
    assert "adds" in report.not_run
    assert report.logs == "the model file is damaged"
    assert report.exit is not None
    assert report.exit.code == 7
    assert "  | the model file is damaged" in report.to_table()


def test_an_image_that_never_gets_ready_is_given_up_after_its_limit(store: BlobStore, python: Layer) -> None:
    program = "import time\nprint('still loading', flush=True)\ntime.sleep(60)"
    report = smoke(store, python, bundle_of(startup_timeout=1.0), program)
    (test,) = report.tests
    assert test.differences[0].want == "ready within 1 s (service.startup_timeout)"
    assert 0.5 < test.seconds < 10
    assert report.logs == "still loading"


def test_an_image_that_says_it_failed_is_not_waited_for(store: BlobStore, python: Layer) -> None:
    program = tiny.SERVICE.replace('"ready"}', '"failed"}').replace("200 if self.path in known", "503 if 1")
    report = smoke(store, python, bundle_of(startup_timeout=60.0), program)
    (test,) = report.tests
    assert test.seconds < 20
    assert '503: {"status": "failed"}' in test.differences[0].got


def test_a_container_killed_for_memory_is_told_so_and_how_to_help(store: BlobStore, python: Layer) -> None:
    program = "import time\nhog = [bytearray(8 << 20) for _ in range(100)]\ntime.sleep(60)"
    report = smoke(store, python, bundle_of(memory=64 << 20), program)
    assert report.exit is not None
    assert report.exit.was_killed_for_memory
    assert "want of memory" in report.tests[0].differences[0].got
    assert failure(report).hint == "raise resources.memory in bundle.yaml, or make the model smaller"


def test_a_crash_on_a_request_ends_the_run_and_names_the_request(store: BlobStore, python: Layer) -> None:
    program = tiny.SERVICE.replace("sum(records.values())", "os._exit(9)")
    bundle = bundle_of(case("adds", b'{"a": 1}'), case("adds again", b'{"a": 1}'))
    report = smoke(store, python, bundle, program)
    assert report.failures[-1].name == "adds"
    assert report.failures[-1].differences[0].got == "it ended with exit code 9"
    assert "adds again" in report.not_run


def test_an_image_that_ignores_sigterm_fails(store: BlobStore, python: Layer) -> None:
    program = tiny.SERVICE.replace("lambda *_: os._exit(0)", "signal.SIG_IGN")
    report = smoke(store, python, bundle_of(shutdown_grace=0.3), program)
    (test,) = report.failures
    assert test.name == "ends on SIGTERM within its grace period"
    assert test.differences[0].want == "0 within 0.3 s of SIGTERM"
    assert test.differences[0].got.startswith("killed after 0.3")


def test_an_unhelpful_refusal_fails(store: BlobStore, python: Layer) -> None:
    program = tiny.SERVICE.replace('{"error": message, "faults": [{"message": message}]}', '{"error": "bad"}')
    report = smoke(store, python, bundle_of(), program)
    assert [test.name for test in report.failures] == ["refuses a malformed body"]


def test_an_image_that_was_prepared_is_not_unpacked_again(store: BlobStore, python: Layer) -> None:
    image = tiny.image_of(python, store, tiny.SERVICE + "\n# prepared")
    prepared: list[str] = []
    unpacked: list[str] = []
    runner = NamespaceRunner(store, progress=unpacked.append)
    runner.prepare(image, progress=prepared.append)
    digests = {dialect: image.manifest(dialect).descriptor.digest for dialect in ManifestFormat}
    assert run_smoke(bundle_of(), image, runner, reference="adder:1.0.0", manifest_digests=digests).passed
    assert len(prepared) == len(image.layers)
    assert unpacked == []

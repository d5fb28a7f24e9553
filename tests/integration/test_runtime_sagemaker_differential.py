"""sagemaker-inference's own transformer beside our service: the same script, the same requests.

Whatever differs on purpose is an entry of :data:`DIFFERENCES`, told in docs/reference/sagemaker-compatibility.md.
"""

from __future__ import annotations

import base64
import contextlib
import json
import pickle
import re
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from runtime_service import Service, make_root, running

from tests.support.azure_oracle import Environment, environments, make_environment

__all__ = ["environments"]

pytestmark = pytest.mark.package_index

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests/fixtures/sagemaker_scripts"
PAGE = ROOT / "docs/reference/sagemaker-compatibility.md"
REQUIREMENTS = ("sagemaker-inference==1.10.1", "numpy", "scipy", "setuptools<81")
DIFFERENCES = {
    "failures": "no traceback is sent; the body is JSON",
    "bad-body": "a body that the default input_fn cannot read is 400",
    "media-type": "a content type that is not read is 415, one that is not written 406",
    "type-parameters": "parameters of a content type do not matter to the defaults",
    "accept-list": "weights in Accept do not matter to the default output_fn, and */* in a list is JSON",
    "no-type": "a body without a content type is JSON to the default input_fn",
    "pickled-arrays": "NPY with pickled objects is refused",
}
JSON, CSV, NPY, NPZ = "application/json", "text/csv", "application/x-npy", "application/x-npz"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request. ``differs`` names the known difference it must show."""

    script: str
    name: str
    body: bytes
    content_type: str | None = JSON
    accept: str | None = None
    differs: str = ""


def npy(kind: str, shape: tuple[int, ...], data: bytes) -> bytes:
    """Return an array in version 1.0 of numpy's format."""
    text = repr({"descr": kind, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def cases() -> Iterator[Case]:
    """Yield every case."""

    def defaults(name: str, body: bytes, content_type: str | None = JSON, **more: str) -> Case:
        return Case(script="defaults", name=name, body=body, content_type=content_type, **more)

    rows = b"[[1, 2], [3, 4.5]]"
    for accept in (None, "*/*", JSON, CSV, NPY, f"{CSV}, {JSON}", f"{CSV},{NPY}", f"text/html, {JSON}"):
        yield defaults(f"accept {accept}", rows, accept=accept or "")
    for accept in ("text/html", "image/png, text/html", NPZ):
        yield defaults(f"accept {accept}", rows, accept=accept, differs="media-type")
    for accept in (f"{CSV};q=0.5", "text/html, */*", "application/*", "TEXT/CSV"):
        yield defaults(f"accept {accept}", rows, accept=accept, differs="accept-list")
    for body in (b"3", b"[]", b"[1, 2]", b'["a", "b"]', b'{"a": 1}', b"null", b"[1, null]", b"true", b"[[]]", b"[NaN]"):
        yield defaults(f"json {body!r}", body)
    for body in (b"1,2\n3,4", b"1.5,2\n", b"1", b"1,a\n2,b", b"1,,3", b"\n1,2\n\n3,4\n", b"# 1\n2", b"1,2\r\n3,4"):
        yield defaults(f"csv {body!r}", body, CSV)
        differs = "failures" if body in {b"1", b"# 1\n2"} else ""  # numpy.savetxt refuses a single number
        yield defaults(f"csv as csv {body!r}", body, CSV, accept=CSV, differs=differs)
    arrays = {
        "two": npy("<i8", (2,), struct.pack("<2q", 1, 2)),
        "a table": npy("<f8", (1, 1), struct.pack("<d", 1.5)),
        "one": npy("<i4", (), struct.pack("<i", 3)),
        "none": npy("<f8", (0,), b""),
        "text": npy("<U1", (1,), b"a\0\0\0"),
        "truth": npy("|b1", (1,), b"\1"),
    }
    for name, body in arrays.items():
        yield defaults(f"npy {name}", body, NPY, accept=NPY)
        yield defaults(f"npy as json {name}", body, NPY)
    yield defaults("npy objects", npy("|O", (1,), pickle.dumps([1])), NPY, differs="pickled-arrays")
    for body in (b"", b"{", b"[[1], [1, 2]]", b"\xff", b"1 2"):
        yield defaults(f"bad json {body!r}", body, differs="bad-body")
    yield defaults("bad csv", b"1,2\n3", CSV, differs="bad-body")
    yield defaults("bad npy", b"nonsense", NPY, differs="bad-body")
    for kind in ("text/plain", "application/octet-stream", "nonsense", "application/jsonlines"):
        yield defaults(f"type {kind}", b"1", kind, differs="media-type")
    for kind in ("application/json; charset=utf-8", "text/csv; header=absent", "Application/JSON"):
        yield defaults(f"type {kind}", b"1", kind, differs="type-parameters")
    yield defaults("no type", b"[1]", None, differs="no-type")

    def whole(name: str, body: bytes, content_type: str | None = JSON, **more: str) -> Case:
        return Case(script="whole", name=name, body=body, content_type=content_type, **more)

    for body in (b"[1]", b'"status"', b"null", '"é"'.encode()):
        yield whole(f"json {body!r}", body)
    for accept in (
        "text/plain",
        "application/x-bytes",
        "application/x-list",
        "image/png",
        f"{CSV}, {JSON};q=0.2",
        "*/*",
    ):
        yield whole(f"accept {accept}", b"[1]", accept=accept)
    for kind in (CSV, "application/octet-stream", "image/png", "application/json; charset=utf-8", "text/plain"):
        yield whole(f"type {kind}", "1,é\n2,b".encode(), kind)
    yield whole("binary", bytes(range(256)), "image/png")
    yield whole("a failure", b'"fail"', differs="failures")
    yield whole("bad json", b"{", differs="failures")

    def transform(name: str, body: bytes, content_type: str | None = JSON, **more: str) -> Case:
        return Case(script="transform", name=name, body=body, content_type=content_type, **more)

    for accept in ("", CSV, NPY):
        yield transform(f"accept {accept}", b"[[1, 2]]", accept=accept)
    for kind in (CSV, "text/plain", "image/png"):
        yield transform(f"type {kind}", b"1,2", kind)
    yield transform("a status", b"refuse", CSV, differs="failures")
    yield transform("a general error", b"generic", CSV, differs="failures")


class Transformer:
    """sagemaker-inference in a process of its own."""

    def __init__(self, environment: Environment, script: Path, model_dir: Path) -> None:
        self._model_dir = str(model_dir)
        self._process = subprocess.Popen(
            [environment.python, ROOT / "tests/support/sagemaker_asker.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"SAGEMAKER_PROGRAM": script.name, "PYTHONPATH": str(script.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def ask(self, case: Case) -> tuple[int, str | None, bytes]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        headers = {"Content-Type": case.content_type, "Accept": case.accept}
        given = [(name, value) for name, value in headers.items() if value]
        asked = {"model_dir": self._model_dir, "headers": given, "body": base64.b64encode(case.body).decode()}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["status"], answer["content_type"], base64.b64decode(answer["body"])

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class Pairs:
    """The transformer and the service of one script at a time."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._running = ""
        self._pair: tuple[Transformer, Service]

    def start(self, script: str) -> tuple[Transformer, Service]:
        if script != self._running:
            self.stop()
            root = make_sagemaker_root(self._folder / script, (SCRIPTS / f"{script}.py").read_text())
            self._environment.lend(root / "opt/model/packages", ("numpy", "scipy"))
            theirs = Transformer(self._environment, SCRIPTS / f"{script}.py", root / "opt/model/model")
            self._stack.callback(theirs.close)
            self._pair = theirs, self._stack.enter_context(running(root))
            self._running = script
        return self._pair

    def stop(self) -> None:
        self._running = ""
        self._stack.close()


def make_sagemaker_root(folder: Path, script: str) -> Path:
    root = make_root(folder, script, contract="sagemaker", service={"max_body": 1 << 20})
    (root / "opt/model/model/m.json").write_text("{}")
    return root


@pytest.fixture(scope="module")
def pairs(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairs]:
    environment = make_environment(environments / "sagemaker", REQUIREMENTS)
    pairs = Pairs(environment, tmp_path_factory.mktemp("pairs"))
    yield pairs
    pairs.stop()


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.script}: {case.name}") for case in cases()])
def test_a_request_is_answered_as_sagemaker_inference_answers_it(pairs: Pairs, case: Case) -> None:
    transformer, service = pairs.start(case.script)
    headers = {"content_type": case.content_type, "accept": case.accept}
    answer = service.request(
        "POST", "/invocations", case.body, **{name: value for name, value in headers.items() if value}
    )
    ours = answer.status, answer.headers.get("content-type"), answer.body
    theirs = transformer.ask(case)
    if case.differs:
        assert ours != theirs, f"nothing differs, so {case.differs!r} is not shown here"
        assert ours[0] == {"media-type": 406 if case.accept else 415, "bad-body": 400}.get(case.differs, ours[0])
    else:
        assert ours == theirs


def test_every_known_difference_is_in_the_reference() -> None:
    told = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    assert told == list(DIFFERENCES)


def test_every_known_difference_is_shown_by_a_request() -> None:
    assert {case.differs for case in cases()} - {""} == set(DIFFERENCES)

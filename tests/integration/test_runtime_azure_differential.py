"""Azure ML's own server beside ours: the same script, the same requests; status, body and headers are compared.

Whatever differs on purpose is an entry of :data:`DIFFERENCES`, told in docs/reference/azure-compatibility.md.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from runtime_service import make_root, running

from tests.support.azure_corpus import Case, cases
from tests.support.azure_oracle import (
    FLASK_PACKAGES,
    SCHEMA_PACKAGES,
    Environment,
    azure_environment,
    environments,
    serving,
)

__all__ = ["azure_environment", "environments"]

pytestmark = pytest.mark.package_index

SCRIPTS = Path(__file__).resolve().parents[1] / "fixtures/azure_scripts"
PAGE = Path(__file__).resolve().parents[2] / "docs/reference/azure-compatibility.md"
DIFFERENCES = {
    "server-version": "x-ms-server-version names this server",
    "headers-of-the-connection": "Date, Server, Connection and how a body is framed",
    "form-bodies": "an undecorated run gets the body of a form, not empty text",
    "method-names-routes": "405 says which methods there are",
    "unknown-methods": "a method that HTTP does not know is 400",
    "root": "GET / is JSON",
    "no-route": "404 says which path",
    "malformed-requests": "a target that is not ASCII is refused in JSON",
    "request-id": "every answer has one x-request-id, the client's own if it is fit for a log",
    "encoded-paths": "a path is compared as it was sent",
    "swagger": "one document for every version",
    "streams": "a streamed response is collected",
}
CONNECTION = {"date", "server", "connection", "keep-alive", "transfer-encoding"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
VARIABLES = {"SCORING_TIMEOUT_MS": "1500"}
SPECIAL = {
    "any": {"AML_CORS_ORIGINS": "*"},
    "one": {"AML_CORS_ORIGINS": "https://page.example"},
    "some": {"AML_CORS_ORIGINS": r"https://page.example, https://b.example ,https://.*\.wild\.example"},
}
"""What to set for Azure ML's server and ours, by what follows the plus sign."""


@dataclass(frozen=True)
class Seen:
    """A response, without what must differ."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def ask(port: int, case: Case) -> Seen:
    """Send the request as it is, with nothing added but Host and the length."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        target = case.path.encode("utf-8").decode("latin-1")
        connection._encode_request = lambda request: request.encode("latin-1")  # type: ignore[method-assign]
        connection.putrequest(case.method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", "score.example:80")
        for name, value in case.headers:
            connection.putheader(name, value.encode("latin-1"))
        if case.body is not None:
            connection.putheader("Content-Length", str(len(case.body)))
        elif case.chunks or "chunk" in case.name:
            connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        if case.body is not None:
            connection.send(case.body)
        elif case.chunks or "chunk" in case.name:
            for chunk in case.chunks:
                connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            connection.send(b"0\r\n\r\n")
        response = connection.getresponse()
        body = response.read()
        headers = [normalise(name.lower(), value) for name, value in response.getheaders()]
        return Seen(response.status, tuple(sorted(each for each in headers if each[0] not in CONNECTION)), body)
    finally:
        connection.close()


def normalise(name: str, value: str) -> tuple[str, str]:
    """Leave out of a header what differs from request to request."""
    if name == "x-ms-run-fn-exec-ms":
        assert re.fullmatch(r"\d+\.\d{3}", value)
        value = "<milliseconds>"
    if name == "x-ms-server-version":
        value = "<server>"
    return name, UUID.sub("<uuid>", value)


@contextlib.contextmanager
def both(
    environment: Environment, script: Path, folder: Path, lent: tuple[str, ...], **variables: str
) -> Iterator[tuple[int, int]]:
    """Run both servers on a script and yield their ports."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "models").mkdir()
    (folder / "models/model.txt").write_text("model")
    root = make_root(folder / "root", script.read_text(), contract="azure", service={"max_body": 8 << 20})
    (root / "opt/model/model/model.txt").write_text("model")
    environment.lend(root / "opt/model/packages", lent)
    oracle = serving(environment, script, folder / "oracle.log", AZUREML_MODEL_DIR=str(folder / "models"), **variables)
    with oracle as theirs, running(root, **variables) as service:
        yield theirs, service.port


class Pairs:
    """The servers that are running: those of one script at a time."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._running = ""
        self._started = 0
        self._ports = (0, 0)

    def start(self, name: str) -> tuple[int, int]:
        """Return the ports of Azure ML's server and of ours; after a plus sign is what the bundle has besides."""
        if name != self._running:
            self.stop()
            script, _, more = name.partition("+")
            lent = SCHEMA_PACKAGES + (FLASK_PACKAGES if more == "flask" else ())
            path = SCRIPTS / f"{script}.py"
            self._started += 1
            folder = self._folder / f"{self._started}-{script}"
            started = both(self._environment, path, folder, lent, **VARIABLES | SPECIAL.get(more, {}))
            self._ports = self._stack.enter_context(started)
            self._running = name
        return self._ports

    def stop(self) -> None:
        """Stop what runs."""
        self._running = ""
        self._stack.close()


@pytest.fixture(scope="module")
def pairs(azure_environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairs]:
    pairs = Pairs(azure_environment, tmp_path_factory.mktemp("pairs"))
    yield pairs
    pairs.stop()


def list_cases() -> Iterator[object]:
    """Yield each case; scripts that speak HTTP once more with Flask in the bundle."""
    every = sorted(cases(), key=lambda case: case.script)
    for case in every:
        yield pytest.param(case.script, case, id=f"{case.script}: {case.name}")
    for case in every:
        if case.script in {"raw", "response"}:
            yield pytest.param(f"{case.script}+flask", case, id=f"{case.script} with Flask: {case.name}")


@pytest.mark.parametrize(("servers", "case"), list(list_cases()))
def test_a_request_is_answered_as_azure_ml_answers_it(pairs: Pairs, servers: str, case: Case) -> None:
    theirs, ours = (ask(port, case) for port in pairs.start(servers))
    if case.differs:
        assert case.differs in DIFFERENCES
        assert theirs != ours, f"nothing differs, so {case.differs!r} is not shown here"
    else:
        assert ours == theirs, tell(ours, theirs)


def tell(ours: Seen, theirs: Seen) -> str:
    """Return what differs, for a person to read."""
    lines = [f"status {ours.status}, theirs {theirs.status}"]
    lines += [f"only ours: {header}" for header in ours.headers if header not in theirs.headers]
    lines += [f"only theirs: {header}" for header in theirs.headers if header not in ours.headers]
    if ours.body != theirs.body:
        lines += [f"ours: {ours.body[:3000]!r}", f"theirs: {theirs.body[:3000]!r}"]
    return "\n".join(lines)


@pytest.mark.parametrize("version", ["2", "2.0", "3", "3.0", "3.1", "9"])
@pytest.mark.parametrize("script", ["decorated", "standard"])
def test_the_schemas_of_decorators_are_told_as_azure_ml_tells_them(pairs: Pairs, script: str, version: str) -> None:
    case = Case(script=script, name="", method="GET", path=f"/swagger.json?version={version}")
    theirs, ours = (ask(port, case) for port in pairs.start(script))
    assert ours.status == theirs.status
    told, wanted = json.loads(ours.body), json.loads(theirs.body)
    if ours.status == 404:
        assert told["message"] == wanted["message"]
        return
    told, wanted = (each.get("definitions") or each["components"]["schemas"] for each in (told, wanted))
    for name in ("ServiceInput", "ServiceOutput"):
        assert told[name] == wanted[name]


def test_every_known_difference_is_in_the_reference() -> None:
    told = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), flags=re.MULTILINE)
    assert told == list(DIFFERENCES)


def test_every_known_difference_is_shown_by_a_request() -> None:
    shown = {case.differs for case in cases()} | {"server-version", "headers-of-the-connection"}
    assert shown - {""} == set(DIFFERENCES)


def test_the_corpus_asks_nothing_twice() -> None:
    asked = [(case.script, case.name) for case in cases()]
    assert [each for each in set(asked) if asked.count(each) > 1] == []
    assert len(asked) > 350

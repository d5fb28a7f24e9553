from __future__ import annotations

import json
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from builder.engine.plain import PlainApi, open_plain
from builder.errors import EngineError


class Engine(BaseHTTPRequestHandler):
    """Just enough of an engine: one image, and a memory of what was asked."""

    asked: list[tuple[str, str, bytes]]
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.client_address = ("unix", 0)
        super().handle_one_request()

    def do_GET(self) -> None:
        self.asked.append(("GET", self.path, b""))
        if self.path == "/images/one/json":
            self._answer(200, {"Id": "sha256:1", "RootFS": {"Layers": []}})
        elif self.path.startswith("/images/") and self.path.endswith("/json") and self.path != "/images/json":
            self._answer(404, {"message": "no such image"})
        elif self.path == "/images/json":
            self._answer(200, [{"Id": "sha256:1"}, {"Id": "sha256:2"}])
        else:
            self._answer(200, {"Version": "1", "Path": self.path})

    def do_POST(self) -> None:
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline() or b"0", 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        self.asked.append(("POST", self.path, body))
        if "missing" in self.path:
            self._answer(500, {"message": "no space left on device"})
        elif "/load" in self.path:
            self._answer(200, {"stream": "Loaded image ID: sha256:1"})
        else:
            self._answer(201, {})

    def _answer(self, status: int, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def engine() -> Iterator[tuple[Path, list[tuple[str, str, bytes]]]]:
    folder = Path(tempfile.mkdtemp())  # a socket's path must be short
    asked: list[tuple[str, str, bytes]] = []
    handler = type("Handler", (Engine,), {"asked": asked})
    with socketserver.ThreadingUnixStreamServer(str(folder / "s"), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder / "s", asked
        server.shutdown()
    shutil.rmtree(folder)


Asked = tuple[Path, list[tuple[str, str, bytes]]]


def test_an_image_is_found_or_is_not_there(engine: Asked) -> None:
    with PlainApi(engine[0]) as api:
        assert api.inspect_image("one") == {"Id": "sha256:1", "RootFS": {"Layers": []}}
        assert api.inspect_image("sha256:none") is None
        assert api.image_ids() == {"sha256:1", "sha256:2"}


def test_an_archive_is_sent_as_it_is_made(engine: Asked) -> None:
    with PlainApi(engine[0]) as api:
        assert api.load_image(iter([b"one", b"two"])) == [{"stream": "Loaded image ID: sha256:1"}]
    assert engine[1][-1] == ("POST", "/images/load?quiet=1", b"onetwo")


def test_a_tag_is_given(engine: Asked) -> None:
    with PlainApi(engine[0]) as api:
        api.tag("sha256:1", "models/churn", "1.0.0")
    assert engine[1][-1][1] == "/images/sha256%3A1/tag?repo=models%2Fchurn&force=1&tag=1.0.0"


def test_a_refusal_has_the_engines_own_words(engine: Asked) -> None:
    with PlainApi(engine[0]) as api, pytest.raises(EngineError, match="the engine could not tag the image") as caught:
        api.tag("missing", "x", None)
    assert caught.value.faults[0].got == "no space left on device"
    assert caught.value.hint == "free some space on the engine's disk"


def test_an_engine_that_is_gone_is_an_error(engine: Asked) -> None:
    api = PlainApi(engine[0])
    api.close()
    engine[0].unlink()
    with pytest.raises(EngineError, match="the engine could not inspect an image"):
        api.inspect_image("one")


def test_a_call_that_another_thread_waits_for_is_given_up(engine: Asked) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def chunks() -> Iterator[bytes]:
        yield b"one"
        begun.set()
        go_on.wait(20)
        yield b"two"

    with PlainApi(engine[0]) as api, ThreadPoolExecutor(1) as pool:
        loading = pool.submit(api.load_image, chunks())
        assert begun.wait(20)
        api.abort()
        go_on.set()
        with pytest.raises(EngineError, match="could not load the image"):
            loading.result(20)
        with pytest.raises(EngineError) as caught:
            api.inspect_image("one")
        assert caught.value.faults[0].got == "given up"  # nor is another connection made


def test_the_named_socket_is_taken(engine: Asked) -> None:
    api = open_plain({"DOCKER_HOST": f"unix://{engine[0]}"})
    assert api is not None
    assert api.version["Version"] == "1"
    assert api.info["Path"] == "/info"
    api.close()


@pytest.mark.parametrize(
    "environ",
    [
        {"DOCKER_HOST": "tcp://engine:2376"},
        {"DOCKER_HOST": "ssh://engine"},
        {"CONTAINER_HOST": "unix:///nowhere/podman.sock"},
        {"DOCKER_CONTEXT": "there"},
    ],
    ids=str,
)
def test_what_takes_the_full_search_is_left_to_it(environ: dict[str, str]) -> None:
    assert open_plain(environ) is None


def test_a_context_somebody_chose_takes_the_full_search(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"currentContext": "there"}')
    assert open_plain({"DOCKER_CONFIG": str(tmp_path)}) is None

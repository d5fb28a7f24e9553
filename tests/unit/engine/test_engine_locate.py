from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest

from builder.engine import locate
from builder.engine.docker import DockerEngine
from builder.engine.locate import Endpoint, candidates, open_engine
from builder.errors import EngineUnavailableError


@pytest.fixture
def runtime_dir() -> Iterator[Path]:
    with TemporaryDirectory(prefix="k") as name:  # a short path, since a socket lies in it
        yield Path(name)


@pytest.fixture(autouse=True)
def no_docker_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return tmp_path


def only(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Let no socket of this machine be found but these."""
    monkeypatch.setattr(locate, "_exists", lambda path: path in paths)


def refusal(environ: Mapping[str, str]) -> EngineUnavailableError:
    with pytest.raises(EngineUnavailableError) as caught:
        open_engine(environ)
    return caught.value


class FakeEngine(BaseHTTPRequestHandler):
    version: ClassVar[dict[str, Any]] = {"Version": "9.9", "ApiVersion": "1.41", "Components": [{"Name": "Engine"}]}
    info: ClassVar[dict[str, Any]] = {"MemoryLimit": True}

    def do_GET(self) -> None:
        body = json.dumps(self.version if self.path.endswith("/version") else self.info).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass

    def address_string(self) -> str:
        return "test"


def serve(path: Path, **facts: Any) -> ThreadingUnixStreamServer:
    path.parent.mkdir(parents=True, exist_ok=True)
    server = ThreadingUnixStreamServer(str(path), type("Handler", (FakeEngine,), facts))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.fixture
def podman(runtime_dir: Path) -> Iterator[Path]:
    path = runtime_dir / "podman" / "podman.sock"
    server = serve(
        path,
        version={"Version": "4.3.1", "ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}]},
        info={"MemoryLimit": False, "SwapLimit": True, "CpuCfsQuota": False},
    )
    yield path
    server.shutdown()
    server.server_close()


def test_the_environment_names_the_only_engine_that_is_tried() -> None:
    assert list(candidates({"DOCKER_HOST": "tcp://10.0.0.1:2375", "CONTAINER_HOST": "unix:///other"})) == [
        Endpoint(url="tcp://10.0.0.1:2375", named_by="DOCKER_HOST")
    ]
    assert [endpoint.url for endpoint in candidates({"CONTAINER_HOST": "unix:///run/p.sock"})] == ["unix:///run/p.sock"]


def test_a_docker_context_that_was_chosen_is_the_only_one_tried(no_docker_settings: Path) -> None:
    meta = no_docker_settings / "contexts" / "meta" / hashlib.sha256(b"far").hexdigest()
    meta.mkdir(parents=True)
    document = {"Name": "far", "Metadata": {}, "Endpoints": {"docker": {"Host": "tcp://far:2375"}}}
    (meta / "meta.json").write_text(json.dumps(document))
    (no_docker_settings / "config.json").write_text(json.dumps({"currentContext": "far"}))
    assert [(each.url, each.named_by) for each in candidates({})] == [("tcp://far:2375", "Docker context far")]


def test_usual_sockets_are_tried_docker_first(runtime_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rootless, podman = runtime_dir / "docker.sock", runtime_dir / "podman" / "podman.sock"
    only(monkeypatch, Path("/var/run/docker.sock"), rootless, podman)
    assert [endpoint.socket for endpoint in candidates({"XDG_RUNTIME_DIR": str(runtime_dir)})] == [
        Path("/var/run/docker.sock"),
        rootless,
        podman,
    ]


def test_podman_s_socket_serves_as_well(podman: Path, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, podman)
    with DockerEngine.connect({"XDG_RUNTIME_DIR": str(runtime_dir)}) as engine:
        assert engine.is_podman
        assert engine.name == "podman 4.3.1"
        assert engine.url == f"unix://{podman}"
        assert engine.unapplied == ("no memory limit: the kernel has none", "no CPU limit: the kernel has none")


def test_a_stale_socket_does_not_hide_the_engine_that_runs(
    podman: Path, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = runtime_dir / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(stale))
    only(monkeypatch, stale, podman)
    client, url = open_engine({"XDG_RUNTIME_DIR": str(runtime_dir)})
    client.close()
    assert url == f"unix://{podman}"


def test_an_engine_that_keeps_manifests_is_recognised(runtime_dir: Path) -> None:
    path = runtime_dir / "d.sock"
    server = serve(path, info={"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]})
    with DockerEngine.connect({"DOCKER_HOST": f"unix://{path}"}) as engine:
        assert engine.keeps_manifests
        assert engine.name == "docker 9.9"
    server.shutdown()
    server.server_close()


def test_a_socket_nobody_listens_on_means_the_engine_is_not_running(runtime_dir: Path) -> None:
    path = runtime_dir / "d.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    error = refusal({"DOCKER_HOST": f"unix://{path}"})
    assert error.exit_code == 10
    assert error.faults[0].got == "nothing listens on this socket"
    assert error.faults[0].at == f"unix://{path} (DOCKER_HOST)"
    assert "start it" in (error.hint or "")


def test_a_named_socket_that_is_not_there_is_said_to_be_missing() -> None:
    assert refusal({"DOCKER_HOST": "unix:///nowhere/d.sock"}).faults[0].got == "there is no such socket"


def test_no_permission_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(socket.socket):
        def connect(self, address: Any) -> None:
            raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(locate.socket, "socket", Closed)
    error = refusal({"DOCKER_HOST": "unix:///var/run/docker.sock"})
    assert error.faults[0].fact == "no permission to talk to the container engine"
    assert "usermod -aG docker" in (error.hint or "")


def test_an_engine_that_is_not_there_over_tcp_is_an_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = refusal({"DOCKER_HOST": f"tcp://127.0.0.1:{port}"})
    assert error.faults[0].fact == "the container engine does not answer"


def test_installed_but_not_running_and_not_installed_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    monkeypatch.setattr(locate.shutil, "which", lambda name: f"/usr/bin/{name}" if name == "podman" else None)
    error = refusal({})
    assert error.faults[0].fact == "a container engine is installed (podman) but none is running"
    monkeypatch.setattr(locate.shutil, "which", lambda name: None)
    error = refusal({})
    assert error.faults[0].fact == "no container engine on this machine"
    assert "embedded runner" in (error.hint or "")

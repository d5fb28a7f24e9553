"""Clients of platforms, each in an environment of its own, and the one image they are all pointed at."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from tests.support.kiln import ROOT, Kiln, copy_example

SCRIPTS = ROOT / "tests/fixtures/clients"
NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there: a client that asks anybody but this machine fails."""
HARDENED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": ""},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "user": "123456:0",
}
RECORDS = json.loads((ROOT / "examples/churn/samples/batch.json").read_text())["records"]
LABELS = ["stays", "leaves", "stays"]
PROBABILITIES = [0.010892652565190605, 0.8673358445866398, 0.3117112434595884]
PREDICTIONS = [
    {"label": label, "probability": probability} for label, probability in zip(LABELS, PROBABILITIES, strict=True)
]


@dataclass(frozen=True)
class Client:
    """One platform's client."""

    name: str
    python: Path
    docker_host: str

    def run(self, *arguments: object, code: int = 0, limit: float = 480, **variables: str) -> Any:
        """Run its script and return what it prints last, as JSON."""
        return json.loads(self.run_text(*arguments, code=code, limit=limit, **variables).strip().splitlines()[-1])

    def run_text(self, *arguments: object, code: int = 0, limit: float = 480, **variables: str) -> str:
        done = subprocess.run(
            [str(self.python), str(SCRIPTS / f"{self.name}_client.py"), *map(str, arguments)],
            env=self.make_environment(**variables),
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def make_environment(self, **variables: str) -> dict[str, str]:
        path = os.pathsep.join((str(self.python.parent), os.environ["PATH"]))
        given = {"PATH": path, "LANG": "C.UTF-8", "HOME": "/tmp", "DOCKER_HOST": self.docker_host}
        given |= {"HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE, "NO_PROXY": "127.0.0.1,localhost"}
        return given | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"} | variables


@dataclass(frozen=True)
class Served:
    """A container of the image that answers on a port of this machine."""

    port: int
    container: Any

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def find_uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv") or "uv"


def make_client(name: str, home: Path, docker_host: str) -> Client:
    """Return a client, its environment made from its list of pins if it is not there."""
    pins = (SCRIPTS / f"{name}.txt").read_text()
    digest = hashlib.sha256(f"{sys.version}\n{pins}".encode()).hexdigest()[:12]
    root = home / f"{name}-{digest}"
    if not (root / "done").exists():
        shutil.rmtree(root, ignore_errors=True)
        python = str(root / "bin/python")
        for command in (
            [find_uv(), "venv", "-q", "--python", sys.executable, str(root)],
            [find_uv(), "pip", "install", "-q", "--python", python, "-r", str(SCRIPTS / f"{name}.txt")],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        (root / "done").touch()
    return Client(name, root / "bin/python", docker_host)


@pytest.fixture(scope="session")
def client(request: pytest.FixtureRequest, docker_host: str) -> Callable[[str], Client]:
    """Lend clients by name; their environments last as long as what pytest remembers between runs."""
    lasting = os.environ.get("KILN_TEST_HOME")
    home = Path(lasting) / "clients" if lasting else Path(str(request.config.cache.mkdir("clients")))
    home.mkdir(parents=True, exist_ok=True)
    return lambda name: make_client(name, home, docker_host)


@pytest.fixture(scope="module")
def client_image(
    kiln: Kiln, docker_host: str, sdk: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Lend the one image, under a name of its own; other modules' tests find no container of it left."""
    bundle = copy_example("churn", tmp_path_factory.mktemp("clients") / "churn")
    record = kiln.with_environ(DOCKER_HOST=docker_host)("build", bundle, "--load", "--json").json
    name = f"kiln-test-clients:{uuid.uuid4().hex[:8]}"
    assert sdk.images.get(record["image_id"]).tag(name)
    yield name
    for container in sdk.containers.list(all=True, filters={"ancestor": name}):
        with contextlib.suppress(docker.errors.APIError):
            container.remove(force=True)
    for network in sdk.networks.list(names=["sagemaker-local"]):
        with contextlib.suppress(docker.errors.APIError):
            network.remove()
    with contextlib.suppress(docker.errors.APIError):
        sdk.images.remove(name)


@pytest.fixture(scope="module")
def served(client_image: str, sdk: docker.DockerClient) -> Iterator[Served]:
    """Lend a hardened container of it that is ready."""
    container = sdk.containers.run(client_image, detach=True, ports={"8080/tcp": ("127.0.0.1", None)}, **HARDENED)
    try:
        container.reload()
        found = Served(int(container.ports["8080/tcp"][0]["HostPort"]), container)
        deadline = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"{found.url}/readyz", timeout=5):
                    break
            except OSError:
                assert time.monotonic() < deadline, container.logs().decode()
                time.sleep(0.1)
        yield found
    finally:
        container.remove(force=True)

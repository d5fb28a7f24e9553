"""Images that do not run, and places that will not run them: said in words, and nothing is left running."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import docker
import pytest

from tests.support.kiln import Kiln
from tests.support.small import SCORE, small_bundle, unprivileged, untouched

pytestmark = [pytest.mark.engine]

ENGINE_UNAVAILABLE, ENGINE, SMOKE_FAILED, HOST, NOT_BUILT = 10, 11, 12, 19, 21

LOADS = "    return json.loads"


def loading_after(line: str) -> str:
    """A script whose ``load`` does something first."""
    return SCORE.replace(LOADS, f"    {line}\n{LOADS}")


DYING = loading_after('__import__("os")._exit(3)')
RAISING = loading_after('raise ValueError("these weights are not mine")')
WAITING = loading_after('__import__("time").sleep(600)')
GREEDY = loading_after("hoard = [bytearray(1 << 24) for _ in range(64)]")

FAILING = {
    "dies at start": (DYING, "", "exit code 3"),
    "raises at start": (RAISING, "", "these weights are not mine"),
    "never gets ready": (WAITING, "service: {startup_timeout: 2s}\n", "ready within 2 s (service.startup_timeout)"),
    "is killed for memory": (GREEDY, "resources: {memory: 96MiB}\n", "memory"),
}


@pytest.fixture(scope="module")
def good(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = small_bundle(tmp_path_factory.mktemp("good") / "bundle")
    kiln("lock", bundle)
    kiln("build", bundle)
    return bundle


@pytest.fixture(scope="module")
def failing(kiln: Kiln, good: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build a bundle for each way to fail; they differ from a good one in nothing that is locked."""
    out = {}
    for number, (name, (score, more, _)) in enumerate(FAILING.items()):
        out[name] = small_bundle(tmp_path_factory.mktemp("failing") / f"b{number}", score=score, more=more)
        kiln("lock", out[name])
        kiln("build", out[name])
    return out


@pytest.fixture
def engine_of(kiln: Kiln, docker_host: str) -> dict[str, Kiln]:
    return {"docker": kiln.with_environ(DOCKER_HOST=docker_host), "namespaces": kiln}


@pytest.mark.parametrize("runner", ["namespaces", "docker"])
@pytest.mark.parametrize("name", FAILING)
def test_a_container_that(
    engine_of: dict[str, Kiln], failing: dict[str, Path], sdk: docker.DockerClient, name: str, runner: str
) -> None:
    bundle = failing[name]
    (bundle / "build" / "smoke.json").unlink(missing_ok=True)
    before = {container.id for container in sdk.containers.list(all=True)}
    began = time.monotonic()
    ran = engine_of[runner]("test", bundle, "--runner", runner, code=SMOKE_FAILED)
    assert time.monotonic() - began < 60
    assert FAILING[name][2] in ran.stderr
    assert "Traceback (most recent call last)" not in ran.stderr.partition("last lines")[0]
    report = json.loads((bundle / "build" / "smoke.json").read_text())
    assert report["passed"] is False
    assert report["runner"].startswith(runner)
    assert "failure" in (bundle / "build" / "smoke.xml").read_text()
    assert {container.id for container in sdk.containers.list(all=True)} <= before
    if name == "is killed for memory":
        assert "killed for want of memory" in ran.stderr or "process(es) killed" in ran.stderr


def test_what_failed_is_not_pushed(kiln: Kiln, failing: dict[str, Path]) -> None:
    bundle = failing["dies at start"]
    kiln("test", bundle, "--runner", "namespaces", code=SMOKE_FAILED)
    said = kiln("push", bundle, "127.0.0.1:1/models", code=15).stderr
    assert "did not pass its smoke tests" in said
    assert "--untested" in said


@pytest.mark.parametrize("command", ["test", "run"])
def test_an_engine_that_is_not_running(kiln: Kiln, good: Path, tmp_path: Path, command: str) -> None:
    nowhere = f"unix://{tmp_path}/nowhere.sock"
    with untouched(good):
        said = kiln.with_environ(DOCKER_HOST=nowhere)(command, good, "--runner", "docker", code=ENGINE_UNAVAILABLE)
    assert "the container engine does not answer" in said.stderr
    assert f"{nowhere} (DOCKER_HOST)" in said.stderr
    assert "hint: start it" in said.stderr


def test_a_build_by_an_engine_that_is_not_running(kiln: Kiln, good: Path, tmp_path: Path) -> None:
    nowhere = kiln.with_environ(DOCKER_HOST=f"unix://{tmp_path}/nowhere.sock")
    with untouched(good / "build" / "layout"):
        said = nowhere("build", good, "--builder", "docker", code=ENGINE_UNAVAILABLE).stderr
    assert "the container engine does not answer" in said


def test_an_engine_one_may_not_talk_to(kiln: Kiln, good: Path, tmp_path: Path) -> None:
    closed = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(closed))
        listener.listen()
        closed.chmod(0)
        own = kiln.with_environ(DOCKER_HOST=f"unix://{closed}")
        said = own("test", good, "--runner", "docker", code=ENGINE_UNAVAILABLE, prefix=unprivileged()).stderr
    assert "no permission to talk to the container engine" in said
    assert str(closed) in said
    assert "usermod -aG docker" in said


@pytest.mark.parametrize(("runner", "code"), [("namespaces", HOST), ("docker", HOST)])
def test_a_port_that_is_taken(
    engine_of: dict[str, Kiln], good: Path, sdk: docker.DockerClient, runner: str, code: int
) -> None:
    before = {container.id for container in sdk.containers.list(all=True)}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = engine_of[runner]("run", good, "--port", str(port), "--runner", runner, code=code).stderr
    assert f"port {port} is taken" in said
    assert "hint: choose another" in said
    assert {container.id for container in sdk.containers.list(all=True)} <= before


def test_nothing_was_built_yet(kiln: Kiln, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    with untouched(bundle):
        for command in (("test",), ("run",), ("push", "127.0.0.1:1/models")):
            said = kiln(command[0], bundle, *command[1:], code=NOT_BUILT).stderr
            assert "nothing was built here yet" in said
            assert "hint: run `kiln " in said


def test_two_tests_of_one_bundle_at_once(kiln: Kiln, good: Path) -> None:

    both = [
        subprocess.Popen(
            [sys.executable, "-m", "builder.cli", "test", str(good), "--runner", "namespaces", "--json"],
            env=dict(kiln.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for running in both:
        out, said = running.communicate(timeout=120)
        assert running.returncode == 0, said
        assert json.loads(out)["passed"]
    assert json.loads((good / "build" / "smoke.json").read_text())["passed"]

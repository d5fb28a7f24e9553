from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import docker
import pytest

from builder.engine.container import DockerInstance
from builder.engine.docker import RUN_LABEL, DockerEngine
from builder.engine.runner import RunOptions
from builder.errors import EngineError
from builder.oci.image import Image
from builder.store.blobs import BlobStore
from tests.support.images import ECHO_SERVER, INTERPRETER, python_image

pytestmark = pytest.mark.engine
OPTIONS = RunOptions(memory=192 << 20, cpu=1, uid=4711)
Start = Callable[..., DockerInstance]


@pytest.fixture(scope="module")
def image(engine: DockerEngine, image_store: BlobStore) -> Image:
    image = python_image(image_store, {"serve.py": ECHO_SERVER}, script="serve.py")
    engine.load(image, image_store)
    return image


@pytest.fixture
def start(engine: DockerEngine, image: Image) -> Iterator[Start]:
    started: list[DockerInstance] = []

    def run(mode: str = "", **changes: Any) -> DockerInstance:
        options = replace(OPTIONS, env={"MODE": mode} if mode else {}, **changes)
        started.append(engine.start(image, options))
        return started[-1]

    yield run
    for instance in started:
        instance.remove()


def eventually(what: Callable[[], Any], *, seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := what():
                return found
        except ConnectionError:
            pass
        assert time.monotonic() < deadline, "this did not come true in time"
        time.sleep(0.05)


def answer_of(instance: DockerInstance) -> dict[str, Any]:
    def ask() -> Any:
        return instance.request("POST", "/", body=b"hello", headers={"x-test": "1"}, timeout=2)

    answer = eventually(ask)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    return json.loads(answer.body)


def test_a_container_runs_hardened(start: Start, sdk: docker.DockerClient) -> None:
    instance = start()
    seen = answer_of(instance)
    assert (seen["uid"], seen["gid"], seen["body"]) == (4711, 0, "hello")
    assert seen["writable"] == ["/tmp"]
    assert [line.split() for line in seen["caps"]] == [["CapEff:", "0000000000000000"], ["NoNewPrivs:", "1"]]
    config = sdk.api.inspect_container(instance.container_id)["HostConfig"]
    assert config["ReadonlyRootfs"] is True
    assert config["CapDrop"] == ["ALL"]
    assert config["Memory"] == config["MemorySwap"] == OPTIONS.memory
    assert config["NanoCpus"] == 1_000_000_000
    assert config["PidsLimit"] == 1024
    assert config["PortBindings"]["8080/tcp"][0]["HostIp"] == "127.0.0.1"


def test_it_leaves_no_change_outside_tmp(start: Start) -> None:
    instance = start()
    answer_of(instance)
    assert instance.changes() == ()


def test_the_healthcheck_of_the_image_is_run_by_the_engine(start: Start) -> None:
    instance = start()
    assert instance.health() in ("starting", "healthy")
    assert eventually(lambda: instance.health() == "healthy")


def test_an_image_without_healthcheck_has_no_health(engine: DockerEngine, image_store: BlobStore) -> None:
    image = python_image(image_store, {"serve.py": ECHO_SERVER}, script="serve.py", healthcheck=False)
    engine.load(image, image_store)
    instance = engine.start(image, OPTIONS)
    try:
        assert instance.health() is None
    finally:
        instance.remove()


def test_a_program_is_executed_inside_as_the_same_user(start: Start) -> None:
    instance = start()
    done = instance.execute((INTERPRETER, "-c", "import os, sys; print(os.getuid()); sys.exit(3)"), timeout=20)
    assert (done.code, done.output) == (3, "4711\n")


def test_a_program_that_is_not_there_has_the_usual_exit_code(start: Start) -> None:
    done = start().execute(("/bin/not-here",), timeout=20)
    assert done.code in (126, 127)
    assert "not-here" in done.output


def test_a_program_that_takes_too_long_is_an_error(start: Start) -> None:
    with pytest.raises(EngineError, match="still ran after"):
        start().execute((INTERPRETER, "-c", "import time; time.sleep(60)"), timeout=0.5)


def test_no_answer_in_time_is_a_connection_error(start: Start) -> None:
    instance = start("slow")
    eventually(lambda: "starting" in instance.logs(5))
    with pytest.raises(ConnectionError, match="GET /livez"):
        instance.request("GET", "/livez", body=None, headers={}, timeout=0.3)


def test_sigterm_ends_it_within_the_grace_period(start: Start) -> None:
    instance = start()
    answer_of(instance)
    state = instance.stop(10)
    assert (state.code, state.was_killed_for_memory) == (0, False)
    assert 0 < state.seconds < 5
    assert instance.exit_state() == state
    assert instance.stop(10).code == 0


def test_a_container_that_ignores_sigterm_is_killed_after_the_grace_period(start: Start) -> None:
    instance = start("stubborn")
    answer_of(instance)
    state = instance.stop(0.5)
    assert state.code == 137
    assert 0.5 <= state.seconds < 5


def test_a_container_that_dies_at_start_says_how(start: Start) -> None:
    instance = start("dies")
    state = eventually(instance.exit_state)
    assert (state.code, state.was_killed_for_memory) == (1, False)
    # Two streams, which Docker copies side by side: which line comes last is not said.
    said = instance.logs(10).splitlines()
    assert sorted(said) == ["starting dies", "the model cannot be loaded"]
    assert instance.logs(1).splitlines() == said[-1:]
    with pytest.raises(ConnectionError):
        instance.request("GET", "/livez", body=None, headers={}, timeout=1)


def test_a_container_that_takes_too_much_memory_is_said_to_be_killed_for_it(start: Start) -> None:
    instance = start("hungry", memory=64 << 20)
    state = eventually(instance.exit_state)
    assert (state.code, state.was_killed_for_memory) == (137, True)


def test_a_command_replaces_the_image_s_own(engine: DockerEngine, image: Image, start: Start) -> None:
    instance = start(command=("one", "two"))
    answer_of(instance)
    done = instance.execute(
        (INTERPRETER, "-c", "print(open('/proc/1/cmdline').read().split(chr(0))[1:-1])"), timeout=20
    )
    assert done.output == "['/srv/serve.py', 'one', 'two']\n"


def test_more_cores_than_the_machine_has_are_no_error(start: Start, sdk: docker.DockerClient) -> None:
    instance = start(cpu=10_000.0)
    limit = sdk.api.inspect_container(instance.container_id)["HostConfig"]["NanoCpus"]
    assert limit == sdk.info()["NCPU"] * 1_000_000_000


def test_a_port_in_use_is_named_and_nothing_is_left_behind(
    engine: DockerEngine, image: Image, sdk: docker.DockerClient
) -> None:
    before = sdk.containers.list(all=True, filters={"label": RUN_LABEL})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EngineError) as caught:
            engine.start_id(str(image.image_id), OPTIONS, host_port=port)
    assert caught.value.faults[0].fact == f"port {port} is taken"
    assert sdk.containers.list(all=True, filters={"label": RUN_LABEL}) == before


def test_a_port_that_was_chosen_is_the_one_published(engine: DockerEngine, image: Image) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    instance = engine.start_id(str(image.image_id), OPTIONS, host_port=port)
    try:
        assert instance.address == ("127.0.0.1", port)
    finally:
        instance.remove()


def test_a_program_that_is_not_in_the_image_is_an_error_that_names_it(
    engine: DockerEngine, image_store: BlobStore
) -> None:
    image = python_image(image_store, {"serve.py": ECHO_SERVER}, script="serve.py")
    image = replace(image, config=replace(image.config, entrypoint=("/opt/nothing",)))
    engine.load(image, image_store)
    with pytest.raises(EngineError) as caught:
        engine.start(image, OPTIONS)
    assert "/opt/nothing" in (caught.value.faults[0].got or "")


def test_removing_twice_is_no_error(start: Start) -> None:
    instance = start()
    instance.remove()
    instance.remove()
    with pytest.raises(EngineError, match="inspect the container"):
        instance.exit_state()


def test_output_can_be_followed_to_the_end(start: Start) -> None:
    # Standard output and standard error are two pipes; the engine promises no order between them.
    lines = "".join(start("dies").follow()).splitlines()
    assert sorted(lines) == ["starting dies", "the model cannot be loaded"]


def test_the_engine_says_what_it_is(engine: DockerEngine, sdk: docker.DockerClient) -> None:
    assert engine.name == f"docker {sdk.version()['Version']}"
    assert all(isinstance(text, str) for text in engine.unapplied)

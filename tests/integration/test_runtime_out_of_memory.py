"""A model that takes more memory than its container may: the kernel ends the worker, and only that request fails."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.support.clients import HARDENED
from tests.support.kiln import Kiln
from tests.support.small import small_bundle

pytestmark = pytest.mark.engine
GREEDY = """\
held = []


def load(model_dir):
    return 2


def predict(model, records):
    while any(record["x"] < 0 for record in records):
        held.append(b"x" * (8 << 20))
    return [model * record["x"] for record in records]
"""


def ask(url: str, x: float) -> tuple[int, Any]:
    request = urllib.request.Request(f"{url}/predict", json.dumps({"x": x}).encode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def wait_until_ready(url: str, container: Any) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=5):
            return
        time.sleep(0.1)
    pytest.fail(container.logs().decode())


@pytest.fixture
def container(engine_kiln: Kiln, sdk: docker.DockerClient, tmp_path: Path) -> Iterator[Any]:
    """Run the image with 256 MiB for all its processes, no swap, no capability and no /dev/shm."""
    bundle = small_bundle(tmp_path / "greedy", name="kiln-test-greedy", score=GREEDY)
    engine_kiln("lock", bundle)
    image = engine_kiln("build", bundle, "--load", "--json").json["image_id"]
    limits = {**HARDENED, "mem_limit": "256m", "memswap_limit": "256m", "ipc_mode": "none", "user": "4711:0"}
    started = sdk.containers.run(image, detach=True, ports={"8080/tcp": ("127.0.0.1", None)}, **limits)
    yield started
    started.remove(force=True)
    sdk.images.remove(image, force=True)


def test_a_worker_that_runs_out_of_memory_takes_no_other_request_with_it(container: Any) -> None:
    container.reload()
    url = f"http://127.0.0.1:{container.ports['8080/tcp'][0]['HostPort']}"
    wait_until_ready(url, container)
    answers: list[tuple[float, tuple[int, Any]]] = []
    ended = threading.Event()

    def ask_on(first: int) -> None:
        x = first
        while not ended.is_set():
            answers.append((x, ask(url, x)))
            x += 4

    others = [threading.Thread(target=ask_on, args=(first,)) for first in range(4)]
    for thread in others:
        thread.start()
    status, refusal = ask(url, -1)
    wait_until_ready(url, container)
    ended.set()
    for thread in others:
        thread.join()
    assert status == 503
    assert "ended" in refusal["message"]
    assert len(answers) > 4
    assert [(x, answer) for x, answer in answers if answer != (200, {"predictions": [2 * x]})] == []
    container.reload()
    assert container.status == "running"
    with urllib.request.urlopen(f"{url}/metrics") as page:
        metrics = page.read().decode()
    assert 'kiln_worker_restarts_total{reason="crash"} ' in metrics
    assert "kiln_memory_limit_bytes 268435456" in metrics
    assert "as when memory runs out" in container.logs().decode()

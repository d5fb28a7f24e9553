"""Fixtures that lend tests a real container engine and a real registry. Nothing is skipped: no engine is a failure.

A conftest.py takes them over by importing their names. The registry comes from pytest-docker and the compose file in
tests/integration: Debian's docker-registry in an image made here, since none can be pulled without a network.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from builder.engine.docker import DockerEngine
from builder.oci.config import ImageConfig
from builder.oci.image import Image
from builder.oci.platform import Platform
from builder.plan.model import EPOCH
from builder.store.blobs import BlobStore
from tests.support.images import TEST_LABELS, layer_of, program_tar

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def docker_host() -> Iterator[str]:
    """Lend the engine that answers, or a private dockerd that stops with the last test run that uses it."""
    holder = subprocess.Popen(
        [str(ROOT / "tools" / "engine"), "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    url = holder.stdout.readline().strip()
    if not url:
        holder.wait()
        pytest.fail("these tests need a container engine; see above why there is none", pytrace=False)
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = url
    yield url
    if before is None:
        del os.environ["DOCKER_HOST"]
    else:
        os.environ["DOCKER_HOST"] = before
    holder.stdin.close()
    holder.wait(60)
    holder.stdout.close()


@pytest.fixture(scope="session")
def engine(docker_host: str) -> Iterator[DockerEngine]:
    """Lend a connection to that engine. The tests' images are removed in the end, since the engine may stay."""
    with DockerEngine.connect({"DOCKER_HOST": docker_host}) as connected:
        yield connected
    client = docker.DockerClient(base_url=docker_host, version="auto")
    for image in client.images.list(filters={"label": "dev.modelkiln.test=1"}):
        with contextlib.suppress(docker.errors.APIError):
            client.images.remove(str(image.id), force=True)
    client.close()


@pytest.fixture(scope="session")
def image_store(tmp_path_factory: pytest.TempPathFactory) -> BlobStore:
    """Lend a store for synthetic images."""
    return BlobStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def sdk(docker_host: str) -> Iterator[docker.DockerClient]:
    """Lend Docker's own client, for what tests look at and the product does not."""
    client = docker.DockerClient(base_url=docker_host, version="auto")
    yield client
    client.close()


def registry_image(store: BlobStore) -> Image:
    """Make the image the compose file runs: docker-registry and nothing else."""
    layer = layer_of(store, "docker-registry", program_tar("docker-registry", {"etc/registry.yml": _REGISTRY_YML}))
    config = ImageConfig(
        platform=Platform.host() or Platform.parse("linux/amd64"),
        created=EPOCH,
        entrypoint=("/bin/docker-registry", "serve", "/etc/registry.yml"),
        exposed_ports=("5000/tcp",),
        labels=TEST_LABELS,
        diff_ids=(layer.diff_id,),
    )
    return Image(config=config, layers=(layer,))


_REGISTRY_YML = b"""version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: /var/lib/registry}, delete: {enabled: true}}
http: {addr: ":5000"}
"""


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    """Name the compose program that is here: the plug-in's, or Debian's docker-compose."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if plugin.returncode == 0:
        return "docker compose"
    if shutil.which("docker-compose"):
        return "docker-compose"
    pytest.fail("pytest-docker needs docker-compose: apt-get install docker-compose", pytrace=False)


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    return str(ROOT / "tests" / "integration" / "docker-compose.yml")


@pytest.fixture(scope="session")
def docker_setup(engine: DockerEngine, image_store: BlobStore) -> str:
    """Bring the registry's image in before compose starts it."""
    engine.load(registry_image(image_store), image_store, tags=["modelkiln-test-registry:local"])
    return "up -d --no-build"


@pytest.fixture(scope="session")
def registry(docker_services: Any) -> str:
    """Lend a real registry, as ``127.0.0.1:port``; both tests and the engine reach it there."""
    address = f"127.0.0.1:{docker_services.port_for('registry', 5000)}"

    def is_up() -> bool:
        try:
            with urllib.request.urlopen(f"http://{address}/v2/", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    docker_services.wait_until_responsive(check=is_up, timeout=30, pause=0.1)
    return address

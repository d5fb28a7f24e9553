"""Fixtures that lend tests a real container engine and a real registry. Nothing is skipped: no engine is a failure."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.engine.docker import DockerEngine
from builder.store.blobs import BlobStore

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
    """Lend a connection to that engine."""
    with DockerEngine.connect({"DOCKER_HOST": docker_host}) as connected:
        yield connected


@pytest.fixture(scope="session")
def image_store(tmp_path_factory: pytest.TempPathFactory) -> BlobStore:
    """Lend a store for synthetic images."""
    return BlobStore(tmp_path_factory.mktemp("store"))

from __future__ import annotations

import io
from pathlib import Path

import pytest

from builder.engine.namespaces import NamespaceRunner
from builder.host.clock import Clock
from builder.host.settings import load_settings
from builder.host.terminal import Terminal
from builder.oci.config import ImageConfig
from builder.oci.image import Image
from builder.oci.platform import Platform
from builder.pipeline.runners import AUTO, open_runner
from builder.pipeline.workshop import Workshop
from builder.store.blobs import BlobStore

IMAGE = Image(config=ImageConfig(platform=Platform.parse("linux/amd64"), created=0), layers=())


def test_an_engine_that_was_named_and_does_not_answer_is_named_when_the_image_runs_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    monkeypatch.setattr(NamespaceRunner, "prepare", lambda *_, **__: None, raising=False)
    stream = io.StringIO()
    workshop = Workshop(settings=load_settings(), store=BlobStore(tmp_path), terminal=Terminal(stream), clock=Clock())
    with open_runner(AUTO, workshop, IMAGE, tags=()) as runner:
        assert isinstance(runner, NamespaceRunner)
    [note, *_] = stream.getvalue().splitlines()
    assert f"unix://{tmp_path}/absent.sock (DOCKER_HOST)" in note
    assert "this machine's own namespaces" in note

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import docker.errors
import pytest
import requests.exceptions

from builder.engine.docker import DockerEngine
from builder.engine.runner import RunOptions
from builder.errors import DigestMismatchError, EngineError
from builder.oci.config import ImageConfig
from builder.oci.image import Image
from builder.oci.media_type import ManifestFormat
from builder.oci.platform import Platform
from builder.plan.model import EPOCH
from builder.store.blobs import BlobStore
from tests.support.images import layer_of, tar_of

OPTIONS = RunOptions(memory=1 << 20, cpu=2.0, uid=5)


def client_of(**info: Any) -> MagicMock:
    client = MagicMock()
    client.version.return_value = {"Version": "20.10", "Components": [{"Name": "Engine"}]}
    client.info.return_value = {"NCPU": 4, **info}
    client.api.images.return_value = []
    client.api.inspect_image.side_effect = docker.errors.ImageNotFound("none")
    return client


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path)


@pytest.fixture
def image(store: BlobStore) -> Image:
    layers = tuple(layer_of(store, name, tar_of({name: b"x"})) for name in ("a", "b"))
    config = ImageConfig(
        platform=Platform("linux", "amd64"), created=EPOCH, diff_ids=tuple(layer.diff_id for layer in layers)
    )
    return Image(config=config, layers=layers)


def holding(client: MagicMock, image: Image, image_id: str) -> None:
    found = {"Id": image_id, "RootFS": {"Layers": [str(diff_id) for diff_id in image.config.diff_ids]}, "Config": {}}

    def inspect(name: str) -> Any:
        if name != image_id.removeprefix("sha256:") and name != image_id:
            raise docker.errors.ImageNotFound("none")
        return found

    client.api.inspect_image.side_effect = inspect


def swallow(client: MagicMock, *events: dict[str, Any]) -> list[bytes]:
    """Let loading read the whole archive, as an engine does."""
    got: list[bytes] = []

    def load(archive: Any) -> Any:
        got.extend(archive)
        return iter(events)

    client.api.load_image.side_effect = load
    return got


def test_limits_the_kernel_lacks_are_named_and_not_asked_for(image: Image) -> None:
    client = client_of(MemoryLimit=True, SwapLimit=False, CpuCfsQuota=False, PidsLimit=False)
    holding(client, image, str(image.image_id))
    engine = DockerEngine(client, "unix:///x")
    assert len(engine.unapplied) == 3
    engine.start(image, OPTIONS)
    asked = client.containers.create.call_args.kwargs
    assert asked["mem_limit"] == 1 << 20
    assert not {"memswap_limit", "nano_cpus"} & set(asked)
    assert asked["pids_limit"] is None


def test_a_remote_engine_publishes_where_it_can_be_reached(image: Image) -> None:
    client = client_of()
    holding(client, image, str(image.image_id))
    DockerEngine(client, "tcp://10.0.0.7:2375").start(image, OPTIONS)
    assert client.containers.create.call_args.kwargs["ports"] == {"8080/tcp": ("", None)}
    DockerEngine(client, "unix:///x").start(image, OPTIONS)
    assert client.containers.create.call_args.kwargs["ports"] == {"8080/tcp": ("127.0.0.1", None)}


def test_an_engine_that_keeps_manifests_is_asked_for_the_manifest_and_sent_everything(
    image: Image, store: BlobStore
) -> None:
    client = client_of(DriverStatus=[["driver-type", "io.containerd.snapshotter.v1"]])
    engine = DockerEngine(client, "unix:///x")
    manifest = str(image.manifest(ManifestFormat.OCI).descriptor.digest)

    def load(archive: Any) -> Any:
        assert b"index.json" in b"".join(archive)
        holding(client, image, manifest)
        return iter(())

    client.api.load_image.side_effect = load
    assert engine.load(image, store) == manifest
    client.api.images.assert_not_called()


def test_an_image_that_does_not_arrive_is_a_digest_mismatch_with_the_engine_s_words(
    image: Image, store: BlobStore
) -> None:
    client = client_of()
    swallow(client, {"stream": "Loaded image ID: sha256:other\n"})
    with pytest.raises(DigestMismatchError) as caught:
        DockerEngine(client, "unix:///x").load(image, store)
    [fault] = caught.value.faults
    assert (fault.want, fault.got) == (str(image.image_id), "Loaded image ID: sha256:other")


def test_a_full_disk_in_the_engine_has_a_hint(image: Image, store: BlobStore) -> None:
    client = client_of()
    error = docker.errors.APIError("x", explanation="write /var/lib/docker/tmp: no space left on device")
    client.api.load_image.side_effect = error
    with pytest.raises(EngineError) as caught:
        DockerEngine(client, "unix:///x").load(image, store)
    assert caught.value.hint == "free some space on the engine's disk"


def test_an_engine_that_breaks_off_is_an_engine_error(image: Image, store: BlobStore) -> None:
    client = client_of()
    client.api.load_image.side_effect = requests.exceptions.ConnectionError("reset by peer")
    with pytest.raises(EngineError, match="broke off while asked to load the image"):
        DockerEngine(client, "unix:///x").load(image, store)


def test_tags_are_split_at_the_last_colon(image: Image) -> None:
    client = client_of()
    DockerEngine(client, "unix:///x").tag("sha256:1", "127.0.0.1:5000/models/churn:1.0.0")
    client.api.tag.assert_called_once_with("sha256:1", "127.0.0.1:5000/models/churn", "1.0.0", force=True)


def test_podman_s_ids_get_their_algorithm(image: Image) -> None:
    client = client_of()
    holding(client, image, image.image_id.hex)
    client.api.inspect_image.side_effect = lambda name: {
        "Id": image.image_id.hex,
        "RootFS": {"Layers": [str(diff_id) for diff_id in image.config.diff_ids]},
    }
    assert DockerEngine(client, "unix:///x").find(image) == str(image.image_id)


def test_a_container_that_cannot_be_started_is_removed(image: Image) -> None:
    client = client_of()
    holding(client, image, str(image.image_id))
    client.api.start.side_effect = docker.errors.APIError("x", explanation="exec format error")
    with pytest.raises(EngineError, match="for another architecture"):
        DockerEngine(client, "unix:///x").start(image, OPTIONS)
    assert client.api.remove_container.call_count == 1


def test_an_interrupted_start_leaves_no_container(image: Image) -> None:
    client = client_of()
    holding(client, image, str(image.image_id))
    client.api.start.side_effect = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        DockerEngine(client, "unix:///x").start(image, OPTIONS)
    assert client.api.remove_container.call_count == 1


def test_an_image_that_was_built_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    client = client_of()
    client.api.build.return_value = iter(())
    with pytest.raises(EngineError, match="says it built the image"):
        DockerEngine(client, "unix:///x").build(tmp_path, tag="x:1", buildkit=False)


def test_progress_says_how_much_was_sent(image: Image, store: BlobStore) -> None:
    client = client_of()
    swallow(client)
    said: list[str] = []
    with pytest.raises(DigestMismatchError):
        DockerEngine(client, "unix:///x").load(image, store, progress=said.append)
    assert said[-1].endswith("MB sent to the engine")
    assert json.dumps(said)

"""Registries that refuse, break off, fail or lie, through ``kiln push``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kiln import Kiln
from tests.support.registry import FakeRegistry, error_body, fake_registry
from tests.support.small import own_home, small_bundle, untouched

REGISTRY, REGISTRY_AUTH, REFUSED, USAGE, NOT_BUILT = 13, 14, 15, 2, 21
NAME = "models/small"
HASTY = """\
import threading

wait = threading.Event.wait
threading.Event.wait = lambda self, timeout=None: wait(self, timeout and min(timeout, 0.01))
"""


@pytest.fixture(scope="module")
def bundle(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that was built and tested."""
    bundle = small_bundle(tmp_path_factory.mktemp("bundle") / "small")
    kiln("image", bundle, "--runner", "namespaces")
    return bundle


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as running:
        yield running


@pytest.fixture
def push(kiln: Kiln, bundle: Path, tmp_path: Path) -> Kiln:
    """The command without this machine's logins, and with pauses that are over at once."""
    (tmp_path / "docker").mkdir()
    (tmp_path / "hasty").mkdir()
    (tmp_path / "hasty" / "sitecustomize.py").write_text(HASTY)
    return kiln.with_environ(DOCKER_CONFIG=str(tmp_path / "docker"), PYTHONPATH=str(tmp_path / "hasty"))


def tagged(registry: FakeRegistry) -> set[str]:
    """Return the tags the registry has; manifests are there by digest, too."""
    return {name for name in registry.manifests.get(NAME, {}) if not name.startswith("sha256:")}


def manifest_digest(bundle: Path) -> str:
    return str(json.loads((bundle / "build" / "image.json").read_text())["manifest_digest"])


def test_what_arrives_is_what_was_built(push: Kiln, bundle: Path, registry: FakeRegistry) -> None:
    with untouched(bundle):
        pushed = push("push", bundle, f"{registry.host}/models", "--json").json
    assert pushed["manifest_digest"] == manifest_digest(bundle)
    assert manifest_digest(bundle) in registry.manifests[NAME]


def test_a_registry_that_wants_a_login(push: Kiln, bundle: Path, registry: FakeRegistry) -> None:
    registry.auth = "basic"
    said = push("push", bundle, f"{registry.host}/models", code=REGISTRY_AUTH).stderr
    assert registry.host in said
    assert f"docker login {registry.host}" in said
    assert not tagged(registry)


def test_a_registry_that_refuses_the_login(push: Kiln, bundle: Path, registry: FakeRegistry, tmp_path: Path) -> None:
    registry.auth = "bearer"
    auth = {"auths": {registry.host: {"auth": "YWxpY2U6d3Jvbmctd29yZA=="}}}  # alice:wrong-word
    (tmp_path / "docker" / "config.json").write_text(json.dumps(auth))
    said = push("push", bundle, f"{registry.host}/models", code=REGISTRY_AUTH).stderr
    assert "refuses the credentials" in said
    assert "wrong-word" not in said
    assert "YWxpY2U6" not in said
    assert not tagged(registry)


def test_an_upload_whose_connection_breaks_is_completed(push: Kiln, bundle: Path, registry: FakeRegistry) -> None:
    registry.fail("PUT", "/blobs/uploads/", times=2, drop_after=100_000)
    pushed = push("push", bundle, f"{registry.host}/models", "--json").json
    assert pushed["manifest_digest"] == manifest_digest(bundle)
    assert tagged(registry)


def test_a_registry_that_always_breaks_off(push: Kiln, bundle: Path, registry: FakeRegistry) -> None:
    registry.fail("PUT", "/blobs/uploads/", times=10_000, drop_after=0)
    registry.fail("PATCH", "/blobs/uploads/", times=10_000, drop_after=0)
    said = push("push", bundle, f"{registry.host}/models", code=REGISTRY).stderr
    assert registry.host in said
    assert "hint: " in said
    assert not registry.manifests.get(NAME)


def test_a_registry_in_trouble_for_a_moment(push: Kiln, bundle: Path, registry: FakeRegistry) -> None:
    registry.fail("POST", "/blobs/uploads/", times=2, status=503, headers={"Retry-After": "0"})
    registry.fail("PUT", "/manifests/", times=1, status=500)
    push("push", bundle, f"{registry.host}/models")
    assert tagged(registry)


def test_a_registry_in_trouble_for_long(push: Kiln, bundle: Path, registry: FakeRegistry) -> None:
    body = error_body("UNAVAILABLE", "disk is full")
    registry.fail("POST", "/blobs/uploads/", times=10_000, status=503, body=body, headers={"Retry-After": "0"})
    said = push("push", bundle, f"{registry.host}/models", code=REGISTRY).stderr
    assert "registry keeps failing: UNAVAILABLE: disk is full" in said
    assert "at   POST /v2/models/small/blobs/uploads/" in said
    assert "hint: " in said
    assert not registry.manifests.get(NAME)


def test_a_registry_that_stores_another_manifest(push: Kiln, bundle: Path, registry: FakeRegistry) -> None:
    registry.fail("PUT", "/manifests/", times=100, replace=lambda content: content + b"\n")
    said = push("push", bundle, f"{registry.host}/models", code=REGISTRY).stderr
    assert "other bytes" in said
    assert f"want {manifest_digest(bundle)}" in said


def test_a_registry_whose_blobs_have_another_size(push: Kiln, bundle: Path, registry: FakeRegistry) -> None:
    layers = json.loads((bundle / "build" / "image.json").read_text())["layers"]
    registry.blobs[NAME] = {layers[0]["digest"]: b"short"}
    said = push("push", bundle, f"{registry.host}/models", code=REGISTRY).stderr
    assert "stores other bytes" in said
    assert layers[0]["digest"] in said
    assert f"want {layers[0]['size']} bytes" in said
    assert not registry.manifests.get(NAME)


def test_nobody_listens(push: Kiln, bundle: Path) -> None:
    said = push("push", bundle, "127.0.0.1:1/models", code=REGISTRY).stderr
    assert "127.0.0.1:1" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("written", ["models", "https://127.0.0.1:5000/models", "127.0.0.1:5000/Models", "a b:5000"])
def test_a_registry_that_cannot_be_one(push: Kiln, bundle: Path, written: str) -> None:
    said = push("push", bundle, written, code=USAGE).stderr
    assert "want host[:port][/path]" in said
    assert f"got  {written}" in said


def test_a_version_that_is_taken_does_not_move(
    push: Kiln, kiln: Kiln, bundle: Path, registry: FakeRegistry, tmp_path: Path
) -> None:
    push("push", bundle, f"{registry.host}/models")
    other = small_bundle(tmp_path / "other", more="description: another one\n")
    kiln("image", other, "--runner", "namespaces")
    before = dict(registry.manifests[NAME])
    said = push("push", other, f"{registry.host}/models", code=REFUSED).stderr
    assert "already names other content" in said
    assert "--move-tag" in said
    assert registry.manifests[NAME] == before


def test_an_image_pushed_after_the_store_was_cleared(
    kiln: Kiln, push: Kiln, bundle: Path, registry: FakeRegistry, tmp_path: Path
) -> None:
    elsewhere = push.with_environ(KILN_HOME=str(tmp_path / "empty"))
    elsewhere("push", bundle, f"{registry.host}/models")
    assert manifest_digest(bundle) in registry.manifests[NAME]


def test_a_blob_damaged_since_the_build_is_not_pushed(
    kiln: Kiln, push: Kiln, bundle: Path, registry: FakeRegistry, tmp_path: Path
) -> None:
    own, home = own_home(kiln, tmp_path / "home")
    copied = tmp_path / "bundle"
    shutil.copytree(bundle, copied, ignore=shutil.ignore_patterns("build"))
    layer = own("build", copied, "--json").json["layers"][1]
    own("test", copied, "--runner", "namespaces")
    for path in (home.blob(layer["digest"]), copied / "build/layout/blobs/sha256" / layer["digest"][7:]):
        content = bytearray(path.read_bytes())
        content[1000] ^= 1
        path.unlink()
        path.write_bytes(content)
    said = own("push", copied, f"{registry.host}/models", code=NOT_BUILT).stderr
    assert f"layer is lost: {layer['holds']}" in said
    assert f"want {layer['digest']}" in said
    assert "hint: run `kiln " in said
    assert not registry.manifests.get(NAME)

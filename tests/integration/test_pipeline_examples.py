"""The main job on the three examples: from a bundle to a tested image to a registry and back."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import docker
import pytest

from builder.bundle.parser import load_bundle
from builder.engine.docker import DockerEngine
from builder.oci.digest import Digest
from builder.smoke.run import run_smoke
from builder.store.images import read_layout
from tests.support.docker_registry import docker_registry
from tests.support.kiln import EXAMPLES, ROOT, BuiltByEngine, Kiln, copy_example

pytestmark = [pytest.mark.engine]


@pytest.fixture(scope="module")
def built(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Build each example once, from its committed lock."""
    out = {}
    for name in EXAMPLES:
        bundle = copy_example(name, tmp_path_factory.mktemp("bundles") / name)
        out[name] = kiln("build", bundle, "--json").json | {"bundle": bundle}
    return out


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_committed_lock_fits(kiln: Kiln, name: str) -> None:
    kiln("lock", "--check", ROOT / "examples" / name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_build_says_what_it_made(built: dict[str, dict[str, Any]], name: str) -> None:
    record = built[name]
    version = load_bundle(record["bundle"]).version
    assert record["reference"] == f"{name}:{version}"
    assert record["builder"] == "native"
    assert record["tags"] == [f"{name}:{version}", f"{name}:{version}-{record['image_id'][7:19]}"]
    layout = Path(record["layout"])
    for digest in [record["image_id"], *record["manifests"].values(), *(layer["digest"] for layer in record["layers"])]:
        assert Digest.of((layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()) == Digest.parse(
            digest
        )
    assert all(layer.keys() >= {"digest", "diff_id", "size", "holds"} for layer in record["layers"])
    assert record["timings"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_second_build_gives_the_same_image_in_another_place(
    kiln: Kiln, built: dict[str, dict[str, Any]], name: str, tmp_path: Path
) -> None:
    again = copy_example(name, tmp_path / "somewhere" / "else")
    os.utime(again / "bundle.yaml", (1, 1))
    record = kiln("build", again, "--json").json
    assert record["image_id"] == built[name]["image_id"]
    assert record["manifest_digest"] == built[name]["manifest_digest"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_exact_image_passes_in_this_machines_own_namespaces(
    kiln: Kiln, built: dict[str, dict[str, Any]], name: str
) -> None:
    report = kiln("test", built[name]["bundle"], "--runner", "namespaces", "--json").json
    assert report["passed"]
    assert report["image_id"] == built[name]["image_id"]
    assert report["runner"].startswith("namespaces")


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_exact_image_passes_in_docker(engine_kiln: Kiln, built: dict[str, dict[str, Any]], name: str) -> None:
    ran = engine_kiln("test", built[name]["bundle"], "--runner", "docker", "--json")
    assert ran.json["passed"]
    assert ran.json["image_id"] == built[name]["image_id"]
    assert ran.json["runner"].startswith("docker")
    junit = (built[name]["bundle"] / "build" / "smoke.xml").read_text()
    assert built[name]["image_id"] in junit


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_pushed_runs_after_docker_pull_by_digest(
    engine_kiln: Kiln, built: dict[str, dict[str, Any]], name: str, tmp_path: Path, sdk: docker.DockerClient
) -> None:
    record = built[name]
    engine_kiln("test", record["bundle"])
    with docker_registry(tmp_path) as registry:
        pushed = engine_kiln("push", record["bundle"], f"{registry.host}/models", "--json").json
        assert pushed["manifest_digest"] == record["manifest_digest"]
        assert pushed["reference"].startswith(f"{registry.host}/models/{name}:")
        for tag in record["tags"]:
            sdk.images.remove(tag, force=True)
        image = sdk.images.pull(f"{registry.host}/models/{name}@{pushed['manifest_digest']}")
        assert image.id == record["image_id"]
        _ask_a_container(sdk, image.id, load_bundle(record["bundle"]).smoke[0].path, _sample(record["bundle"]))
        sdk.images.remove(image.id, force=True)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("buildkit", [False, True], ids=["classic", "buildkit"])
def test_plain_docker_build_of_the_dockerfile_passes_the_same_smoke_tests(
    engine: DockerEngine, kiln: Kiln, built: dict[str, dict[str, Any]], name: str, *, buildkit: bool
) -> None:
    record = built[name]
    tag = f"kiln-test-{name}:{uuid.uuid4().hex[:8]}"
    image_id = engine.build(Path(record["context"]), tag=tag, buildkit=buildkit)
    bundle = load_bundle(record["bundle"])
    image = read_layout(Path(record["layout"]), bundle.environment.platforms[0])
    runner = BuiltByEngine(engine=engine, image_id=image_id)
    report = run_smoke(bundle, image, runner, reference=tag, manifest_digests={})
    assert report.passed, report.to_table()
    subprocess.run(["docker", "-H", engine.url, "rmi", "-f", tag], check=True, capture_output=True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_build_by_the_engine_ends_at_the_same_image_id(
    engine_kiln: Kiln, built: dict[str, dict[str, Any]], name: str, tmp_path: Path
) -> None:
    bundle = copy_example(name, tmp_path / name)
    record = engine_kiln("build", bundle, "--builder", "docker", "--json").json
    assert record["builder"] == "docker"
    assert record["engine_image_id"] != record["image_id"]
    assert record["image_id"] == built[name]["image_id"]


def test_one_command_does_it_all_without_an_engine(kiln: Kiln, churn: Path) -> None:
    (churn / "bundle.lock").unlink()
    (churn / "requirements.lock").unlink()
    ran = kiln.with_environ(DOCKER_HOST="unix:///nowhere.sock")("image", churn)
    assert "locking, since" in ran.stderr
    assert "@sha256:" in ran.last_line
    assert json.loads((churn / "build" / "smoke.json").read_text())["passed"]


def test_after_a_fetch_a_build_needs_no_network(kiln: Kiln, built: dict[str, dict[str, Any]], churn: Path) -> None:
    kiln("fetch", churn)
    record = kiln("build", churn, "--offline", "--json", prefix=("unshare", "--net")).json
    assert record["image_id"] == built["churn"]["image_id"]


def test_the_image_runs_a_command_given_to_it(
    engine_kiln: Kiln, built: dict[str, dict[str, Any]], sdk: docker.DockerClient
) -> None:
    engine_kiln("test", built["churn"]["bundle"])
    said = sdk.containers.run(
        built["churn"]["image_id"], ["python3", "-c", "import sklearn; print(sklearn.__name__)"], remove=True
    )
    assert said == b"sklearn\n"


def _sample(bundle: Path) -> bytes:
    return next(test.request for test in load_bundle(bundle).smoke if test.expect.status == 200)


def _ask_a_container(sdk: docker.DockerClient, image_id: str, path: str, body: bytes) -> None:
    container = sdk.containers.run(image_id, detach=True, ports={"8080/tcp": ("127.0.0.1", None)})
    try:
        container.reload()
        port = container.ports["8080/tcp"][0]["HostPort"]
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", data=body, headers={"Content-Type": "application/json"}
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    assert answer.status == 200
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
    finally:
        container.remove(force=True)

"""Locks that cannot be made, that no longer fit, and what they name turning out to be something else."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.oci.config import ImageConfig
from builder.oci.image import Image
from builder.oci.platform import Platform
from builder.oci.reference import Reference
from builder.plan.model import EPOCH
from builder.publish.push import push_image
from builder.store.blobs import BlobStore
from builder.store.images import read_layout
from tests.support.docker_registry import DockerRegistry, docker_registry
from tests.support.kiln import Kiln
from tests.support.package_index import PackageIndex
from tests.support.small import Home, edit, own_home, small_bundle, untouched

LOCK_DRIFT, RESOLUTION, FETCH, DIGEST_MISMATCH, BASE_IMAGE = 4, 5, 6, 7, 8


@pytest.fixture(scope="module")
def locked(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with its lock; not to be changed."""
    bundle = small_bundle(tmp_path_factory.mktemp("locked") / "bundle")
    kiln("lock", bundle)
    kiln("build", bundle)
    return bundle


def of_index(kiln: Kiln, index: PackageIndex) -> Kiln:
    """The command with this package index and no other."""
    settings = dict.fromkeys(("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"), "")
    return kiln.with_environ(
        **settings, PIP_CONFIG_FILE="/dev/null", PIP_INDEX_URL=index.url, PIP_NO_CACHE_DIR="1", UV_NO_CACHE="1"
    )


@pytest.fixture
def index(tmp_path: Path) -> PackageIndex:
    return PackageIndex(tmp_path / "index")


@pytest.fixture
def bundle(locked: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-r", locked, tmp_path / "bundle"], check=True)
    return tmp_path / "bundle"


def test_a_model_changed_since_the_lock(kiln: Kiln, bundle: Path) -> None:
    (bundle / "model" / "weights.json").write_text('{"factor": 3}')
    with untouched(bundle):
        ran = kiln("build", bundle, code=LOCK_DRIFT)
        checked = kiln("lock", "--check", bundle, code=LOCK_DRIFT)
    # Before the error stands how long reading took.
    assert checked.stderr.partition("error:")[2] == ran.stderr.partition("error:")[2]
    assert "model/weights.json" in ran.stderr
    assert "want a lock for sha256:" in ran.stderr
    assert "got  a lock for sha256:" in ran.stderr
    assert "hint: " in ran.stderr


def test_everything_that_changed_since_the_lock_is_named(kiln: Kiln, bundle: Path) -> None:
    edit(bundle, "requirements: []", "requirements: [cloudpickle], system_packages: [libgomp1]")
    (bundle / "requirements.lock").write_text("cloudpickle==3.1.0\n")
    with untouched(bundle):
        said = kiln("image", "--locked", bundle, code=LOCK_DRIFT).stderr
    for named in ("cloudpickle", "libgomp1", "requirements.lock"):
        assert named in said


@pytest.mark.parametrize("text", ["", "{", "[]", '{"lock_version": 99}', '{"lock_version": 1}'])
def test_a_lock_that_is_no_lock(kiln: Kiln, bundle: Path, text: str) -> None:
    (bundle / "bundle.lock").write_text(text)
    with untouched(bundle):
        ran = kiln("build", bundle, code=LOCK_DRIFT)
    assert "bundle.lock" in ran.stderr
    assert "hint: run `kiln lock" in ran.stderr


def test_a_requirement_that_cannot_be_met_leaves_the_old_lock(kiln: Kiln, bundle: Path, index: PackageIndex) -> None:
    index.add("demo", "1.0", requires=["left-pad<1"])
    index.add("left-pad", "2.0")
    edit(bundle, "requirements: []", "requirements: [demo]")
    with untouched(bundle):
        said = of_index(kiln, index)("lock", bundle, code=RESOLUTION).stderr
    assert "left-pad<1" in said.replace("left_pad", "left-pad")
    assert "demo" in said
    assert "hint: " in said


def test_a_requirement_nobody_has(kiln: Kiln, bundle: Path, index: PackageIndex) -> None:
    edit(bundle, "requirements: []", "requirements: [no-such-thing==1.0]")
    with untouched(bundle):
        said = of_index(kiln, index)("image", bundle, code=RESOLUTION).stderr
    assert "no-such-thing==1.0" in said
    assert "hint: " in said


@pytest.fixture
def with_wheel(kiln: Kiln, bundle: Path, index: PackageIndex, tmp_path: Path) -> tuple[Kiln, Home, str]:
    """A bundle with a dependency from an index of this test's own, locked, in a home of its own; the wheel's hash."""
    own, home = own_home(kiln, tmp_path / "home")
    digest = index.add("demo", payload="WORD = 'good'\n")
    edit(bundle, "requirements: []", "requirements: [demo]")
    own = of_index(own, index)
    own("lock", bundle)
    return own, home, digest.hex


def test_an_index_that_serves_other_bytes_than_were_locked(
    with_wheel: tuple[Kiln, Home, str], bundle: Path, index: PackageIndex
) -> None:
    own, home, wheel = with_wheel
    home.blob(wheel).unlink()
    index.add("demo", payload="WORD = 'evil'\n")
    with untouched(bundle, home.blobs):
        said = own("fetch", bundle, code=DIGEST_MISMATCH).stderr
    assert "demo" in said
    assert f"want sha256:{wheel}" in said
    assert "got  sha256:" in said
    assert "hint: " in said
    with untouched(bundle / "build" / "layout"):
        own("build", bundle, code=DIGEST_MISMATCH)
    home.demand_whole()


def test_a_tampered_wheel_in_the_store_is_never_built_in(
    with_wheel: tuple[Kiln, Home, str], bundle: Path, index: PackageIndex, tmp_path: Path
) -> None:
    own, home, wheel = with_wheel
    good = own("build", bundle, "--json").json["image_id"]
    other = PackageIndex(tmp_path / "other").root
    evil = PackageIndex(other).add("demo", payload="WORD = 'evil'\n")
    home.replace(wheel, next((other / "demo").glob("*.whl")).read_bytes())  # a sound wheel, and another one
    assert evil.hex != wheel
    home.forget_layers()
    said = own("build", bundle, "--offline", code=FETCH).stderr
    assert f"want sha256:{wheel}" in said
    assert "is not in the store" in said
    assert own("build", bundle, "--json").json["image_id"] == good, "brought again"
    home.demand_whole()


def test_a_dependency_that_is_gone_from_the_index(
    with_wheel: tuple[Kiln, Home, str], bundle: Path, index: PackageIndex
) -> None:
    own, home, wheel = with_wheel
    home.blob(wheel).unlink()
    index.remove("demo")
    with untouched(home.blobs):
        said = own("fetch", bundle, code=FETCH).stderr
    assert "demo-1.0-py3-none-any.whl is no longer on the configured index" in said
    assert f"want sha256:{wheel}" in said
    assert "hint: " in said


# A base that is an image in a registry.


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def push_base(kiln: Kiln, locked: Path, registry: DockerRegistry, repository: str) -> str:
    """Push an image with Python that is not ours: our own base's layer under another name and configuration."""
    built = read_layout(locked / "build" / "layout", Platform.parse("linux/amd64"))
    layer = built.layers[0]
    config = ImageConfig(
        platform=built.config.platform,
        created=EPOCH,
        env=(("PATH", "/usr/bin:/bin"), ("FROM_BASE", "yes")),
        diff_ids=(layer.diff_id,),
    )
    reference = Reference(registry=registry.host, repository=repository, tag="3.11")
    push_image(Image(config=config, layers=(layer,)), BlobStore(kiln.home / "store"), reference)
    return str(reference)


@pytest.fixture(scope="module")
def base(kiln: Kiln, locked: Path, registry: DockerRegistry) -> str:
    return push_base(kiln, locked, registry, "bases/python")


def test_a_registrys_image_as_base_is_pinned_built_and_tested(kiln: Kiln, base: str, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    edit(bundle, 'python: "3.11"', f'python: "3.11", base: "{base}"')
    kiln("image", bundle, "--runner", "namespaces")
    lock = json.loads((bundle / "bundle.lock").read_text())
    assert lock["base"]["name"] == base
    assert lock["base"]["digest"].startswith("sha256:")
    assert json.loads((bundle / "build" / "smoke.json").read_text())["passed"]
    dockerfile = (bundle / "build" / "context" / "Dockerfile").read_text()
    assert lock["base"]["digest"] in dockerfile
    assert "@sha256:" in dockerfile


def test_a_base_digest_the_registry_does_not_know(
    kiln: Kiln, base: str, registry: DockerRegistry, tmp_path: Path
) -> None:
    name = base.rpartition(":")[0]
    unknown = f"{name}@sha256:{'0' * 64}"
    bundle = small_bundle(tmp_path / "bundle")
    edit(bundle, 'python: "3.11"', f'python: "3.11", base: "{unknown}"')
    with untouched(bundle):
        said = kiln("lock", bundle, code=BASE_IMAGE).stderr
    assert "base digest unknown" in said
    assert "0" * 64 in said
    assert "hint: " in said


def test_a_locked_base_the_registry_lost(kiln: Kiln, locked: Path, registry: DockerRegistry, tmp_path: Path) -> None:
    base = push_base(kiln, locked, registry, "bases/lost")
    bundle = small_bundle(tmp_path / "bundle")
    edit(bundle, 'python: "3.11"', f'python: "3.11", base: "{base}"')
    kiln("lock", bundle)
    shutil.rmtree(registry.storage / "docker/registry/v2/repositories/bases/lost")
    own = kiln.with_environ(KILN_HOME=str(tmp_path / "home"))
    with untouched(bundle):
        said = own("fetch", bundle, code=BASE_IMAGE).stderr
    assert "base digest unknown" in said
    assert json.loads((bundle / "bundle.lock").read_text())["base"]["digest"] in said
    assert not list((tmp_path / "home" / "store").rglob("aside/*"))


def test_a_base_that_is_not_there_at_all(kiln: Kiln, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    edit(bundle, 'python: "3.11"', 'python: "3.11", base: debian99-python3.11')
    with untouched(bundle):
        said = kiln("lock", bundle, code=BASE_IMAGE).stderr
    assert "no such base image: debian99-python3.11" in said
    assert "debian12-python3.11" in said

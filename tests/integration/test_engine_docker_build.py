from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import docker
import pytest

from builder.engine.build import buildkit_client
from builder.engine.docker import DockerEngine
from builder.engine.runner import RunOptions
from builder.errors import EngineError
from builder.oci.config import ImageConfig
from builder.render.context import write_context
from builder.render.dockerfile import render_dockerfile
from tests.support.contexts import Workshop, make_workshop
from tests.support.images import INTERPRETER

pytestmark = pytest.mark.engine
BUILDERS = pytest.mark.parametrize("buildkit", [False, True], ids=["classic", "buildkit"])
OPTIONS = RunOptions(memory=192 << 20, cpu=1, uid=4711)
LISTING = """
import os
for folder, folders, files in os.walk("/opt"):
    for name in sorted(folders + files):
        path = os.path.join(folder, name)
        status = os.stat(path)
        print(oct(status.st_mode)[2:], status.st_uid, status.st_gid, path)
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return make_workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="module")
def context(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    destination = tmp_path_factory.mktemp("build") / "context"
    umask = os.umask(0o077)  # a careful user's; the image must not depend on it
    try:
        write_context(
            workshop.plan,
            render_dockerfile(workshop.plan),
            store=workshop.store,
            origins=workshop.origins,
            destination=destination,
        )
    finally:
        os.umask(umask)
    return destination


def build(engine: DockerEngine, context: Path, *, buildkit: bool) -> str:
    return engine.build(context, tag=f"kiln-test-build:{'buildkit' if buildkit else 'classic'}", buildkit=buildkit)


@BUILDERS
def test_the_image_has_the_plan_s_configuration(
    engine: DockerEngine, context: Path, workshop: Workshop, sdk: docker.DockerClient, buildkit: bool
) -> None:
    found = sdk.api.inspect_image(build(engine, context, buildkit=buildkit))
    assert found["Architecture"] == workshop.plan.platform.architecture
    got, want = found["Config"], _as_docker(workshop.plan.config)
    assert set(want.pop("Env")) <= set(got["Env"])
    assert {key: got[key] for key in want} == want


def _as_docker(config: ImageConfig) -> dict[str, Any]:
    return dict(config.to_dict()["config"])


@BUILDERS
def test_the_image_holds_what_the_plan_says_and_runs(engine: DockerEngine, context: Path, buildkit: bool) -> None:
    instance = engine.start_id(build(engine, context, buildkit=buildkit), OPTIONS)
    try:
        listing = instance.execute((INTERPRETER, "-c", LISTING), timeout=30).output.splitlines()
        owners = {line.split()[1:3] == ["0", "0"] for line in listing}
        modes = {line.split()[0] for line in listing}
        files = {line.split(maxsplit=3)[3] for line in listing}
        assert (owners, modes) == ({True}, {"40755", "100644"})
        assert {
            "/opt/kiln/kiln_runtime/entry.py",
            "/opt/kiln/server/greet/__init__.py",
            "/opt/model/bundle.json",
            "/opt/model/code/score.py",
            "/opt/model/model/weights [1].bin",
            "/opt/model/packages/greet/__init__.py",
        } <= files
        tag = f"cpython-{INTERPRETER[15:].replace('.', '')}"
        assert {path for path in files if path.endswith(".pyc")} == {
            f"/opt/kiln/kiln_runtime/__pycache__/entry.{tag}.pyc",
            f"/opt/kiln/kiln_runtime/__pycache__/probe.{tag}.pyc",
            f"/opt/kiln/server/greet/__pycache__/__init__.{tag}.pyc",
            f"/opt/model/packages/greet/__pycache__/__init__.{tag}.pyc",
        }
        script = "import sys; sys.path.append('/opt/model/packages'); import greet; print(greet.hello())"
        assert instance.execute((INTERPRETER, "-c", script), timeout=30).output == "hello\n"
        deadline = time.monotonic() + 30
        while instance.health() != "healthy":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert instance.stop(10).code == 0
    finally:
        instance.remove()


@BUILDERS
def test_a_wheel_with_another_hash_fails_the_build_in_that_step(
    engine: DockerEngine, workshop: Workshop, tmp_path: Path, buildkit: bool
) -> None:
    context = tmp_path / "context"
    write_context(
        workshop.plan,
        render_dockerfile(workshop.plan),
        store=workshop.store,
        origins=workshop.origins,
        destination=context,
    )
    lock = context / "packages" / "requirements.lock"
    lock.write_text(lock.read_text().replace("sha256:", "sha256:0")[:-2] + "\n")
    with pytest.raises(EngineError) as caught:
        engine.build(context, tag="kiln-test-build:bad", buildkit=buildkit)
    [fault] = caught.value.faults
    assert "--find-links=/build/packages" in (fault.at or "")
    assert "HASHES" in (fault.got or "")


def test_buildkit_can_be_driven_on_this_machine() -> None:
    assert buildkit_client()


def test_with_no_choice_either_builder_may_build(engine: DockerEngine, context: Path) -> None:
    assert engine.build(context, tag="kiln-test-build:any").startswith("sha256:")

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builder.base.model import LockedDeb
from builder.errors import DigestMismatchError, StoreError
from builder.oci.digest import Digest
from builder.plan.model import DebSource, FileSource, Origin, PlannedLayer, Purpose
from builder.render.context import write_context
from builder.store.blobs import BlobStore
from tests.support.contexts import Workshop, make_workshop
from tests.support.images import MINOR


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return make_workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "build" / "context"


@pytest.fixture
def careful_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def write(made: Workshop, destination: Path, dockerfile: str = "FROM scratch\n", **changes: object) -> None:
    arguments = {"store": made.store, "origins": made.origins, "destination": destination} | changes
    write_context(made.plan, dockerfile, **arguments)


def listing(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_context_holds_the_dockerfile_and_every_file_of_the_plan(made: Workshop, destination: Path) -> None:
    write(made, destination)
    [layer] = made.plan.base_on_platform.layers
    assert listing(destination) == {
        "Dockerfile",
        f"base/sha256-{layer.descriptor.digest.hex}.tar.gz",
        "bundle.json",
        "bytecode.py",
        "code/score.py",
        f"installer/{made.plan.installer.filename}",
        "model/weights [1].bin",
        "packages/greet-1.0-py3-none-any.whl",
        "packages/requirements.lock",
        "runtime/entry.py",
        "runtime/probe.py",
        "server/greet-1.0-py3-none-any.whl",
        "server/requirements.lock",
    }
    assert (destination / "Dockerfile").read_text() == "FROM scratch\n"
    assert (destination / "bundle.json").read_text() == '{"name": "hello"}\n'
    assert (destination / "model" / "weights [1].bin").read_bytes() == bytes(1000)


@pytest.mark.usefixtures("careful_umask")
def test_modes_are_the_plan_s_whatever_the_umask(made: Workshop, destination: Path) -> None:
    layers = list(made.plan.layers)
    script = replace(layers[4].sources[0], mode=0o755)
    layers[4] = replace(layers[4], sources=(script,))
    write(replace(made, plan=replace(made.plan, layers=tuple(layers))), destination)
    modes = {
        path.relative_to(destination).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (destination, *destination.rglob("*"))
    }
    assert modes["code/score.py"] == 0o755
    assert modes["."] == modes["code"] == modes["model"] == 0o755
    assert modes["Dockerfile"] == modes["bundle.json"] == modes["runtime/entry.py"] == 0o644


def test_blobs_are_links_into_the_store_and_the_author_s_files_are_not_shared(
    made: Workshop, destination: Path
) -> None:
    write(made, destination)
    wheel = destination / "packages" / "greet-1.0-py3-none-any.whl"
    assert wheel.read_bytes()[:2] == b"PK"
    assert (destination / "model" / "weights [1].bin").stat().st_nlink == 1
    digests = [
        source.wheel.digest for layer in made.plan.layers for source in layer.sources if hasattr(source, "wheel")
    ]
    assert wheel.stat().st_size == made.store.size(digests[0])


def test_a_second_writing_replaces_the_first_whole(made: Workshop, destination: Path) -> None:
    write(made, destination)
    (destination / "stray").write_text("x")
    write(made, destination, "FROM base\n")
    assert not (destination / "stray").exists()
    assert (destination / "Dockerfile").read_text() == "FROM base\n"
    assert [path.name for path in destination.parent.iterdir()] == ["context"]


def test_every_blob_that_is_missing_is_named_and_nothing_is_written(
    made: Workshop, destination: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoreError) as caught:
        write(made, destination, store=BlobStore(tmp_path / "empty"))
    facts = [fault.fact for fault in caught.value.faults]
    assert "greet-1.0-py3-none-any.whl is not in the store" in facts
    assert any(fact.startswith("base ") for fact in facts)
    assert caught.value.hint == "kiln fetch brings what the lock names"
    assert not destination.parent.exists()


def test_every_file_that_changed_since_the_plan_is_named_and_the_old_context_stays(
    made: Workshop, destination: Path
) -> None:
    write(made, destination, "FROM old\n")
    layers = tuple(
        replace(
            layer,
            sources=tuple(
                replace(source, digest=Digest.of(b"other")) if isinstance(source, FileSource) else source
                for source in layer.sources
            ),
        )
        for layer in made.plan.layers
    )
    with pytest.raises(DigestMismatchError) as caught:
        write(replace(made, plan=replace(made.plan, layers=layers)), destination)
    assert len(caught.value.faults) == 4
    assert str(made.origins[Origin.BUNDLE] / "score.py") in [fault.at for fault in caught.value.faults]
    assert (destination / "Dockerfile").read_text() == "FROM old\n"
    assert [path.name for path in destination.parent.iterdir()] == ["context"]


def test_a_file_that_is_gone_is_named(made: Workshop, destination: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        write(made, destination, origins={**made.origins, Origin.RUNTIME: tmp_path / "gone"})
    assert caught.value.faults[0].at == str(tmp_path / "gone" / "entry.py")
    assert list(destination.parent.iterdir()) == []


def test_system_packages_come_from_the_layer_that_was_assembled(made: Workshop, destination: Path) -> None:
    deb = LockedDeb(
        name="libgomp1",
        version="1",
        architecture="amd64",
        archive="main",
        filename="x",
        size=1,
        digest=Digest.of(b"deb"),
    )
    system = PlannedLayer(purpose=Purpose.SYSTEM, title="system packages: libgomp1", sources=(DebSource(deb=deb),))
    with_system = replace(made, plan=replace(made.plan, layers=(system, *made.plan.layers)))
    blob = made.store.add(b"a layer")
    write(with_system, destination, made_blobs=[blob])
    assert (destination / "system" / "packages-0.tar.gz").read_bytes() == b"a layer"
    with pytest.raises(StoreError, match="have not been assembled"):
        write(with_system, destination)


def with_large_model(made: Workshop, content: bytes) -> Workshop:
    source = made.plan.layers[3].sources[0]
    assert isinstance(source, FileSource)
    (made.origins[Origin.BUNDLE] / source.source).write_bytes(content)
    large = replace(source, digest=Digest.of(content), size=len(content))
    layers = (*made.plan.layers[:3], replace(made.plan.layers[3], sources=(large,)), *made.plan.layers[4:])
    return replace(made, plan=replace(made.plan, layers=layers))


def test_a_large_copy_is_made_once_and_again_only_when_something_changed(tmp_path: Path, destination: Path) -> None:
    made = make_workshop(tmp_path)
    model = destination / "model" / "weights [1].bin"
    large = with_large_model(made, b"a" * (2 << 20))
    write(large, destination)
    first = model.stat().st_ino
    write(large, destination)
    assert model.stat().st_ino == first
    assert model.stat().st_nlink == 1

    model.write_bytes(b"tampered")
    write(large, destination)
    assert model.read_bytes() == b"a" * (2 << 20)

    write(with_large_model(made, b"b" * (2 << 20)), destination)
    assert model.read_bytes() == b"b" * (2 << 20)


def test_where_files_cannot_be_linked_they_are_copied(
    tmp_path: Path, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = with_large_model(make_workshop(tmp_path), b"c" * (1 << 20))
    write(made, destination)

    def refuse(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write(made, destination)
    assert (destination / "model" / "weights [1].bin").read_bytes() == b"c" * (1 << 20)


def test_the_synthetic_base_is_this_machine_s_python(made: Workshop) -> None:
    assert made.plan.base.python == MINOR

from __future__ import annotations

import gzip
import itertools
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.assemble import linker as linker_module
from builder.assemble.assembler import assemble, remembered
from builder.assemble.bytecode import Interpreter, bytecode_path
from builder.assemble.layer import write_layer
from builder.base.model import BaseKind, LockedBase, LockedBasePlatform, LockedDeb
from builder.errors import BaseImageError, BundleError, DigestMismatchError, FetchError, HostError, PlanError
from builder.oci.config import ImageConfig
from builder.oci.digest import Digest
from builder.oci.entry import Entry, InlineContent
from builder.oci.image import Image
from builder.oci.platform import Platform
from builder.plan.model import (
    EPOCH,
    DebSource,
    FileSource,
    Origin,
    Plan,
    PlannedLayer,
    Purpose,
    Source,
    TextSource,
    WheelSource,
)
from builder.store.blobs import BlobStore
from builder.store.records import Records
from tests.support.wheels import make_wheel, source_of, tree_of

AMD64 = Platform("linux", "amd64")
PYTHON = ".".join(platform.python_version_tuple()[:2])
THIS = Interpreter(argv=(sys.executable,), version=platform.python_version())
DEB = LockedDeb(
    name="libdemo1", version="1-2", architecture="amd64", archive="main", filename="pool/x.deb", size=3,
    digest=Digest.of(b"deb"),
)  # fmt: skip


class Workshop:
    """A store, a bundle folder and plans made of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bundle = root / "bundle"
        self.bundle.mkdir(parents=True)
        self.store = BlobStore(root / "store")
        self.store.add(b"deb")
        base = write_layer([Entry.file("etc/base", InlineContent(b"base"))], self.store, title="base")
        self.base = LockedBase(
            kind=BaseKind.DEBIAN,
            name="debian",
            digest=Digest.of(b"base"),
            python=PYTHON,
            platforms=(
                LockedBasePlatform(
                    platform=AMD64, layers=(base,), interpreter=f"/usr/bin/python{PYTHON}", glibc=(2, 36)
                ),
            ),
        )

    def wheel(self, name: str, files: dict[str, bytes], **options: Any) -> WheelSource:
        path = make_wheel(self.root / "wheels", files, name=name, **options)
        self.store.add_file(path)
        return source_of(path, python=PYTHON)

    def file(self, path: str, data: bytes, *, origin: Origin = Origin.BUNDLE) -> FileSource:
        place = self.bundle / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return FileSource(
            path=f"opt/model/code/{path}", origin=origin, source=path, digest=Digest.of(data), size=len(data)
        )

    def plan(self, *layers: tuple[Purpose, Sequence[Source]]) -> Plan:
        return Plan(
            name="demo",
            version="1.0",
            repository="demo",
            platform=AMD64,
            base=self.base,
            layers=tuple(
                PlannedLayer(purpose=purpose, title=f"{purpose} {number}", sources=tuple(sources))
                for number, (purpose, sources) in enumerate(layers)
            ),
            config=ImageConfig(platform=AMD64, created=EPOCH, user="10001:0"),
            requirements="",
            server_requirements="",
            installer=self.wheel("pip", {}).wheel,
        )

    def build(self, plan: Plan, *, interpreter: Interpreter | None = None, jobs: int = 2, **options: Any) -> Image:
        return assemble(
            plan,
            store=self.store,
            origins={Origin.BUNDLE: self.bundle, Origin.RUNTIME: self.bundle},
            deb_entries=lambda debs: [Entry.file(f"usr/lib/{deb.name}", InlineContent(b"so")) for deb in debs],
            interpreter=interpreter,
            jobs=jobs,
            **options,
        )

    def layers_made(self) -> int:
        return len(
            [path for path in (self.store.root / "blobs/sha256").iterdir() if path.read_bytes()[:2] == b"\x1f\x8b"]
        )


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "one")


def everything(workshop: Workshop) -> Plan:
    code = b"".join(b"def f%d():\n    return %d\n" % (number, number) for number in range(300))
    return workshop.plan(
        (Purpose.SYSTEM, [DebSource(deb=DEB)]),
        (Purpose.RUNTIME, [workshop.file("entry.py", code, origin=Origin.RUNTIME)]),
        (Purpose.DEPENDENCIES, [workshop.wheel("numbers", {"numbers/__init__.py": code, "numbers/x.so": code * 9})]),
        (
            Purpose.DEPENDENCIES,
            [workshop.wheel("one", {"one.py": code}), workshop.wheel("two", {"two.py": code, "py2.py": b"print 1\n"})],
        ),
        (Purpose.MODEL, [workshop.file("model.bin", bytes(range(256)) * 1000)]),
        (Purpose.CODE, [workshop.file("score.py", b"def predict(model, records): ...\n")]),
        (Purpose.CONFIGURATION, [TextSource(path="opt/model/bundle.json", text='{"ü": 1}')]),
    )


def test_a_plan_becomes_an_image_whose_every_blob_is_in_the_store(workshop: Workshop) -> None:
    plan = everything(workshop)
    image = workshop.build(plan, interpreter=THIS)
    assert len(image.layers) == 1 + len(plan.layers)
    assert image.layers[0] == workshop.base.platforms[0].layers[0]
    for layer in image.layers:
        blob = workshop.store.read(layer.descriptor.digest)
        assert Digest.of(gzip.decompress(blob)) == layer.diff_id
    assert workshop.store.read(image.image_id) == image.config.encode()
    assert image.config.user == "10001:0"
    trees = [tree_of(workshop.store, layer) for layer in image.layers]
    assert trees[1]["usr/lib/libdemo1"][2] == b"so"
    assert trees[3]["opt/model/packages/numbers/__init__.py"][0] == "0"
    assert {"opt/model/packages/one.py", "opt/model/packages/two.py"} <= set(trees[4])
    assert trees[5]["opt/model/code/model.bin"][2] == bytes(range(256)) * 1000
    assert trees[7]["opt/model/bundle.json"] == ("0", 0o644, '{"ü": 1}'.encode())


def test_dependencies_and_runtime_get_bytecode_and_the_author_s_code_does_not(workshop: Workshop) -> None:
    image = workshop.build(everything(workshop), interpreter=THIS)
    found = {path for layer in image.layers for path in tree_of(workshop.store, layer) if path.endswith(".pyc")}
    packages = "opt/model/packages"
    assert found == {
        bytecode_path(path, THIS.tag)
        for path in (
            "opt/model/code/entry.py",
            f"{packages}/numbers/__init__.py",
            f"{packages}/one.py",
            f"{packages}/two.py",
        )
    }


@pytest.mark.parametrize("interpreter", [None, THIS], ids=["without bytecode", "with bytecode"])
def test_one_job_or_many_in_any_store_make_the_same_image(tmp_path: Path, interpreter: Interpreter | None) -> None:
    images = []
    for number, jobs in enumerate((1, 2, 8)):
        workshop = Workshop(tmp_path / str(number))
        images.append(workshop.build(everything(workshop), interpreter=interpreter, jobs=jobs))
    assert images[0] == images[1] == images[2]


def test_bytecode_makes_another_image(workshop: Workshop) -> None:
    plan = everything(workshop)
    assert workshop.build(plan).image_id != workshop.build(plan, interpreter=THIS).image_id


def test_what_was_made_before_is_not_made_again(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = everything(workshop)
    said: list[str] = []
    first = workshop.build(plan, interpreter=THIS, progress=said.append)
    assert len(said) == len(plan.layers)
    assert None not in remembered(plan, workshop.store, THIS)
    monkeypatch.setattr(linker_module, "write_layer", None)
    monkeypatch.setattr("builder.assemble.wheel.wheel_entries", None)
    assert workshop.build(plan, interpreter=THIS, progress=said.append) == first
    assert len(said) == len(plan.layers)


def test_only_what_changed_is_made(workshop: Workshop) -> None:
    plan = everything(workshop)
    first = workshop.build(plan, interpreter=THIS)
    changed = workshop.file("score.py", b"def predict(model, records): return records\n")
    layers = [*plan.layers]
    layers[5] = replace(layers[5], sources=(changed,))
    said: list[str] = []
    second = workshop.build(replace(plan, layers=tuple(layers)), interpreter=THIS, progress=said.append)
    assert said == ["1 of 1 layers: code 5"]
    assert [one == other for one, other in zip(first.layers, second.layers, strict=True)] == [True] * 6 + [False, True]


def test_a_layer_that_left_the_store_is_made_again(workshop: Workshop) -> None:
    plan = everything(workshop)
    first = workshop.build(plan, interpreter=THIS)
    lost = workshop.store.path(first.layers[3].descriptor.digest)
    content = lost.read_bytes()
    lost.unlink()
    lost.with_name(first.layers[4].descriptor.digest.hex).chmod(0o644)
    lost.with_name(first.layers[4].descriptor.digest.hex).write_bytes(b"cut short")
    assert workshop.build(plan, interpreter=THIS) == first
    assert lost.read_bytes() == content


def test_bytecode_is_made_once_for_all_bundles(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = workshop.wheel("one", {"one.py": b"x = 1\n"}), workshop.wheel("two", {"two.py": b"x = 1\n"})
    workshop.build(workshop.plan((Purpose.DEPENDENCIES, [one, two])), interpreter=THIS)
    monkeypatch.setattr(linker_module, "compile_batch", None)
    image = workshop.build(
        workshop.plan((Purpose.DEPENDENCIES, [one]), (Purpose.DEPENDENCIES, [two])), interpreter=THIS
    )
    assert sum(path.endswith(".pyc") for layer in image.layers for path in tree_of(workshop.store, layer)) == 2


def test_an_interpreter_of_another_python_is_refused(workshop: Workshop) -> None:
    with pytest.raises(HostError, match="another Python"):
        workshop.build(everything(workshop), interpreter=replace(THIS, version="3.8.1"))


def test_all_that_is_not_in_the_store_is_named(workshop: Workshop) -> None:
    plan = everything(workshop)
    for layer in plan.layers:
        for source in layer.sources:
            if isinstance(source, WheelSource):
                workshop.store.path(source.wheel.digest).unlink()
    workshop.store.path(DEB.digest).unlink()
    with pytest.raises(FetchError) as caught:
        workshop.build(plan)
    assert [fault.fact.split()[0] for fault in caught.value.faults] == [
        "libdemo1",
        "numbers-1.0-py3-none-any.whl",
        "one-1.0-py3-none-any.whl",
        "two-1.0-py3-none-any.whl",
    ]


def test_a_base_layer_that_is_not_in_the_store_is_named(workshop: Workshop) -> None:
    plan = everything(workshop)
    workshop.store.path(plan.base_on_platform.layers[0].descriptor.digest).unlink()
    with pytest.raises(BaseImageError, match="a layer of base debian"):
        workshop.build(plan)


@pytest.mark.parametrize("data", [b"def predict(): pass\n", b"", b"x" * 100_000])
def test_a_file_that_changed_since_the_plan_is_named(workshop: Workshop, data: bytes) -> None:
    source = workshop.file("score.py", b"def predict(model, records): ...\n")
    plan = workshop.plan((Purpose.CODE, [source]))
    (workshop.bundle / "score.py").write_bytes(data)
    before = workshop.layers_made()
    with pytest.raises(DigestMismatchError, match=r"score.py changed") as caught:
        workshop.build(plan)
    assert caught.value.faults[0].at == str(workshop.bundle / "score.py")
    assert workshop.layers_made() == before
    assert remembered(plan, workshop.store, None) == (None,)


def test_a_file_that_is_gone_is_named(workshop: Workshop) -> None:
    plan = everything(workshop)
    (workshop.bundle / "model.bin").unlink()
    with pytest.raises(BundleError, match=r"cannot read model.bin"):
        workshop.build(plan)


def test_a_file_known_to_be_unchanged_is_not_hashed_again(workshop: Workshop) -> None:
    source = workshop.file("model.bin", b"weights")
    info = (workshop.bundle / "model.bin").stat()
    memory = Records(workshop.root, "files")
    key = [info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns]
    wrong = replace(source, digest=Digest.of(b"of something else"))
    plan = workshop.plan((Purpose.MODEL, [wrong]))
    with pytest.raises(DigestMismatchError):
        workshop.build(plan, memory=memory)
    memory.put(key, str(wrong.digest))
    assert workshop.build(plan, memory=memory)


def test_two_wheels_for_one_path_are_both_named_wherever_they_stand(workshop: Workshop) -> None:
    one, two = workshop.wheel("one", {"shared/x.py": b"1"}), workshop.wheel("two", {"shared/x.py": b"2"})
    for layers in (
        [(Purpose.DEPENDENCIES, [one]), (Purpose.DEPENDENCIES, [two])],
        [(Purpose.DEPENDENCIES, [one, two])],
    ):
        with pytest.raises(PlanError) as caught:
            workshop.build(workshop.plan(*layers))
        [fault] = caught.value.faults
        assert "shared/x.py" in fault.fact
        assert fault.want is not None
        assert fault.got is not None
        assert (fault.want.split("-")[0], fault.got.split("-")[0]) == ("one", "two")


def test_a_clash_is_found_again_when_every_layer_is_remembered(workshop: Workshop) -> None:
    one, two = workshop.wheel("one", {"shared/x.py": b"1"}), workshop.wheel("two", {"shared/x.py": b"2"})
    plan = workshop.plan((Purpose.DEPENDENCIES, [one]), (Purpose.DEPENDENCIES, [two]))
    for _ in range(2):
        with pytest.raises(PlanError, match="two wheels own one path"):
            workshop.build(plan)
    assert None not in remembered(plan, workshop.store, None)


def test_a_file_of_one_wheel_where_another_has_a_folder_is_refused(workshop: Workshop) -> None:
    one, two = workshop.wheel("one", {"thing": b""}), workshop.wheel("two", {"thing/x.py": b""})
    with pytest.raises(PlanError, match="a file of one wheel is a folder of another"):
        workshop.build(workshop.plan((Purpose.DEPENDENCIES, [one]), (Purpose.DEPENDENCIES, [two])))


def test_wheels_that_share_equal_files_fit_together(workshop: Workshop) -> None:
    one = workshop.wheel("one", {"space/__init__.py": b"# shared\n", "space/one.py": b""})
    two = workshop.wheel("two", {"space/__init__.py": b"# shared\n", "space/two.py": b""})
    assert workshop.build(workshop.plan((Purpose.DEPENDENCIES, [one]), (Purpose.DEPENDENCIES, [two])))
    assert workshop.build(workshop.plan((Purpose.DEPENDENCIES, [one, two])), interpreter=THIS)


def test_the_same_wheel_below_two_prefixes_is_no_clash(workshop: Workshop) -> None:
    one = workshop.wheel("one", {"one.py": b"x = 1\n"})
    other = replace(one, prefix="opt/kiln/server")
    assert workshop.build(workshop.plan((Purpose.RUNTIME, [other]), (Purpose.DEPENDENCIES, [one])), interpreter=THIS)


def test_one_bad_wheel_among_many_leaves_no_layer_of_it(workshop: Workshop) -> None:
    good = [workshop.wheel(f"good{number}", {f"good{number}.py": b"x = 1\n" * 5000}) for number in range(5)]
    bad = workshop.wheel("bad", {"bad.py": b"x" * 100}, overrides={"bad.py": b"y" * 100})
    for interpreter, order in itertools.product((None, THIS), ([bad, *good], [*good, bad])):
        with pytest.raises(DigestMismatchError, match=r"bad.py"):
            workshop.build(
                workshop.plan(*((Purpose.DEPENDENCIES, [source]) for source in order)), interpreter=interpreter
            )
        plan = workshop.plan((Purpose.DEPENDENCIES, [bad]))
        assert remembered(plan, workshop.store, interpreter) == (None,)
        assert not list((workshop.store.root / "aside").iterdir())


def test_an_interrupted_build_is_completed_by_the_next(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = everything(workshop)
    calls = itertools.count()

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return write_layer(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(linker_module, "write_layer", interrupted)
        with pytest.raises(KeyboardInterrupt):
            workshop.build(plan, interpreter=THIS, jobs=1)
    assert not list((workshop.store.root / "aside").iterdir())
    other = Workshop(workshop.root / "other")
    assert workshop.build(plan, interpreter=THIS) == other.build(everything(other), interpreter=THIS)


def test_an_image_of_nothing_but_its_base_is_the_base(workshop: Workshop) -> None:
    image = workshop.build(workshop.plan())
    assert image.layers == workshop.base.platforms[0].layers

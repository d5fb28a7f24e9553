"""Hostile archives where a person meets them: a wheel in a locked bundle, a layer in an image to look at."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builder.lock.files import read_lock, write_lock
from builder.lock.inputs import REQUIREMENT
from builder.lock.model import LockedWheel, deep_checksum
from builder.oci.digest import Digest
from builder.store.growth import FLOOR
from tests.support.hostile import FILENAME, bomb, digest_tree, hostile_tars, hostile_wheels, odd_wheels
from tests.support.kiln import Kiln
from tests.support.small import Home, contents, edit, own_home, small_bundle

pytestmark = [pytest.mark.mirror, pytest.mark.package_index]
REFUSED = {7, 17}
"""A wheel is not what it says, or breaks its specification."""
CHOSEN = (
    "cut after 50 %",
    "an absolute path",
    "a path that leaves from within",
    "a path that leaves by a scheme",
    "a bomb",
    "a bomb that says it is small",
    "a bomb of overlapping members",
    "a name twice",
    "a file that is also a folder",
    "a file below a symbolic link",
    "a wrong CRC",
    "a wrong hash in RECORD",
    "zip64 with a size of exabytes",
    "a data descriptor and a wrong CRC",
    "encrypted",
    "bzip2",
    "lzma",
    "a command that leaves its folder",
)
"""One of each kind; every other is refused in the same place, which tests/unit/test_hostile_archives.py shows."""


@pytest.fixture(scope="module")
def locked(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that was locked and built without dependencies; not to be changed."""
    bundle = small_bundle(tmp_path_factory.mktemp("bundle") / "small")
    kiln("lock", bundle)
    kiln("build", bundle)
    return bundle


@pytest.fixture(scope="module")
def own(kiln: Kiln, locked: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Kiln, Home]:
    assert locked.is_dir()
    return own_home(kiln, tmp_path_factory.mktemp("own") / "home")


def depend_on(bundle: Path, wheel: bytes, home: Home) -> None:
    """Have a lock name a wheel by its own digest, as an index would that was taken over; and have it fetched."""
    digest = Digest.of(wheel)
    (home.blobs / digest.hex).write_bytes(wheel)
    edit(bundle, "requirements: []", "requirements: [demo==1.0]")
    lock, requirements = read_lock(bundle)
    requirements += f"demo==1.0 \\\n    --hash={digest}\n"
    named = LockedWheel(name="demo", version="1.0", filename=FILENAME, size=len(wheel), digest=digest)
    inputs = dict(sorted({**lock.inputs, f"{REQUIREMENT}demo": "demo==1.0"}.items()))
    changed = replace(
        lock,
        requirements=Digest.of(requirements.encode()),
        inputs=inputs,
        deep_checksum=deep_checksum(inputs),
        platforms=tuple(replace(one, wheels=(named,)) for one in lock.platforms),
    )
    write_lock(bundle, changed, requirements)


@pytest.fixture
def bundle(locked: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the bundle in a folder beside which nothing appears."""
    copied = tmp_path / "place" / "small"
    shutil.copytree(locked, copied, ignore=shutil.ignore_patterns("build"))
    yield copied
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["small"]
    assert not list(Path("/tmp").glob("kiln-was-here*"))
    assert not list(Path("/").glob("kiln-was-here*"))


@pytest.mark.parametrize("case", CHOSEN)
def test_no_image_is_made_of_a_hostile_wheel(own: tuple[Kiln, Home], bundle: Path, case: str) -> None:
    kiln, home = own
    depend_on(bundle, hostile_wheels()[case], home)
    before = contents(bundle)
    for _ in range(2):  # what the first attempt left helps the second to nothing
        ran = kiln.attempt("build", bundle, "--offline")
        assert ran.code in REFUSED, ran
        assert "demo" in ran.stderr
        assert "Traceback" not in ran.stderr
    after = contents(bundle)
    assert {name for name in after if name not in before} <= {"build", "build/.guard"}
    assert {name: after[name] for name in before} == before
    home.demand_whole()


def test_an_odd_wheel_makes_the_image_of_a_plain_one(own: tuple[Kiln, Home], locked: Path, tmp_path: Path) -> None:
    kiln, home = own
    trees = []
    for number, (case, wheel) in enumerate(odd_wheels().items()):
        bundle = tmp_path / str(number)
        shutil.copytree(locked, bundle, ignore=shutil.ignore_patterns("build"))
        depend_on(bundle, wheel, home)
        layers = kiln("build", bundle, "--offline", "--json").json["layers"]
        trees.append((case, [layer["diff_id"] for layer in layers if " small depend" in layer["holds"]]))
    assert trees[0][1]
    assert all(diff_ids == trees[0][1] for _, diff_ids in trees), trees


def forged(layout: Path, destination: Path, blob: bytes, tar: Digest | None = None) -> Path:
    """Copy a layout and put another blob in its last layer's place, every digest of which fits."""
    shutil.copytree(layout, destination)
    index = json.loads((destination / "index.json").read_text())
    [entry] = [one for one in index["manifests"] if "oci" in one["mediaType"]]

    def put(content: bytes) -> tuple[str, int]:
        name = hashlib.sha256(content).hexdigest()
        (destination / "blobs/sha256" / name).write_bytes(content)
        return f"sha256:{name}", len(content)

    def read(digest: str) -> bytes:
        return (destination / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()

    manifest = json.loads(read(entry["digest"]))
    config = json.loads(read(manifest["config"]["digest"]))
    manifest["layers"][-1]["digest"], manifest["layers"][-1]["size"] = put(blob)
    config["rootfs"]["diff_ids"][-1] = str(tar or Digest.of(b"never seen"))
    manifest["config"]["digest"], manifest["config"]["size"] = put(json.dumps(config).encode())
    entry["digest"], entry["size"] = put(json.dumps(manifest).encode())
    index["manifests"] = [entry]
    (destination / "index.json").write_text(json.dumps(index))
    return destination


def test_an_image_that_would_fill_the_disk_is_not_looked_at(
    own: tuple[Kiln, Home], locked: Path, tmp_path: Path
) -> None:
    kiln, home = own
    image = forged(locked / "build/layout", tmp_path / "image", bomb(FLOOR + (256 << 20)))
    for command in (("diff", locked, image), ("verify", image), ("verify", image, "--sources", locked)):
        said = kiln(*command, code=9).stderr
        assert "unpacks to more than anything real does" in said
        assert "do not trust where it comes from" in said
    home.demand_whole()


@pytest.mark.parametrize("case", ["a path that leaves", "a hard link out", "a link to a folder, and a file in it"])
def test_an_image_that_reaches_out_is_looked_at_without_writing(
    kiln: Kiln, locked: Path, tmp_path: Path, case: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    before = digest_tree(outside)
    tar = hostile_tars(outside)[case]
    image = forged(locked / "build/layout", tmp_path / "image", gzip.compress(tar, mtime=0), Digest.of(tar))
    for command in (("diff", locked, image, "--json"), ("verify", image, "--sources", locked, "--json")):
        ran = kiln.attempt(*command)
        assert ran.code in {0, 7, 9, 11}, ran
        assert "Traceback" not in ran.stderr
        assert "secret" not in ran.stdout.replace("/secret", "")
    assert digest_tree(outside) == before

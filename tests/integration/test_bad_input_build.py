"""Builds that are cut short or run side by side: what is left is whole, and the next build completes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder.oci.digest import Digest
from tests.support.kiln import ROOT, Kiln
from tests.support.small import Home, copy_locked, fill, own_home, small_bundle, small_disk, unprivileged, untouched

STORE, HOST = 9, 19
KINDS = ("interrupted", "killed")


@pytest.fixture(scope="module")
def bundle(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with its lock, and its image as it should be; not to be changed."""
    bundle = small_bundle(tmp_path_factory.mktemp("bundle") / "small")
    (bundle / "model" / "weights.bin").write_bytes(os.urandom(40_000_000))
    (bundle / "bundle.yaml").write_text(
        (bundle / "bundle.yaml").read_text().replace("path: model/weights.json", "path: model")
    )
    (bundle / "score.py").write_text(
        (bundle / "score.py").read_text().replace('"weights.json"', '"model/weights.json"')
    )
    kiln("lock", bundle)
    kiln("build", bundle)
    return bundle


@pytest.fixture(scope="module")
def image_id(bundle: Path) -> str:
    return str(json.loads((bundle / "build" / "image.json").read_text())["image_id"])


@pytest.fixture
def own(kiln: Kiln, bundle: Path, tmp_path: Path) -> tuple[Kiln, Home]:
    """The command with a store that has all that was fetched and nothing that was made."""
    return own_home(kiln, tmp_path / "home")


def copy(bundle: Path, destination: Path) -> Path:
    shutil.copytree(bundle, destination, ignore=shutil.ignore_patterns("build"))
    return destination


def begin(kiln: Kiln, bundle: Path, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "builder.cli", "build", str(bundle), "--json"],
        env=dict(kiln.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        **options,  # type: ignore[call-overload]
    )


def _size(path: Path) -> int:
    """Return the bytes of a file, and none of one that was renamed away meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def wait_for_half_a_layer(home: Home, running: subprocess.Popen[str]) -> None:
    """Return as soon as a layer is being written."""
    aside = home.path / "store" / "aside"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert running.poll() is None, running.communicate()
        if list(aside.glob("held-link-*")) and any(_size(path) for path in aside.glob("tmp*")):
            return
        time.sleep(0.0005)
    pytest.fail("no layer was being written")


# A full disk.


def test_a_disk_that_fills_while_a_layer_is_written(kiln: Kiln, bundle: Path, image_id: str, tmp_path: Path) -> None:
    copied = copy(bundle, tmp_path / "bundle")
    with small_disk(tmp_path / "disk", size="200m") as (disk, prefix):
        home = copy_locked(kiln, bundle / "bundle.lock", disk / "home")
        own = kiln.with_environ(KILN_HOME=str(tmp_path / "disk" / "home"))
        own("fetch", copied, prefix=prefix)
        ballast = fill(disk, leave=20_000_000)  # less than the weights
        before = set(home.blobs.iterdir())
        said = own("build", copied, code=STORE, prefix=prefix).stderr
        assert "No space left on device" in said
        assert "hint: free some space, or point KILN_HOME at a larger disk" in said
        home.demand_whole()
        assert before <= set(home.blobs.iterdir())
        assert not (copied / "build" / "layout").exists()
        ballast.unlink()
        assert own("build", copied, "--json", prefix=prefix).json["image_id"] == image_id
        home.demand_whole()


def test_a_full_disk_below_the_bundle(kiln: Kiln, bundle: Path, image_id: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="300m") as (disk, prefix):
        copied, seen = copy(bundle, disk / "bundle"), tmp_path / "disk" / "bundle"
        ballast = fill(disk, leave=30_000_000)
        with untouched(copied / "model"):
            said = kiln("build", seen, code=STORE, prefix=prefix).stderr
        assert "No space left on device" in said
        assert f"at   {seen}/build" in said
        assert "hint: free some space" in said
        assert [path.name for path in (copied / "build").iterdir()] == [".guard"]
        with untouched(copied):
            rest = fill(disk, leave=0)
            said = kiln("lock", "--upgrade", seen, code=HOST, prefix=prefix).stderr
        assert "the lock cannot be written: No space left on device" in said
        rest.unlink()
        ballast.unlink()
        assert kiln("build", seen, "--json", prefix=prefix).json["image_id"] == image_id


def test_a_bundle_on_a_read_only_disk(kiln: Kiln, bundle: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="150m") as (disk, prefix):
        copy(bundle, disk / "bundle")
        seen = tmp_path / "disk" / "bundle"
        subprocess.run([*prefix, "mount", "-o", "remount,ro", tmp_path / "disk"], check=True)
        for command in ("build", "render", "image"):
            said = kiln(command, seen, code=HOST, prefix=prefix).stderr
            assert "build folder cannot be written: Read-only file system" in said
            assert f"at   {seen}/build" in said
        kiln("plan", seen, prefix=prefix)


# A build that does not end by itself.


@pytest.mark.parametrize("how", KINDS)
def test_the_build_after_a_broken_one_makes_the_same_image(
    own: tuple[Kiln, Home], bundle: Path, image_id: str, tmp_path: Path, how: str
) -> None:
    kiln, home = own
    copied = copy(bundle, tmp_path / "bundle")
    running = begin(kiln, copied)
    wait_for_half_a_layer(home, running)
    running.send_signal(signal.SIGINT if how == "interrupted" else signal.SIGKILL)
    out, said = running.communicate(timeout=60)
    assert not out
    assert not (copied / "build" / "layout").exists()
    if how == "interrupted":
        assert running.returncode == 130
        assert "interrupted; nothing half-written was kept" in said
        assert "Traceback" not in said
        home.demand_whole()
        assert [path.name for path in (copied / "build").iterdir()] == [".guard"]
    else:
        for path in (home.path / "store" / "aside").iterdir():
            os.utime(path, (1, 1))  # what was left long ago is nobody's
    assert kiln("build", copied, "--json").json["image_id"] == image_id
    home.demand_whole()
    assert sorted(path.name for path in (copied / "build").iterdir()) == [".guard", "context", "image.json", "layout"]


# Side by side.


def test_two_builds_of_one_bundle_at_once(own: tuple[Kiln, Home], bundle: Path, image_id: str, tmp_path: Path) -> None:
    kiln, home = own
    copied = copy(bundle, tmp_path / "bundle")
    both = [begin(kiln, copied) for _ in range(2)]
    for running in both:
        out, said = running.communicate(timeout=120)
        assert running.returncode == 0, said
        assert json.loads(out)["image_id"] == image_id
    home.demand_whole()
    assert sorted(path.name for path in (copied / "build").iterdir()) == [".guard", "context", "image.json", "layout"]


def test_builds_of_different_bundles_at_once(
    own: tuple[Kiln, Home], bundle: Path, image_id: str, tmp_path: Path
) -> None:
    kiln, home = own
    first = copy(bundle, tmp_path / "first")
    others = [copy(bundle, tmp_path / name) for name in ("second", "third")]
    for other in others:
        text = (other / "bundle.yaml").read_text()
        (other / "bundle.yaml").write_text(text.replace("name: small", f"name: {other.name}"))
        kiln("lock", other)
    all_three = [begin(kiln, path) for path in (first, *others)]
    ids = []
    for running in all_three:
        out, said = running.communicate(timeout=120)
        assert running.returncode == 0, said
        ids.append(json.loads(out)["image_id"])
    assert ids[0] == image_id
    assert len(set(ids)) == 3
    home.demand_whole()


# A store that is not what it should be.


@pytest.mark.parametrize(("which", "how"), [("made", "flipped"), ("base", "cut")])
def test_a_damaged_layer_is_noticed_and_made_anew(
    own: tuple[Kiln, Home], bundle: Path, image_id: str, tmp_path: Path, which: str, how: str
) -> None:
    kiln, home = own
    copied = copy(bundle, tmp_path / "bundle")
    record = kiln("build", copied, "--json").json
    digest = record["layers"][0 if which == "base" else 2]["digest"]
    content = bytearray(home.blob(digest).read_bytes())
    content[len(content) // 2] ^= 1
    home.replace(digest, content if how == "flipped" else content[:-100])
    assert kiln("build", copied, "--json").json["image_id"] == image_id
    home.demand_whole()
    layout = copied / "build" / "layout"
    for layer in record["layers"]:
        assert Digest.of((layout / "blobs" / "sha256" / layer["digest"][7:]).read_bytes()) == Digest.parse(
            layer["digest"]
        )


def test_records_that_are_nonsense_cost_only_time(
    own: tuple[Kiln, Home], bundle: Path, image_id: str, tmp_path: Path
) -> None:
    kiln, home = own
    copied = copy(bundle, tmp_path / "bundle")
    kiln("build", copied)
    for number, path in enumerate(sorted((home.path / "store" / "records").rglob("*"))):
        if path.is_file():
            path.write_text(('{"x"', "[1]", '{"value": {"digest": "sha256:zz", "size": -1}}')[number % 3])
    assert kiln("build", copied, "--json").json["image_id"] == image_id


def test_a_store_this_user_may_not_write_to(kiln: Kiln, bundle: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    own = kiln.with_environ(KILN_HOME=str(home))
    said = own("build", copy(bundle, tmp_path / "bundle"), code=STORE, prefix=unprivileged()).stderr
    assert "cannot write to the store: Permission denied" in said
    assert f"at   {home}/store" in said
    assert "hint: point KILN_HOME at a folder you may write to" in said


def test_a_home_that_is_a_file(kiln: Kiln, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = kiln.with_environ(KILN_HOME=str(tmp_path / "file"))("build", bundle, code=STORE).stderr
    assert "cannot write to the store: Not a directory" in said
    assert "hint: point KILN_HOME at a folder" in said


def test_a_home_where_nothing_can_be_made(kiln: Kiln, bundle: Path) -> None:
    said = kiln.with_environ(KILN_HOME="/proc/nothing")("build", bundle, code=STORE).stderr
    assert "cannot write to the store: No such file or directory" in said
    assert "hint: point KILN_HOME at a place where folders can be made" in said

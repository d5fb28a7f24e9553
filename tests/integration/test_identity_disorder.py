"""One bundle, one lock, one image: whoever builds it, wherever, whenever, with whatever is there already."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disorder import (
    Disorder,
    build,
    clock,
    cold_home,
    hostname,
    pythons,
    recreate,
    require_same,
    shuffle_times,
    shuffled_folder,
    user,
)
from tests.support.kiln import Kiln, copy_example

pytestmark = [pytest.mark.mirror, pytest.mark.package_index]


@pytest.fixture(scope="module")
def reference(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the churn example as it comes, and return the bundle."""
    bundle = copy_example("churn", tmp_path_factory.mktemp("reference") / "churn")
    kiln("fetch", bundle)
    kiln("build", bundle)
    return bundle


@pytest.fixture
def place() -> Iterator[Path]:
    """Lend a folder that any user may enter and write to; pytest's own are one user's alone."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def open_up(folder: Path) -> None:
    """Let every user write below a folder."""
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        path.chmod(0o777)


def layout(bundle: Path) -> Path:
    return bundle / "build" / "layout"


ONE_BY_ONE = {
    "another user": lambda: Disorder(prefix=user(12345)),
    "a careful umask": lambda: Disorder(umask=0o077),
    "an open umask": lambda: Disorder(umask=0o000),
    "another time zone": lambda: Disorder(environ={"TZ": "Asia/Kathmandu"}),
    "the POSIX locale": lambda: Disorder(environ={"LC_ALL": "POSIX", "LANG": "POSIX", "PYTHONUTF8": "0"}),
    "another host name": lambda: Disorder(prefix=hostname("elsewhere")),
    "hash seed 1": lambda: Disorder(environ={"PYTHONHASHSEED": "1"}),
    "hash seed 4242": lambda: Disorder(environ={"PYTHONHASHSEED": "4242"}),
    "the year 1997": lambda: Disorder(environ=clock("1997-01-01 00:00:00")),
    "the year 2037": lambda: Disorder(environ=clock("2037-12-31 23:59:59")),
    "one processor": lambda: Disorder(prefix=("taskset", "--cpu-list", "0")),
    "one job": lambda: Disorder(environ={"KILN_JOBS": "1"}),
    "eight jobs": lambda: Disorder(environ={"KILN_JOBS": "8"}),
    "a source date of someone else's": lambda: Disorder(environ={"SOURCE_DATE_EPOCH": "1"}),
}


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_with_warm_caches_the_image_does_not_depend_on_the_machine(
    kiln: Kiln, reference: Path, name: str, place: Path
) -> None:
    again = recreate(reference, place / "churn", 1)
    # Files of the bundle are hashed and its layers written anew: their cache is by what they hold.
    home = place / "home"
    (home / "store").mkdir(parents=True)
    shutil.copytree(kiln.home / "store" / "records", home / "store" / "records")
    for kind in ("files", "context"):
        shutil.rmtree(home / "store" / "records" / kind, ignore_errors=True)
    copy = ["cp", "--archive", "--link", str(kiln.home / "store" / "blobs"), str(home / "store")]
    if subprocess.run(copy, check=False).returncode:  # on another file system
        subprocess.run([word for word in copy if word != "--link"], check=True)
    subprocess.run(["chmod", "-R", "a+rwX", str(home / "store" / "records")], check=True)
    open_up(place)
    build(again, home, ONE_BY_ONE[name]())
    require_same(layout(reference), layout(again))


def test_with_cold_caches_another_user_machine_and_time_make_the_same_image(
    kiln: Kiln, reference: Path, place: Path
) -> None:
    again = recreate(reference, place / "ein Ordner, ünïcode" / "x", 2)
    shuffle_times(again, 2)
    home = cold_home(kiln.home, place / "home")
    open_up(place)
    disorder = Disorder(
        prefix=(*hostname("elsewhere"), "taskset", "--cpu-list", "0", *user(12345)),
        environ={
            "TZ": "Pacific/Kiritimati",
            "LC_ALL": "C.UTF-8",
            "PYTHONHASHSEED": "77",
            "HOME": "/nonexistent",
            "KILN_JOBS": "1",
            **clock("2035-05-05 05:05:05"),
        },
        umask=0o077,
    )
    build(again, home, disorder)
    require_same(layout(reference), layout(again))
    build(again, home, Disorder(prefix=user(12345), environ={"KILN_JOBS": "8"}))  # and now all of it from the cache
    require_same(layout(reference), layout(again))


def test_with_cold_caches_another_python_eight_jobs_and_shuffled_folders_make_the_same_image(
    kiln: Kiln, reference: Path, place: Path
) -> None:
    source = recreate(reference, place / "churn", 3)
    shuffle_times(source, 3)
    home = cold_home(kiln.home, place / "home")
    disorder = Disorder(
        python=pythons()[-1],
        environ={"KILN_JOBS": "8", "PYTHONHASHSEED": "random", "LC_ALL": "POSIX", "TZ": "America/St_Johns"},
        umask=0o002,
    )
    with shuffled_folder(source, place / "mounted") as mounted:
        build(mounted, home, disorder)
        shutil.copytree(layout(mounted), place / "layout")
    require_same(layout(reference), place / "layout")

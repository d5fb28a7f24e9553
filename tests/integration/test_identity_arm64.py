"""The image for another architecture: linked here without emulation, and then run in one to see that it is right."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from builder.oci.platform import Platform
from tests.support.kiln import EXAMPLES, Kiln, copy_example
from tests.support.packages import program

pytestmark = [pytest.mark.mirror, pytest.mark.package_index]
HOST = Platform.host() or Platform.parse("linux/amd64")
Both = tuple[Path, dict[str, Any]]
"""A bundle and what ``kiln build --json`` said of it."""
OTHER = Platform("linux", "arm64" if HOST.architecture == "amd64" else "amd64")


@pytest.fixture(scope="module")
def both(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Both]:
    """Lock and build an example for both platforms, once."""

    @cache
    def build(name: str) -> Both:
        bundle = copy_example(name, tmp_path_factory.mktemp("both") / name)
        text = (bundle / "bundle.yaml").read_text()
        wanted = "  requirements: requirements.txt\n"
        assert wanted in text
        (bundle / "bundle.yaml").write_text(text.replace(wanted, f"{wanted}  platforms: [linux/amd64, linux/arm64]\n"))
        kiln("lock", bundle)
        return bundle, kiln("build", bundle, "--json").json

    return build


@pytest.mark.parametrize("name", EXAMPLES)
def test_both_images_are_built_here_and_each_is_identical_when_built_again(
    kiln: Kiln, both: Callable[[str], Both], name: str
) -> None:
    bundle, record = both(name)
    images = {one["platform"]: one["image_id"] for one in record["platforms"]}
    assert set(images) == {"linux/amd64", "linux/arm64"}
    alone = kiln("verify", f"oci:{bundle / 'build' / 'layout'}", "--platform", str(OTHER), "--json").json
    [result] = alone["verified"]
    assert result["identical"]
    assert result["image_id"] == images[str(OTHER)]


def test_layers_without_machine_code_are_shared_by_both_platforms(both: Callable[[str], Both]) -> None:
    """Bytecode included: it is the same on every architecture."""
    platforms = both("churn")[1]["platforms"]
    one, other = ({layer["diff_id"]: layer["holds"] for layer in each["layers"]} for each in platforms)
    shared = [one[diff_id] for diff_id in one if diff_id in other]
    assert len(shared) >= 3
    assert any(holds.endswith(("small dependency", "small dependencies")) for holds in shared)


def test_the_emulated_image_imports_its_code_and_loads_its_model(both: Callable[[str], Both], tmp_path: Path) -> None:
    layout = both("churn")[0] / "build" / "layout"
    rootless = () if os.geteuid() == 0 else ("--rootless",)
    image = f"{layout}:1.0.0-{OTHER.architecture}"
    subprocess.run([program("umoci"), "unpack", *rootless, "--image", image, tmp_path / "bundle"], check=True)
    root = tmp_path / "bundle" / "rootfs"
    emulator = program(f"qemu-{OTHER.machine}-static", "qemu-user-static")
    shutil.copy(emulator, root / "emulator")
    run = json.loads((tmp_path / "bundle" / "config.json").read_text())["process"]
    alone = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--net")
    place = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    done = subprocess.run(
        [*alone, "chroot", str(root), "/emulator", *run["args"][:-1], "check"],
        env={**dict(line.split("=", 1) for line in run["env"]), "PATH": place},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

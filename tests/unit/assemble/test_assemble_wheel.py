from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pip
import pytest

from builder.assemble.layer import write_layer
from builder.assemble.record import parse_record
from builder.assemble.wheel import owned_paths, wheel_entries
from builder.errors import DigestMismatchError, PlanError
from builder.oci.entry import Entry
from builder.plan import places
from builder.store.blobs import BlobStore
from tests.support.wheels import make_wheel, record_of, source_of

FILES = {
    "demo/__init__.py": b"",
    "demo/cli.py": b"def main():\n    return 0\n",
    "demo/data.txt": b"data\n" * 1000,
    "demo/tool": b"#!/bin/sh\n",
    "demo.pth": b"demo\n",
    "demo-1.0.data/purelib/pure.py": b"x = 1\n",
    "demo-1.0.data/platlib/plat/native.so": b"\x7fELF" + bytes(range(256)) * 20,
    "demo-1.0.data/scripts/run-it": b"#!python\nprint('hello')\n",
    "demo-1.0.data/scripts/shell": b"#!/bin/sh\necho hello\n",
    "demo-1.0.data/scripts/demo-cli": b"#!python\nreplaced by the entry point\n",
    "demo-1.0.data/headers/demo.h": b"#define DEMO\n",
    "demo-1.0.data/data/share/man/man1/demo.1": b".TH\n",
    "demo-1.0.data/data/etc/demo.conf": b"[demo]\n",
    "demo-1.0.data/data/lib/dropped-by-pip": b"",
    "entry_points.txt": b"[console_scripts]\ndemo-cli = demo.cli:main\n\n[gui_scripts]\ndemo-gui = demo.cli:main\n",
}
MODES = {
    "demo/tool": 0o100755,
    "demo-1.0.data/scripts/shell": 0o100755,
    "demo-1.0.data/scripts/run-it": 0o100755,
    "demo/data.txt": 0o100600,
}

# As in an image: pip puts headers elsewhere in a virtual environment.
BASE_PYTHON = str(getattr(sys, "_base_executable", sys.executable))
PIP = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check"]


def contents(entries: list[Entry]) -> dict[str, tuple[int, bytes]]:
    return {
        entry.path.removeprefix(f"{places.PACKAGES}/"): (entry.mode, b"".join(entry.content.chunks()))
        for entry in entries
        if entry.content is not None
    }


def read(wheel: Path) -> dict[str, tuple[int, bytes]]:
    return contents(wheel_entries(source_of(wheel), wheel))


def installed_by_pip(wheel: Path, target: Path) -> dict[str, tuple[int, bytes]]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    subprocess.run(
        [BASE_PYTHON, *PIP, "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
        env={**environment, "PIP_CONFIG_FILE": os.devnull, "PYTHONPATH": str(Path(pip.__file__).parents[1])},
        umask=0o022,
    )
    return {
        str(path.relative_to(target)): (path.stat().st_mode & 0o7777, path.read_bytes())
        for path in target.rglob("*")
        if path.is_file()
    }


def test_a_wheel_leaves_what_pip_leaves(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, FILES, modes=MODES)
    ours, pips = read(wheel), installed_by_pip(wheel, tmp_path / "target")
    info = "demo-1.0.dist-info"
    assert set(pips) - set(ours) == {f"{info}/REQUESTED", f"{info}/direct_url.json"}
    assert set(ours) - set(pips) == set()
    shebang = f"#!{BASE_PYTHON}".encode()
    for path in set(ours) - {f"{info}/INSTALLER", f"{info}/RECORD"}:
        mode, data = pips[path]
        if path.startswith("bin/"):
            data = data.replace(shebang, b"#!/usr/bin/python3.11")
        assert (path, *ours[path]) == (path, mode, data)


def test_record_lists_every_file_with_its_hash(tmp_path: Path) -> None:
    files = read(make_wheel(tmp_path, FILES, modes=MODES))
    rows = parse_record(files["demo-1.0.dist-info/RECORD"][1].decode())
    assert set(rows) == set(files) - {"demo-1.0.dist-info/RECORD"}
    assert {path: row.size for path, row in rows.items()} == {path: len(files[path][1]) for path in rows}
    text = files["demo-1.0.dist-info/RECORD"][1].decode()
    assert text.splitlines() == sorted(text.splitlines(), key=lambda line: line.split(",")[0].encode())
    assert "demo-1.0.dist-info/RECORD,,\n" in text


def test_the_installer_is_named(tmp_path: Path) -> None:
    assert read(make_wheel(tmp_path, {}))["demo-1.0.dist-info/INSTALLER"] == (0o644, b"kiln\n")


def test_traces_of_another_installer_are_dropped(tmp_path: Path) -> None:
    info = "demo-1.0.dist-info"
    wheel = make_wheel(
        tmp_path, {f"{info}/REQUESTED": b"", f"{info}/direct_url.json": b"{}", f"{info}/INSTALLER": b"pip\n"}
    )
    assert set(read(wheel)) == {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "INSTALLER")}


def test_the_interpreter_of_the_target_is_in_every_command(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, FILES, modes=MODES)
    files = contents(wheel_entries(source_of(wheel, python="3.13"), wheel))
    for name in ("run-it", "demo-cli", "demo-gui"):
        assert files[f"bin/{name}"][1].startswith(b"#!/usr/bin/python3.13\n")


def test_files_that_record_forgot_are_hashed(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"demo.py": b"x"}, overrides={"forgotten.py": b"y"})
    files = read(wheel)
    assert set(parse_record(files["demo-1.0.dist-info/RECORD"][1].decode())) >= {"demo.py", "forgotten.py"}


def test_owned_paths_are_sorted_and_whole(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"demo.py": b"x"})
    info = f"{places.PACKAGES}/demo-1.0.dist-info"
    assert owned_paths(source_of(wheel), wheel) == [
        f"{info}/INSTALLER",
        f"{info}/METADATA",
        f"{info}/RECORD",
        f"{info}/WHEEL",
        f"{places.PACKAGES}/demo.py",
    ]


def test_content_that_is_not_what_record_says_makes_no_layer(tmp_path: Path) -> None:
    for data in (b"other", b"o" * 5000):
        wheel = make_wheel(tmp_path, {"demo.py": b"x" * len(data)}, overrides={"demo.py": data})
        store = BlobStore(tmp_path / "store")
        with pytest.raises(DigestMismatchError, match=r"demo-1.0-py3-none-any.whl: demo.py: not the hash") as caught:
            write_layer(wheel_entries(source_of(wheel), wheel), store, title="x")
        assert caught.value.faults[0].want != caught.value.faults[0].got
        assert not [path for path in store.root.rglob("*") if path.is_file()]


BROKEN: dict[str, tuple[Mapping[str, bytes | None], str]] = {
    "no dist-info": ({"INFO/METADATA": None, "INFO/WHEEL": None, "INFO/RECORD": None}, "0 .dist-info folders"),
    "two dist-infos": ({"other-2.dist-info/METADATA": b""}, "2 .dist-info folders"),
    "no RECORD": ({"INFO/RECORD": None}, "no RECORD"),
    "no WHEEL": ({"INFO/WHEEL": None}, "no WHEEL"),
    "no METADATA": ({"INFO/METADATA": None}, "no METADATA"),
    "format of the future": ({"INFO/WHEEL": b"Wheel-Version: 2.0\n"}, "format that is not known"),
    "format unsaid": ({"INFO/WHEEL": b"Tag: py3-none-any\n"}, "format that is not known"),
    "RECORD of nonsense": ({"INFO/RECORD": b"demo.py,sha256=zzz,1\n"}, "RECORD: malformed row"),
    "RECORD not text": ({"INFO/RECORD": b"\xff\xfe"}, "RECORD is not UTF-8"),
    "entry point of nonsense": ({"INFO/entry_points.txt": b"[console_scripts]\na = b\n"}, "not a command"),
    "entry point outside": ({"INFO/entry_points.txt": b"[console_scripts]\n../a = b:c\n"}, "not a command"),
    "unknown scheme": ({"demo-1.0.data/stdlib/x": b""}, "unknown scheme stdlib"),
    "data of another": ({"other-1.0.data/purelib/x": b""}, "not a place in a wheel"),
    "data without a scheme": ({"demo-1.0.data/x": b""}, "not a place in a wheel"),
    "other size in RECORD": ({"INFO/RECORD": record_of({"demo.py": b"xy"}, "r")}, "not the size that RECORD has"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_wheel_is_refused(tmp_path: Path, case: str) -> None:
    overrides, says = BROKEN[case]
    wheel = make_wheel(tmp_path, {"demo.py": b"x"}, overrides=overrides)
    with pytest.raises(PlanError, match=says) as caught:
        read(wheel)
    assert caught.value.faults[0].at == str(wheel)


@pytest.mark.parametrize(("name", "version"), [("other", "1.0"), ("demo", "2.0")])
def test_a_wheel_that_holds_another_package_is_refused(tmp_path: Path, name: str, version: str) -> None:
    wheel = make_wheel(tmp_path, {}, name=name, version=version)
    renamed = wheel.rename(tmp_path / "demo-1.0-py3-none-any.whl")
    with pytest.raises(PlanError, match="another package") as caught:
        read(renamed)
    assert (caught.value.faults[0].want, caught.value.faults[0].got) == ("demo 1.0", f"{name} {version}")


def test_names_and_versions_are_compared_as_packaging_does(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {}, name="My_Demo", version="1.0")
    renamed = wheel.rename(tmp_path / "my_demo-1.0.0-py3-none-any.whl")
    assert read(renamed)


def test_all_faults_of_a_wheel_are_told_at_once(tmp_path: Path) -> None:
    overrides = {"INFO/WHEEL": b"", "INFO/entry_points.txt": b"[console_scripts]\na = b\n", "demo-1.0.data/x": b""}
    with pytest.raises(PlanError) as caught:
        read(make_wheel(tmp_path, {}, overrides=overrides))
    assert len(caught.value.faults) == 4


def test_two_places_in_a_wheel_for_one_path_are_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"demo.py": b"one", "demo-1.0.data/purelib/demo.py": b"two"})
    with pytest.raises(PlanError, match="two sources for one path"):
        write_layer(wheel_entries(source_of(wheel), wheel), BlobStore(tmp_path / "store"), title="x")

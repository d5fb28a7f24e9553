from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from compare_images import image_of, tar_of

from builder.compare.changes import Comparison, LayerSizes, _size_rows, compare
from builder.compare.contents import contents_of

PREFIX = "opt/model/packages"


def distribution(name: str, version: str) -> dict[str, bytes]:
    return {f"{PREFIX}/{name}-{version}.dist-info/METADATA": f"Name: {name}\nVersion: {version}\n\ntext\n".encode()}


def image(
    folder: Path, packages: dict[str, str], *, code: bytes = b"1", limit: int = 9, env: tuple[str, ...] = ()
) -> Any:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "maximum": limit}}}
    document = {
        "schema": {"request": schema},
        "service": {"workers": 1},
        "environment": {"base": {"name": "d", "digest": "sha256:1"}},
    }
    status = b"Package: libc6\nStatus: install ok installed\nVersion: 2.36\n\n"
    status += b"Package: gone\nStatus: deinstall ok config-files\n"
    wheels = [
        (f"dependencies: {name} {version}", tar_of(distribution(name, version))) for name, version in packages.items()
    ]
    return image_of(
        folder,
        [
            ("base d: d", tar_of({"var/lib/dpkg/status": status})),
            *wheels,
            ("code: scoring code", tar_of({"opt/model/code/score.py": code})),
            ("configuration: c", tar_of({"opt/model/bundle.json": json.dumps(document).encode()})),
        ],
        name=folder.name,
        Env=list(env),
        Labels={"l": folder.name},
    )


def held(tmp_path: Path, **new: Any) -> Comparison:
    old = image(tmp_path / "old", {"Num_Py": "1.0", "pandas": "2.0"}, env=("A=1", "B=x=y"))
    other = image(tmp_path / "new", new.pop("packages", {"Num_Py": "1.1", "rich": "3.0"}), **new)
    return compare(contents_of(old), contents_of(other))


def test_an_image_is_taken_apart(tmp_path: Path) -> None:
    found = contents_of(image(tmp_path / "old", {"Num_Py": "1.0"}, env=("A=1", "B=x=y")))
    assert found.system_packages == {"libc6": "2.36"}
    assert found.python_packages == {"num-py": "1.0"}
    assert found.environment == {"A": "1", "B": "x=y"}
    assert found.base == "d@sha256:1"
    assert found.settings["service.workers"] == "1"


def test_what_changed_is_told_section_by_section(tmp_path: Path) -> None:
    found = held(tmp_path, code=b"2", limit=8, env=("A=2",))
    sections = found.to_dict()["sections"]
    assert sections["python packages"] == [
        {"name": "num-py", "kind": "changed", "old": "1.0", "new": "1.1"},
        {"name": "pandas", "kind": "removed", "old": "2.0", "new": None},
        {"name": "rich", "kind": "added", "old": None, "new": "3.0"},
    ]
    assert [one["name"] for one in sections["code"]] == ["score.py"]
    assert [(one["name"], one["kind"]) for one in sections["environment"]] == [("A", "changed"), ("B", "removed")]
    assert sections["base"] == sections["model"] == sections["system packages"] == []
    assert found.breaks_callers


def test_layers_are_paired_by_what_they_hold(tmp_path: Path) -> None:
    layers = {layer.title: layer for layer in held(tmp_path).layers}
    assert layers["base d: d"].is_same
    changed = layers["dependencies: Num_Py 1.1"]
    assert changed.old is not None
    assert not changed.is_same
    assert layers["dependencies: rich 3.0"].old is None
    assert layers["dependencies: pandas 2.0"].new is None


def test_the_table_marks_what_breaks_and_sums_up(tmp_path: Path) -> None:
    lines = held(tmp_path, limit=8).to_table().splitlines()
    assert "request schema: breaking" in lines
    assert "  ! $.a  maximum 9 → 8" in lines
    assert any(line.startswith("  ~ num-py") for line in lines)
    assert lines[-1].split()[0] == "all"


def test_an_image_that_is_not_of_kiln_has_packages_and_settings_all_the_same(tmp_path: Path) -> None:
    bare = image_of(tmp_path / "bare", [("x", tar_of(distribution("a", "1")))], Cmd=["x"])
    found = contents_of(bare)
    assert (found.python_packages, found.request_schema, found.settings["Cmd"]) == ({"a": "1"}, None, '["x"]')


def test_one_and_the_same_image_is_said_to_be_that(tmp_path: Path) -> None:
    one = contents_of(image(tmp_path / "old", {}))
    found = compare(one, one)
    assert found.is_identical
    assert found.to_table().endswith("identical: one and the same image")


def test_a_layer_of_another_version_is_shown_with_both() -> None:
    old = LayerSizes(title="dependencies: numpy 2.3", old_title="dependencies: numpy 2.2", old=1, new=2, is_same=False)
    assert old.shown == "dependencies: numpy 2.2 → 2.3"
    assert LayerSizes(title="code", old_title="code", old=1, new=2, is_same=False).shown == "code"
    assert LayerSizes(title="code", old=None, new=2, is_same=False).shown == "code"


def test_the_growth_of_all_layers_is_told_in_the_units_of_the_layers() -> None:
    layers = (LayerSizes(title="a", old=1_000_000, new=3_500_000, is_same=False),)
    assert list(_size_rows(layers))[-1] == ("  all", "1.0 MB", "3.5 MB", "+2.5 MB")
    shrunk = (LayerSizes(title="a", old=3_500_000, new=1_000_000, is_same=False),)
    assert list(_size_rows(shrunk))[-1][-1] == "-2.5 MB"
    assert list(_size_rows((replace(layers[0], new=1_000_000),)))[-1][-1] == ""

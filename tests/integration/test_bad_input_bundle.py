"""Bundles that are wrong: the command says what, where and what to do, and has touched nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.kiln import Kiln, Ran
from tests.support.small import edit, small_bundle, untouched

BUNDLE_ERROR = 3


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return small_bundle(tmp_path / "bundle")


def refused(kiln: Kiln, bundle: Path, *command: str) -> str:
    """Return what is said of a bundle that every command must refuse before it writes anything."""
    with untouched(bundle):
        ran: Ran = kiln(*(command or ("image",)), bundle, code=BUNDLE_ERROR)
    assert "Traceback" not in ran.stderr
    assert not ran.stdout
    return ran.stderr


def test_a_folder_that_is_not_there(kiln: Kiln, tmp_path: Path) -> None:
    ran = kiln("image", tmp_path / "nowhere", code=BUNDLE_ERROR)
    assert "no such bundle" in ran.stderr
    assert str(tmp_path / "nowhere") in ran.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_without_bundle_yaml(kiln: Kiln, bundle: Path) -> None:
    (bundle / "bundle.yaml").unlink()
    said = refused(kiln, bundle)
    assert "no bundle.yaml in the bundle" in said
    assert f"at   {bundle}" in said
    assert "hint: " in said


def test_a_bundle_yaml_that_is_not_yaml(kiln: Kiln, bundle: Path) -> None:
    edit(bundle, "model: {path: model/weights.json}", "model: {path: model/weights.json")
    said = refused(kiln, bundle)
    assert "not valid YAML" in said
    assert "bundle.yaml:4:" in said


def test_every_fault_is_told_at_once_with_its_line(kiln: Kiln, bundle: Path) -> None:
    edit(bundle, "version: 1.0.0", "version: 1.0\nverison: 2")
    edit(bundle, "scoring: {script: score.py}", "scoring: {script: skore.py}")
    said = refused(kiln, bundle, "lock")
    assert "unknown key 'verison'; did you mean 'version'?" in said
    assert "bundle.yaml:3 verison" in said
    assert "bundle.yaml:2 version" in said
    assert "bundle.yaml:5 scoring.script" in said
    assert said.count("error: ") == 3
    assert "hint: docs/reference/bundle-yaml.md" in said


def test_a_fault_is_also_one_json_object(kiln: Kiln, bundle: Path) -> None:
    edit(bundle, "version: 1.0.0", "version: 1.0.0\nverison: 2")
    told = kiln("build", bundle, "--json", code=BUNDLE_ERROR).json
    assert told["error"] == "BundleError"
    assert told["exit_code"] == BUNDLE_ERROR
    assert [fault["at"] for fault in told["faults"]] == ["bundle.yaml:3 verison"]


def test_a_model_that_is_not_there(kiln: Kiln, bundle: Path) -> None:
    (bundle / "model" / "weights.json").rename(bundle / "model" / "weight.json")
    said = refused(kiln, bundle)
    assert "bundle.yaml:3 model.path" in said
    assert "model/weights.json" in said
    assert "model/weight.json" in said, "the file that was probably meant"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_model_that_is_empty(kiln: Kiln, bundle: Path, kind: str) -> None:
    (bundle / "model" / "weights.json").unlink()
    if kind == "file":
        (bundle / "model" / "weights.json").touch()
    else:
        (bundle / "model" / "weights.json").mkdir()
    said = refused(kiln, bundle)
    assert "empty" in said or "holds no files" in said
    assert "model/weights.json" in said


@pytest.mark.parametrize(
    ("written", "fact"),
    [("../outside.json", "leaves the bundle"), ("/etc/passwd", "path is absolute"), ("link.json", "leaves the bundle")],
    ids=["dots", "absolute", "symlink"],
)
def test_a_path_that_leaves_the_bundle(kiln: Kiln, bundle: Path, written: str, fact: str) -> None:
    (bundle.parent / "outside.json").write_text('{"factor": 2}')
    (bundle / "link.json").symlink_to(bundle.parent / "outside.json")
    edit(bundle, "path: model/weights.json", f"path: {written}")
    edit(bundle, "script: score.py", f"script: {written}, sources: [{written}]")
    edit(bundle, "request: {x: 2}", f"request: {written}")
    said = refused(kiln, bundle)
    for place in ("model.path", "scoring.script", "scoring.sources[0]", "smoke[0].request"):
        assert re.search(rf"error: .*{fact}.*\n  at   bundle.yaml:\d+ {re.escape(place)}\n", said), place
    assert said.count(f"got  {written}") == 4


def test_a_link_out_of_the_bundle_inside_a_model_folder(kiln: Kiln, bundle: Path) -> None:
    (bundle.parent / "outside.json").write_text("{}")
    (bundle / "model" / "more.json").symlink_to(bundle.parent / "outside.json")
    edit(bundle, "path: model/weights.json", "path: model")
    said = refused(kiln, bundle)
    assert "leads out of the bundle through a symlink" in said
    assert "model/more.json" in said


# Beyond what people do by mistake.


def nested(depth: int) -> str:
    return '{"type": "object", "properties": {"a": ' * depth + "{}" + "}}" * depth


HOSTILE = {
    "brackets without end": (b"[" * 100_000, "nested too deeply"),
    "laughter": (
        b"a0: &a0 [x, x]\n"
        + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 9)),
        "more than 200000 values",
    ),
    "laughter by merging": (
        b"a0: &a0 {x: 1}\n"
        + b"".join(b"a%d: &a%d {<<: [*a%d, *a%d], k%d: 1}\n" % (n, n, n - 1, n - 1, n) for n in range(1, 30)),
        "more than 200000 values",
    ),
    "NUL": (b"name: a\0b\n", "character YAML does not allow"),
    "Latin-1": (b"name: caf\xe9\n", "file is not UTF-8 text"),
    "a number of 5000 digits": (b"name: 1" + b"0" * 5000 + b"\n", "value is not a number"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bundle_yaml_made_to_hurt(kiln: Kiln, bundle: Path, name: str) -> None:
    content, fact = HOSTILE[name]
    (bundle / "bundle.yaml").write_bytes(content)
    assert fact in refused(kiln, bundle)


def test_a_schema_nested_beyond_reason(kiln: Kiln, bundle: Path) -> None:
    edit(bundle, "{type: object, properties: {x: {type: number}}, required: [x]}", nested(150))
    said = refused(kiln, bundle)
    assert "nested too deeply" in said


def test_a_schema_file_nested_beyond_reason(kiln: Kiln, bundle: Path) -> None:
    (bundle / "request.json").write_text(nested(20_000))
    edit(bundle, "{type: object, properties: {x: {type: number}}, required: [x]}", "request.json")
    assert "nested too deeply" in refused(kiln, bundle)


@pytest.mark.parametrize("key", ["description", "owner"])
def test_text_for_a_label_holds_no_control_characters(kiln: Kiln, bundle: Path, key: str) -> None:
    edit(bundle, "version: 1.0.0", f'version: 1.0.0\n{key}: "a\\0b\\eb"')
    said = refused(kiln, bundle)
    assert f"bundle.yaml:3 {key}" in said


def test_a_pipe_where_a_file_is_wanted(kiln: Kiln, bundle: Path) -> None:
    (bundle / "score.py").unlink()
    os.mkfifo(bundle / "score.py")
    assert "neither a file nor a folder" in refused(kiln, bundle)

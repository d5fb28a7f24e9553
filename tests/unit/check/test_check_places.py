from __future__ import annotations

from pathlib import Path

from builder.check.places import requirement_place, value_place, yaml_place
from tests.unit.check.import_subjects import make_subject, read_subject


def test_a_key_of_bundle_yaml_has_its_line(tmp_path: Path) -> None:
    root = make_subject(tmp_path, "").bundle.root
    assert str(yaml_place(root, "environment", "python")) == "bundle.yaml:4 (environment.python)"
    assert str(yaml_place(root, "scoring", "script")) == "bundle.yaml:6 (scoring.script)"
    assert yaml_place(root, "smoke", 3, "request").line == 1


def test_a_bundle_yaml_that_is_gone_has_no_lines(tmp_path: Path) -> None:
    assert str(yaml_place(tmp_path, "name")) == "bundle.yaml (name)"


def test_a_requirement_is_where_it_is_written(tmp_path: Path) -> None:
    subject = make_subject(tmp_path, "", requirements=["Py_Yaml >= 6", "numpy[x]==1"])
    assert str(requirement_place(subject, "numpy")) == "bundle.yaml:4 (environment.requirements[1])"
    assert str(requirement_place(subject, "scipy")) == "bundle.yaml:4 (environment.requirements)"
    root = subject.bundle.root
    text = (root / "bundle.yaml").read_text()
    (root / "bundle.yaml").write_text(text.replace('["Py_Yaml >= 6", "numpy[x]==1"]', "requirements.txt"))
    (root / "requirements.txt").write_text("# first\nPy_Yaml >= 6\nnumpy\n")
    listed = read_subject(root, wheels=None)
    assert str(requirement_place(listed, "py-yaml")) == "requirements.txt:2"
    assert str(requirement_place(listed, "scipy")) == "requirements.txt"


def test_a_value_of_a_file_has_that_files_line(tmp_path: Path) -> None:
    (tmp_path / "bundle.yaml").write_text("name: x\nschema:\n  request: ./s/r.json\n  response: {type: object}\n")
    (tmp_path / "s").mkdir()
    (tmp_path / "s/r.json").write_text('{\n\t"properties": {\n\t\t"age": {}\n\t}\n}')
    place = value_place(tmp_path, ("schema", "request"), "properties", "age")
    assert str(place) == "s/r.json:3:3 (properties.age)"
    assert str(value_place(tmp_path, ("schema", "request"))) == "s/r.json:1:1 (schema.request)"
    inline = value_place(tmp_path, ("schema", "response"), "type")
    assert str(inline) == "bundle.yaml:4 (schema.response.type)"


def test_a_file_that_is_gone_or_not_read_has_no_line(tmp_path: Path) -> None:
    (tmp_path / "bundle.yaml").write_text("schema: {request: r.json}\n")
    assert str(value_place(tmp_path, ("schema", "request"), "type")) == "r.json (type)"
    (tmp_path / "r.json").write_text('{"type": ')
    assert str(value_place(tmp_path, ("schema", "request"), "type")) == "r.json (type)"

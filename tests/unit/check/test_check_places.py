from __future__ import annotations

from pathlib import Path

from builder.check.places import requirement_place, yaml_place
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

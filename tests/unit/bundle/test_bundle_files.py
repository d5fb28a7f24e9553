from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.bundle.faults import Faults
from builder.bundle.files import BundleFiles
from builder.bundle.model import SchemaScope
from builder.bundle.yaml_document import read_document
from builder.errors import Fault
from builder.oci.entry import EntryKind

WHERE = ("a",)


@pytest.fixture
def files(tmp_path: Path) -> BundleFiles:
    (tmp_path / "folder").mkdir()
    return BundleFiles(tmp_path.resolve(), Faults(read_document(b"a: [x, y, z]\n", name="bundle.yaml")))


def only(files: BundleFiles) -> Fault:
    (fault,) = files.faults.in_order()
    return fault


def test_a_path_of_the_wrong_kind_is_a_fault(files: BundleFiles) -> None:
    assert files.find("folder", WHERE, only=EntryKind.FILE) is None
    assert only(files) == Fault(fact="path is not a file", at="bundle.yaml:1 a", want="a file", got="folder, a folder")


def test_text_that_is_not_utf_8_names_the_files_own_line(files: BundleFiles) -> None:
    (files.root / "t.txt").write_bytes(b"one\ntwo\xff\n")
    assert files.text("t.txt", WHERE) is None
    assert only(files).at == "t.txt:2"


def test_requirements_of_a_file_are_faulted_by_its_lines(files: BundleFiles) -> None:
    (files.root / "r.txt").write_text("# top\nnumpy\n-e .\n--pre\n")
    assert files.requirements("r.txt", WHERE) == (("numpy",), ("numpy",))
    assert [fault.at for fault in files.faults.in_order()] == ["r.txt:3", "r.txt:4"]


def test_requirements_of_a_list_are_faulted_by_their_place(files: BundleFiles) -> None:
    assert files.requirements(["numpy", None, "-e ."], WHERE) == (("numpy",), ("numpy",))
    assert only(files).at == "bundle.yaml:1 a[2]"


def test_a_missing_requirements_file_is_one_fault(files: BundleFiles) -> None:
    assert files.requirements("r.txt", WHERE) == ((), ())
    assert only(files).fact == "no such file or folder"


def test_a_file_of_requirements_in_brackets_is_told_how_it_is_written(files: BundleFiles) -> None:
    (files.root / "requirements.txt").write_text("numpy\n")
    assert files.requirements(["requirements.txt"], WHERE) == ((), ())
    assert "without brackets" in only(files).fact
    assert only(files).want == "requirements: requirements.txt"
    assert files.requirements("requirements.txt", WHERE) == (("numpy",), ("numpy",))


def test_a_file_beside_requirements_is_told_from_a_package(files: BundleFiles) -> None:
    assert files.requirements(["ruamel.yaml", "more/dev.in", "numpy"], WHERE)[1] == ("ruamel-yaml", "numpy")
    assert only(files).fact == "line names another file"


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("scikit-learn==1.7.2", "[scikit-learn==1.7.2]"),
        ("numpy, pandas==2.2", "[numpy, pandas==2.2]"),
        ("pandas>=2,<3", '["pandas>=2,<3"]'),
        ("torch[cuda]", '["torch[cuda]"]'),
        ("numpy", "[numpy]"),
    ],
)
def test_requirements_without_brackets_are_told_how_a_list_is_written(
    files: BundleFiles, given: str, want: str
) -> None:
    assert files.requirements(given, WHERE) == ((), ())
    assert "written in brackets" in only(files).fact
    assert only(files).want == f"requirements: {want}"
    written = read_document(f"requirements: {want}\n".encode(), name="bundle.yaml").value["requirements"]
    assert ",".join(written) == given.replace(", ", ",")


@pytest.mark.parametrize("given", ["gone.txt", "env/requirements", "conda.yaml"])
def test_a_path_that_is_not_there_is_no_requirement(files: BundleFiles, given: str) -> None:
    assert files.requirements(given, WHERE) == ((), ())
    assert only(files).fact == "no such file or folder"


def test_a_schema_is_read_from_a_file_or_taken_as_it_stands(files: BundleFiles) -> None:
    (files.root / "s.json").write_text('{"type": "object"}')
    for given in ("s.json", {"type": "object"}):
        assert files.json_schema(given, WHERE, scope=SchemaScope.RECORD) == {"type": "object"}
    assert files.json_schema(None, WHERE, scope=None) is None
    assert not files.faults


def test_a_broken_schema_file_is_faulted_in_its_own_words(files: BundleFiles) -> None:
    (files.root / "s.json").write_text('{"type": }')
    assert files.json_schema("s.json", WHERE, scope=None) is None
    assert only(files).at == "s.json:1"


def test_a_schema_that_is_none_is_faulted_key_by_key(files: BundleFiles) -> None:
    (files.root / "s.json").write_text('{"properties": {"age": {"type": "int"}}}')
    assert files.json_schema("s.json", WHERE, scope=None) is None
    assert files.json_schema({"type": "int"}, WHERE, scope=None) is None
    assert [fault.at for fault in files.faults.in_order()] == ["s.json:1 properties.age.type", "bundle.yaml:1 a.type"]


def test_faults_of_a_schemas_file_are_told_with_its_lines_and_in_their_order(files: BundleFiles) -> None:
    (files.root / "s.json").write_text(
        '{\n\t"required": "age",\n\t"properties": {\n\t\t"b": {"type": "float"},\n\t\t"a": {"type": "strin"}\n\t}\n}'
    )
    assert files.json_schema("s.json", WHERE, scope=None) is None
    assert [fault.at for fault in files.faults.in_order()] == [
        "s.json:2 required", "s.json:4 properties.b.type", "s.json:5 properties.a.type"
    ]  # fmt: skip


def test_a_misspelt_keyword_is_warned_of_each_time_with_its_line(files: BundleFiles) -> None:
    class Kept(dict[str, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            return super().get(repr(key), default)

        def put(self, key: Any, value: Any) -> None:
            self[repr(key)] = value

    files.memory = Kept()
    (files.root / "s.json").write_text('{\n "requried": ["age"]\n}')
    for _ in range(2):
        assert files.json_schema("s.json", WHERE, scope=None) == {"requried": ["age"]}
    assert len(files.faults.warnings) == 2
    assert files.faults.warnings[0].startswith("s.json:2 requried: 'requried' is no keyword")
    assert files.json_schema({"requried": []}, WHERE, scope=None) == {"requried": []}
    assert files.faults.warnings[-1].startswith("bundle.yaml:1: 'requried' is no keyword")

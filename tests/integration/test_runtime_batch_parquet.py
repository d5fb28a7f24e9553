"""Parquet in and out of batches, with the bundle's own pyarrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runtime_service import make_root, run_entry, running
from tests.support.environments import FrameworkEnvironment, make_environment

pytestmark = [pytest.mark.package_index]
SCRIPT = """
def load(model_dir):
    return 2

def predict(model, records):
    return [{"double": record["a"] * model, "tag": record.get("tag"), "parts": [1]} for record in records]
"""
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 0}, "tag": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
WRITE = """
import json, sys
import pyarrow, pyarrow.parquet
columns = json.loads(open(sys.argv[2]).read())
pyarrow.parquet.write_table(pyarrow.table(columns), sys.argv[1], row_group_size=int(sys.argv[3]))
"""
READ = """
import json, sys
import pyarrow.parquet
print(json.dumps(pyarrow.parquet.read_table(sys.argv[1]).to_pylist()))
"""


@pytest.fixture(scope="module")
def pyarrow(kiln_home: Path) -> FrameworkEnvironment:
    return make_environment(kiln_home, "pyarrow==21.*")


@pytest.fixture
def root(pyarrow: FrameworkEnvironment, tmp_path: Path) -> Path:
    made = make_root(tmp_path / "root", SCRIPT, schema=SCHEMA)
    packages = made / "opt/model/packages"
    packages.rmdir()
    packages.symlink_to(pyarrow.packages)
    return made


def write(pyarrow: FrameworkEnvironment, path: Path, columns: dict[str, list[Any]], group: int = 1000) -> Path:
    columns_file = path.with_suffix(".json")
    columns_file.write_text(json.dumps(columns))
    pyarrow.run(WRITE, path, columns_file, group)
    columns_file.unlink()
    return path


def read(pyarrow: FrameworkEnvironment, path: Path) -> list[dict[str, Any]]:
    return json.loads(pyarrow.run(READ, path))


def batch(root: Path, *arguments: object, code: int = 0) -> dict[str, Any]:
    done = run_entry(root, "batch", *map(str, arguments))
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def test_parquet_goes_in_and_out_as_over_http(root: Path, pyarrow: FrameworkEnvironment, tmp_path: Path) -> None:
    columns = {"a": list(range(300)), "tag": [None if n % 3 else f"t{n}" for n in range(300)]}
    source = write(pyarrow, tmp_path / "in.parquet", columns, 64)
    batch(root, "--input", source, "--output", tmp_path / "o.parquet", "--keep", "a")
    told = read(pyarrow, tmp_path / "o.parquet")
    assert [line["a"] for line in told] == columns["a"]
    with running(root) as service:
        answer = service.request(
            "POST", "/invocations", source.read_bytes(), content_type="application/vnd.apache.parquet"
        )
    assert [line["prediction"] for line in told] == answer.json["predictions"]


def test_shards_cover_the_rows_of_all_files_once(root: Path, pyarrow: FrameworkEnvironment, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(pyarrow, tmp_path / "in" / "a.parquet", {"a": list(range(70))}, 16)
    write(pyarrow, tmp_path / "in" / "b.parquet", {"a": list(range(70, 100))}, 100)
    seen = []
    for index in range(3):
        summary = batch(root, "--input", tmp_path / "in", "--output", tmp_path / "o.jsonl", "--shard", f"{index}/3")
        assert summary["records"] in {33, 34}
        seen += [json.loads(line)["prediction"]["double"] for line in Path(summary["output"]).read_text().splitlines()]
    assert seen == [2 * number for number in range(100)]


def test_errors_name_the_row_and_have_a_column(root: Path, pyarrow: FrameworkEnvironment, tmp_path: Path) -> None:
    source = write(pyarrow, tmp_path / "in.parquet", {"a": [1, -1, 3]})
    summary = batch(root, "--input", source, "--output", tmp_path / "o.parquet", "--on-error", "record")
    told = read(pyarrow, tmp_path / "o.parquet")
    assert [line["error"] is None for line in told] == [True, False, True]
    assert told[1]["prediction"] is None
    error = json.loads(Path(summary["errors"]).read_text())
    assert (error["place"], error["faults"][0]["rule"]) == (f"{source}:2", "minimum")


def test_a_file_that_is_not_parquet_is_told_by_name(root: Path, tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_bytes(b"PAR1 is not enough")
    summary = batch(root, "--input", tmp_path / "in.parquet", "--output", tmp_path / "o.parquet", code=65)
    assert "in.parquet is not Parquet" in summary["message"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("o.")] == []


def test_an_output_without_rows_is_a_table_all_the_same(
    root: Path, pyarrow: FrameworkEnvironment, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text("")
    batch(root, "--input", tmp_path / "in.jsonl", "--output", tmp_path / "o.parquet")
    assert read(pyarrow, tmp_path / "o.parquet") == []

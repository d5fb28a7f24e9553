"""Parts of the batch command by themselves: shards, files, lines, cells, columns."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

from builder.runtime.batch.files import InputError, find_overlap, find_sources
from builder.runtime.batch.lines import read_lines
from builder.runtime.batch.options import UsageError, parse_options
from builder.runtime.batch.outputs import name_shard
from builder.runtime.batch.reading import read_rows
from builder.runtime.batch.shards import Shard, ShardError, find_shard, parse_shard
from builder.runtime.batch.sinks import AsideFile, ColumnsSink, OutputError, show_cell
from builder.runtime.server.features import Feature

GIVEN = ["--input", "in.jsonl", "--output", "o.jsonl"]


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def rows_of(path: Path, shard: Shard = Shard(), limit: int = 1000) -> list[Any]:  # noqa: B008 - it is frozen
    sources = find_sources([str(path)], None)
    return list(read_rows(sources, shard, limit=limit, features={}, environment={}))


@pytest.mark.parametrize("seed", range(20))
def test_byte_ranges_of_any_lines_cover_them_exactly_once_and_in_order(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    ending = dice.choice(["\n", "\r\n"])
    for name in "abc"[: dice.randint(1, 3)]:
        lines = [
            "" if dice.random() < 0.2 else json.dumps("x" * dice.randint(0, 60)) for _ in range(dice.randint(0, 30))
        ]
        write(tmp_path / f"{name}.jsonl", ending.join(lines) + dice.choice(["", ending]))
    whole = [(row.body, row.place) for row in rows_of(tmp_path)] if any(tmp_path.iterdir()) else []
    for count in (1, 2, 3, 5, 17, 200):
        parts = [rows_of(tmp_path, Shard(index, count)) for index in range(count)]
        assert [(row.body, row.place) for part in parts for row in part] == whole


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_shards_of_csv_hold_each_record_once(tmp_path: Path, count: int) -> None:
    write(tmp_path / "a.csv", "a,b\n" + "".join(f'{number},"x\ny"\n' for number in range(20)))
    write(tmp_path / "b.csv", "a,b\n" + "".join(f"{number},z\n" for number in range(20, 23)))
    seen = [row.value["a"] for index in range(count) for row in rows_of(tmp_path, Shard(index, count))]
    assert sorted(seen) == list(range(23))


def test_a_line_over_the_limit_is_a_fault_and_the_next_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"a": 1}\n' + "x" * 5000 + '\n{"a": 2}\n' + "y" * 3000)
    rows = list(read_lines(find_sources([str(path)], None)[0], 100))
    assert [(bool(row.fault), row.place.rpartition(":")[2]) for row in rows] == [
        (False, "1"),
        (True, "2"),
        (False, "3"),
        (True, "4"),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\n')
    assert rows_of(tmp_path / "a.jsonl")[0].body == b'{"a": 1}'


def test_a_table_without_the_schemas_names_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "1,2\n3,4\n")
    sources = find_sources([str(path)], None)
    with pytest.raises(InputError, match="names the columns"):
        list(read_rows(sources, Shard(), limit=100, features={"a": Feature("a")}, environment={}))


def test_cells_are_read_as_the_schema_wants_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "n,s,t,b\n1,01,,true\n")
    features = {
        "n": Feature("n", frozenset({"number"}), required=True),
        "s": Feature("s", frozenset({"string"}), required=True),
        "t": Feature("t", frozenset({"number"})),
        "b": Feature("b", frozenset({"boolean"})),
    }
    rows = list(read_rows(find_sources([str(path)], None), Shard(), limit=100, features=features, environment={}))
    assert rows[0].value == {"n": 1, "s": "01", "b": True}


def test_bytes_that_are_not_utf8_are_a_fault_of_their_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,\xff\n2,y\n")
    assert [row.fault for row in rows_of(tmp_path / "a.csv")] == ["the row is not UTF-8", ""]


@pytest.mark.parametrize("text", ["", "1", "1/0", "2/2", "-1/2", "a/b", "0/2/3"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ShardError):
        parse_shard(text)


def test_the_first_platform_that_tells_both_numbers_decides_the_shard() -> None:
    assert find_shard({}) == Shard(0, 1)
    assert find_shard({"CLOUD_RUN_TASK_INDEX": "3", "CLOUD_RUN_TASK_COUNT": "5"}) == Shard(3, 5)
    assert find_shard({"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "2"}) == Shard(0, 2)
    assert find_shard({"JOB_COMPLETION_INDEX": "1", "JOB_COMPLETIONS": "2"}) == Shard(1, 2)
    assert find_shard({"JOB_COMPLETION_INDEX": "1"}, 4) == Shard(1, 4)
    with pytest.raises(ShardError, match="JOB_COMPLETIONS"):
        find_shard({"JOB_COMPLETION_INDEX": "1"})
    with pytest.raises(ShardError, match="by hand"):
        find_shard({}, 4)
    with pytest.raises(ShardError, match="whole numbers"):
        find_shard({"CLOUD_RUN_TASK_INDEX": "x", "CLOUD_RUN_TASK_COUNT": "5"})


@pytest.mark.parametrize(
    "more",
    [
        ["--max-errors", "1"],
        ["--max-errors", "-1", "--on-error", "skip"],
        ["--input", "-"],
        ["--batch-size", "0"],
        ["--shards", "0"],
    ],
)
def test_arguments_that_make_no_sense_are_refused(more: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_options([*GIVEN, *more], {})


def test_a_pipe_cannot_be_sharded() -> None:
    with pytest.raises(UsageError, match="sharded"):
        parse_options(["--input", "-", "--output", "-", "--shard", "0/2"], {})


def test_a_shards_output_has_its_number_before_the_suffixes() -> None:
    assert name_shard("p.jsonl.gz", Shard(2, 16)) == "p-00002-of-00016.jsonl.gz"


def test_formats_are_told_by_suffix_or_by_option(tmp_path: Path) -> None:
    write(tmp_path / "a.dat", "")
    with pytest.raises(InputError, match="--format"):
        find_sources([str(tmp_path / "a.dat")], None)
    assert find_sources([str(tmp_path / "a.dat")], "csv")[0].format == "csv"
    write(tmp_path / "a.parquet.gz", "")
    with pytest.raises(InputError, match="compressed inside"):
        find_sources([str(tmp_path / "a.parquet.gz")], None)


def test_one_file_named_twice_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", "1\n")
    assert len(find_sources([str(path), str(tmp_path), str(tmp_path / "*.jsonl")], None)) == 1


class Memory:
    """A target that can be looked at."""

    def __init__(self) -> None:
        self.stream = io.BytesIO()

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass


def test_columns_are_those_of_the_first_prediction() -> None:
    memory = Memory()
    sink = ColumnsSink(memory, [], errors=True)  # type: ignore[arg-type]
    sink.write([{"id": 1, "error": "no"}])
    sink.write(
        [{"id": 2, "prediction": {"label": "a", "p": [0.5, 1]}}, {"id": 3, "prediction": {"label": None, "p": True}}]
    )
    sink.finish()
    assert memory.stream.getvalue().decode() == 'id,label,p,error\n1,,,no\n2,a,"[0.5,1]",\n3,,true,\n'
    with pytest.raises(OutputError, match="other"):
        sink.write([{"id": 4, "prediction": {"other": 1}}])


def test_columns_are_decided_without_a_prediction_when_there_is_none_for_long() -> None:
    memory = Memory()
    sink = ColumnsSink(memory, [], errors=True)  # type: ignore[arg-type]
    for _ in range(30):
        sink.write([{"error": "no"}] * 1000)
    assert memory.stream.getvalue().startswith(b"prediction,error\n")


def test_a_number_that_json_does_not_know_is_an_empty_cell() -> None:
    assert [show_cell(value) for value in (float("nan"), None, "x", 1.5, {"a": 1})] == ["", "", "x", "1.5", '{"a":1}']


def test_an_aside_file_is_there_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "o.jsonl"
    file = AsideFile(path)
    file.stream.write(b"x")
    assert not path.exists()
    with pytest.raises(OutputError, match="another run"):
        AsideFile(path)
    file.finish()
    assert path.read_bytes() == b"x"
    again = AsideFile(path)
    again.stream.write(b"y")
    again.abort()
    assert path.read_bytes() == b"x"
    assert [each.name for each in path.parent.iterdir()] == ["o.jsonl"]


def test_an_output_among_the_inputs_is_found(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", "1\n")
    assert find_overlap([str(tmp_path)], str(tmp_path / "sub" / "o.jsonl")) == str(tmp_path)
    assert find_overlap([str(tmp_path / "*.jsonl")], str(tmp_path / "o.jsonl")) == str(tmp_path / "*.jsonl")
    assert find_overlap([str(tmp_path / "*.jsonl")], str(tmp_path / "o.csv")) is None
    (tmp_path / "a.jsonl").write_text("{}")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    assert find_overlap([str(tmp_path / "a.jsonl")], str(tmp_path / "b.jsonl")) is None
    for output in ("a.jsonl", "link.jsonl", "../" + tmp_path.name + "/a.jsonl"):
        assert find_overlap([str(tmp_path / "a.jsonl")], str(tmp_path / output)) == str(tmp_path / "a.jsonl")
    assert find_overlap(["-"], "-") is None

"""The batch command in processes of its own: equal to HTTP, in order, atomic, sharded, one bad record at a time."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runtime_service import (
    ENTRY,
    NUMBER_SCHEMA,
    make_environment,
    make_root,
    run_entry,
    running,
    wait_for,
)

SCRIPT = """
import os, signal, time

def load(model_dir):
    if os.environ.get("BROKEN"):
        raise RuntimeError("no such tensor")
    return 2

def predict(model, records):
    words = [record.get("b") for record in records]
    if "raise" in words:
        raise ValueError("bad")
    if "kill" in words:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hang" in words:
        time.sleep(60)
    if "slow" in words:
        time.sleep(0.05)
    return [{"double": record["a"] * model, "b": record.get("b")} for record in records]
"""
AZURE = """
import json

def init():
    pass

def run(data):
    return {"sum": sum(json.loads(data)["data"])}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "root", SCRIPT, schema=NUMBER_SCHEMA)


def write_lines(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return path


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def batch(root: Path, *arguments: object, code: int = 0, **variables: str) -> dict[str, Any]:
    """Run it and return the summary."""
    done = run_entry(root, "batch", *map(str, arguments), **variables)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    lines = (done.stdout if "--output - " not in " ".join(map(str, arguments)) + " " else done.stderr).splitlines()
    summary = json.loads(lines[-1])
    assert summary["exit_code"] == code
    return summary


def make_records(count: int, seed: int = 1) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    return [{"a": dice.choice([dice.randint(-999, 999), dice.random()]), "b": f"ü {index}"} for index in range(count)]


def test_predictions_equal_those_over_http_whatever_the_batches(root: Path, tmp_path: Path) -> None:
    records = make_records(500)
    source = write_lines(tmp_path / "in.jsonl", records)
    with running(root) as service:
        by_http = service.predict({"records": records}).json["predictions"]
    for size in (1, 7, 64, 1000):
        summary = batch(root, "--input", source, "--output", tmp_path / f"{size}.jsonl", "--batch-size", size)
        assert (summary["records"], summary["scored"], summary["failed"]) == (500, 500, 0)
        assert [line["prediction"] for line in read_lines(tmp_path / f"{size}.jsonl")] == by_http


def test_refusals_equal_those_over_http(root: Path, tmp_path: Path) -> None:
    lines = ['{"a": 1}', '{"a": "x", "c": 2}', "{", "[1]", "3", '{"a": NaN}', '{"a": -2000}', '{"b": "x"}', '{"a": 2}']
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    batch(root, "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl", "--on-error", "record")
    with running(root) as service:
        for line, told in zip(lines, read_lines(tmp_path / "out.jsonl"), strict=True):
            answer = service.request("POST", "/predict", line.encode(), content_type="application/json")
            if answer.status == 200:
                assert told == {"prediction": answer.json["predictions"][0]}
            elif line != "[1]":  # over HTTP a list of records
                assert told == {"error": answer.json["message"], "faults": answer.json["faults"]}


def test_errors_are_told_with_file_and_line(root: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"a": 1}\n\n{"a": "x"}\r\n{"a": 3}\n{"a": 4, "b": "raise"}')
    summary = batch(root, "--input", tmp_path / "in.jsonl", "--output", tmp_path / "o.jsonl", "--on-error", "skip")
    assert (summary["records"], summary["failed"]) == (4, 2)
    assert [line["prediction"]["double"] for line in read_lines(tmp_path / "o.jsonl")] == [2, 6]
    first, second = read_lines(Path(summary["errors"]))
    assert first["place"] == f"{tmp_path}/in.jsonl:3"
    assert (first["kind"], first["faults"][0]["field"], first["faults"][0]["rule"]) == ("refused", "a", "type")
    assert (second["place"], second["kind"]) == (f"{tmp_path}/in.jsonl:5", "failed")


def test_a_bad_record_ends_the_run_unless_told_otherwise_and_leaves_nothing(root: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"a": 1}, {"a": "x"}])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "p.jsonl").write_text("what was there before\n")
    summary = batch(root, "--input", source, "--output", tmp_path / "out" / "p.jsonl", code=65)
    assert "in.jsonl:2" in summary["message"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["p.jsonl"]
    assert (tmp_path / "out" / "p.jsonl").read_text() == "what was there before\n"


def test_too_many_errors_end_the_run(root: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"a": "x"}] * 5)
    given = ("--input", source, "--output", tmp_path / "o.jsonl", "--on-error", "skip")
    batch(root, *given, "--max-errors", 4, code=65)
    assert not (tmp_path / "o.jsonl").exists()
    assert batch(root, *given, "--max-errors", 5)["failed"] == 5


@pytest.mark.parametrize("word", ["kill", "raise"])
def test_a_poisoned_record_fails_alone(root: Path, tmp_path: Path, word: str) -> None:
    records: list[dict[str, Any]] = [{"a": index} for index in range(200)]
    records[77]["b"] = word
    source = write_lines(tmp_path / "in.jsonl", records)
    summary = batch(root, "--input", source, "--output", tmp_path / "o.jsonl", "--on-error", "record")
    assert (summary["scored"], summary["failed"]) == (199, 1)
    told = read_lines(tmp_path / "o.jsonl")
    assert [index for index, line in enumerate(told) if "error" in line] == [77]
    assert told[78]["prediction"]["double"] == 156


@pytest.mark.parametrize(("answer", "form"), [("'\\ud800'", "jsonl"), ("10**5000", "csv")])
def test_a_prediction_that_no_file_can_hold_is_that_records_problem(tmp_path: Path, answer: str, form: str) -> None:
    script = f"""
def load(model_dir):
    return 2

def predict(model, records):
    return [{answer} if record["a"] == 2 else record["a"] for record in records]
"""
    root = make_root(tmp_path / "root", script, schema=NUMBER_SCHEMA)
    given = write_lines(tmp_path / "in.jsonl", [{"a": 1}, {"a": 2}, {"a": 3}])
    output = tmp_path / f"out.{form}"
    summary = batch(root, "--input", given, "--output", output, "--on-error", "skip")
    assert (summary["scored"], summary["failed"]) == (2, 1)
    (told,) = read_lines(Path(summary["errors"]))
    assert (told["place"], told["kind"]) == (f"{given}:2", "failed")


def test_an_input_is_not_replaced_by_its_predictions(root: Path, tmp_path: Path) -> None:
    given = write_lines(tmp_path / "in.jsonl", [{"a": 1}])
    assert run_entry(root, "batch", "--input", str(given), "--output", str(given)).returncode == 64
    assert read_lines(given) == [{"a": 1}]


def test_a_record_that_hangs_fails_alone_and_in_time(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", SCRIPT, service={"request_timeout": 1, "batching": {"max_size": 8}})
    records: list[dict[str, Any]] = [{"a": index} for index in range(30)]
    records[3]["b"] = "hang"
    source = write_lines(tmp_path / "in.jsonl", records)
    summary = batch(root, "--input", source, "--output", tmp_path / "o.jsonl", "--on-error", "skip")
    assert (summary["scored"], summary["failed"]) == (29, 1)
    assert read_lines(Path(summary["errors"]))[0]["error"] == "no answer within 1 s"


def test_a_lost_record_is_a_temporary_failure(root: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"a": 1, "b": "kill"}])
    batch(root, "--input", source, "--output", tmp_path / "o.jsonl", code=75)


def test_csv_goes_in_and_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes('a,b\r\n1,"x\ny"\r\n2.5,ü\r\n,z\r\n3\r\n4,"q""r"\r\n'.encode("utf-8-sig"))
    summary = batch(
        root, "--input", tmp_path / "in.csv", "--output", tmp_path / "o.csv", "--on-error", "record", "--keep", "a"
    )
    assert (summary["scored"], summary["failed"]) == (3, 2)
    with (tmp_path / "o.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["a", "double", "b", "error"]
    assert rows[1] == ["1", "2", "x\ny", ""]
    assert rows[2] == ["2.5", "5.0", "ü", ""]
    assert rows[5] == ["4", "8", 'q"r', ""]
    places = [error["place"] for error in read_lines(Path(summary["errors"]))]
    assert places == [f"{tmp_path}/in.csv:5", f"{tmp_path}/in.csv:6"]


def test_an_unclosed_quote_ends_the_run_with_its_line(root: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('a,b\n1,x\n2,"y\n3,z\n')
    summary = batch(root, "--input", tmp_path / "in.csv", "--output", tmp_path / "o.csv", code=65)
    assert "in.csv:3" in summary["message"]


def test_a_pipe_is_read_and_written(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ENTRY), "batch", "--input", "-", "--output", "-"],
        env=make_environment(root),
        input=b'{"a": 1}\n{"a": 2}\n',
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert [json.loads(line)["prediction"]["double"] for line in done.stdout.splitlines()] == [2, 4]
    assert json.loads(done.stderr.splitlines()[-1])["records"] == 2


def test_errors_of_a_pipe_are_in_the_log(root: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"a": 1}, {"a": "x"}])
    done = run_entry(root, "batch", "--input", str(source), "--output", "-", "--on-error", "skip")
    assert done.returncode == 0
    assert f"{source}:2" in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_gzip_is_known_by_its_suffix_on_both_sides(root: Path, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "in.jsonl.gz", "wt") as file:
        file.write('{"a": 1}\n{"a": 2}')
    batch(root, "--input", tmp_path / "in.jsonl.gz", "--output", tmp_path / "o.jsonl.gz")
    with gzip.open(tmp_path / "o.jsonl.gz", "rt") as file:
        assert [json.loads(line)["prediction"]["double"] for line in file] == [2, 4]
    whole = (tmp_path / "in.jsonl.gz").read_bytes()
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[:-6])
    batch(root, "--input", tmp_path / "cut.jsonl.gz", "--output", tmp_path / "cut.jsonl", code=65)
    assert not (tmp_path / "cut.jsonl").exists()


def test_folders_and_patterns_are_read_in_order_without_what_runs_leave_behind(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(["a.jsonl", "b.jsonl", "sub/c.jsonl"]):
        write_lines(folder / name, [{"a": number}])
    (folder / "old.jsonl.errors.jsonl").write_text("not a record\n")
    (folder / "old.jsonl.part").write_text("not a record\n")
    (folder / "_SUCCESS").write_text("")
    (folder / ".hidden.jsonl").write_text("not a record\n")
    batch(root, "--input", folder, "--output", tmp_path / "o.jsonl")
    assert [line["prediction"]["double"] for line in read_lines(tmp_path / "o.jsonl")] == [0, 2, 4]
    batch(root, "--input", folder / "*.jsonl", "--output", f"{tmp_path}/into/")
    assert len(read_lines(tmp_path / "into" / "predictions.jsonl")) == 2


def test_an_input_without_records_gives_an_output_without_predictions(root: Path, tmp_path: Path) -> None:
    for name, text in (("empty.jsonl", ""), ("blank.jsonl", "\n\n"), ("header.csv", "a,b\n"), ("empty.csv", "")):
        (tmp_path / name).write_text(text)
        assert batch(root, "--input", tmp_path / name, "--output", tmp_path / "o.jsonl")["records"] == 0
        assert (tmp_path / "o.jsonl").read_text() == ""


@pytest.mark.parametrize("count", [2, 7])
def test_shards_cover_every_record_exactly_once(root: Path, tmp_path: Path, count: int) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    numbers = list(range(60))
    write_lines(folder / "a.jsonl", [{"a": n, "b": "x" * (n * 7 % 50)} for n in numbers[:25]])
    (folder / "b.csv").write_text("a,b\n" + "".join(f'{n},"line\nbreak"\n' for n in numbers[25:40]))
    with gzip.open(folder / "c.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"a": n}) + "\n" for n in numbers[40:50])
    write_lines(folder / "d.jsonl", [{"a": n} for n in numbers[50:]])
    seen: list[int] = []
    for index in range(count):
        summary = batch(root, "--input", folder, "--output", tmp_path / "o.jsonl", "--shard", f"{index}/{count}")
        seen += [line["prediction"]["double"] // 2 for line in read_lines(Path(summary["output"]))]
    assert sorted(seen) == numbers
    assert len(list(tmp_path.glob("o*.jsonl"))) == count


def test_the_shard_comes_from_the_platforms_variables(root: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"a": index} for index in range(10)])
    given = ("--input", source, "--output", tmp_path / "o.jsonl")
    told = batch(root, *given, CLOUD_RUN_TASK_INDEX="1", CLOUD_RUN_TASK_COUNT="2")
    assert (told["shard"], told["records"]) == ("1/2", 5)
    assert batch(root, *given, AWS_BATCH_JOB_ARRAY_INDEX="2", AWS_BATCH_JOB_ARRAY_SIZE="3")["shard"] == "2/3"
    assert batch(root, *given, "--shards", 4, JOB_COMPLETION_INDEX="3")["shard"] == "3/4"
    alone = run_entry(root, "batch", *map(str, given), JOB_COMPLETION_INDEX="3")
    assert alone.returncode == 64
    assert "--shards" in alone.stderr


def test_line_numbers_are_right_in_any_shard(root: Path, tmp_path: Path) -> None:
    records: list[Any] = [{"a": index} for index in range(50)]
    records[40] = {"a": "x"}
    source = write_lines(tmp_path / "in.jsonl", records)
    summary = batch(root, "--input", source, "--output", tmp_path / "o.jsonl", "--shard", "1/2", code=65)
    assert f"{source}:41" in summary["message"]


def test_sigterm_ends_the_run_and_leaves_nothing_half_written(root: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"a": index, "b": "slow"} for index in range(100_000)])
    process = subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-S",
            str(ENTRY),
            "batch",
            "--input",
            str(source),
            "--output",
            str(tmp_path / "o.jsonl"),
        ],
        env=make_environment(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    part = tmp_path / "o.jsonl.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 0, 20)
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    told = json.loads(process.communicate(timeout=10)[0])
    assert time.monotonic() - started < 3
    assert process.returncode == 143
    assert told["status"] == "stopped"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "root"]


def test_sigterm_is_obeyed_while_a_pipe_says_nothing(root: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(ENTRY), "batch", "--input", "-", "--output", "-"],
        env=make_environment(root),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "model loaded" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 143
    process.communicate()


def begin(root: Path, source: Path, output: Path) -> subprocess.Popen[bytes]:
    """Start a run that is not waited for."""
    command = [sys.executable, "-I", "-S", str(ENTRY), "batch", "--input", str(source), "--output", str(output)]
    return subprocess.Popen(command, env=make_environment(root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_killed_run_leaves_no_output_and_the_next_one_is_whole(root: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"a": index, "b": "slow"} for index in range(20_000)])
    process = begin(root, source, tmp_path / "o.jsonl")
    part = tmp_path / "o.jsonl.part"
    wait_for(lambda: part.exists() and part.stat().st_size > 0, 20)
    process.kill()
    process.wait()
    assert not (tmp_path / "o.jsonl").exists()
    source.write_text('{"a": 1}\n')
    batch(root, "--input", source, "--output", tmp_path / "o.jsonl")
    assert len(read_lines(tmp_path / "o.jsonl")) == 1
    assert not part.exists()


def test_two_runs_do_not_write_one_file(root: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"a": index, "b": "slow"} for index in range(20_000)])
    process = begin(root, source, tmp_path / "o.jsonl")
    wait_for((tmp_path / "o.jsonl.part").exists, 20)
    summary = batch(root, "--input", source, "--output", tmp_path / "o.jsonl", code=73)
    process.kill()
    process.wait()
    assert "another run" in summary["message"]


def test_a_script_for_azure_ml_gets_each_line_as_a_body(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", AZURE, contract="azure", schema=None)
    source = write_lines(tmp_path / "in.jsonl", [{"data": [1, 2]}, {"other": 1}, {"data": [4]}])
    summary = batch(root, "--input", source, "--output", tmp_path / "o.jsonl", "--on-error", "record")
    first, second, third = read_lines(tmp_path / "o.jsonl")
    assert (first, third) == ({"prediction": {"sum": 3}}, {"prediction": {"sum": 4}})
    assert "scoring script" in second["error"]
    assert summary["failed"] == 1


SAGEMAKER = """
import json, time

def model_fn(model_dir):
    return 2

def input_fn(body, content_type):
    return json.loads(body)

def predict_fn(data, model):
    time.sleep(0.3)
    return {"double": data["a"] * model}

def output_fn(prediction, accept):
    return json.dumps(prediction)
"""


def test_records_that_are_requests_of_their_own_do_not_wait_under_their_time_limit(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root", SAGEMAKER, contract="sagemaker", service={"request_timeout": 1})
    source = write_lines(tmp_path / "in.jsonl", [{"a": index} for index in range(8)])
    batch(root, "--input", source, "--output", tmp_path / "o.jsonl")
    assert [line["prediction"]["double"] for line in read_lines(tmp_path / "o.jsonl")] == list(range(0, 16, 2))


def test_a_model_that_does_not_load_has_an_exit_code_of_its_own(root: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"a": 1}])
    batch(root, "--input", source, "--output", tmp_path / "o.jsonl", code=70, BROKEN="1", KILN_LOAD_ATTEMPTS="1")


def test_what_cannot_be_read_or_written_has_exit_codes_of_its_own(root: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [{"a": 1}])
    assert "no file" in batch(root, "--input", tmp_path / "no.jsonl", "--output", "o.jsonl", code=66)["message"]
    batch(root, "--input", source, "--output", "/proc/o.jsonl", code=73)
    for wrong in (("--on-error", "pray"), ("--shard", "2/2"), ("--nonsense",), ("--batch-size", "0")):
        done = run_entry(root, "batch", "--input", str(source), "--output", "o.jsonl", *wrong)
        assert done.returncode == 64
        assert done.stderr.startswith("batch: ")
    assert run_entry(root, "batch", "--help").stdout.startswith("usage: batch")


def test_parquet_without_pyarrow_names_the_remedy(root: Path, tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_bytes(b"PAR1")
    summary = batch(root, "--input", tmp_path / "in.parquet", "--output", tmp_path / "o.jsonl", code=65)
    assert "add pyarrow" in summary["message"]
    source = write_lines(tmp_path / "in.jsonl", [{"a": 1}])
    summary = batch(root, "--input", source, "--output", tmp_path / "o.parquet", code=73)
    assert "add pyarrow" in summary["message"]
    assert not list(tmp_path.glob("o.parquet*"))


def test_memory_does_not_grow_with_the_input(root: Path, tmp_path: Path) -> None:
    def measure(count: int) -> int:
        source = tmp_path / f"{count}.jsonl"
        with source.open("w") as file:
            for index in range(count):
                file.write(f'{{"a": {index % 900}, "b": "{"x" * 100}"}}\n')
        command = [sys.executable, "-I", "-S", str(ENTRY), "batch", "--input", str(source), "--output", "/dev/stdout"]
        command[-1] = f"{tmp_path}/{count}.out.jsonl"
        process = subprocess.Popen(
            command, env=make_environment(root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return int(usage.ru_maxrss)

    small, large = measure(2_000), measure(100_000)
    assert large < small + 8 * 1024, f"{small} KiB for 2,000 records, {large} KiB for 100,000"

"""Building again: what stands is taken up, what changed or was damaged is made, and both are explained."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.oci.digest import Digest
from tests.support.kiln import ROOT, Kiln
from tests.support.small import Home, edit, own_home, small_bundle

LOCK_DRIFT = 4
CHANGED, SAME = "something changed", "nothing changed"


@pytest.fixture(scope="module")
def locked(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with its lock; not to be changed."""
    bundle = small_bundle(tmp_path_factory.mktemp("bundle") / "small")
    edit(bundle, "scoring: {script: score.py}", "scoring: {script: score.py, sources: [table.bin]}")
    (bundle / "table.bin").write_bytes(bytes(range(256)) * 8192)  # is taken over from context to context
    kiln("lock", bundle)
    kiln("build", bundle)
    return bundle


@pytest.fixture(scope="module")
def own(kiln: Kiln, locked: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Kiln, Home]:
    """The command with a store of its own, which has all that was fetched."""
    del locked
    return own_home(kiln, tmp_path_factory.mktemp("home") / "home")


@pytest.fixture
def bundle(locked: Path, own: tuple[Kiln, Home], tmp_path: Path) -> Path:
    """A bundle that was built, and that a second build takes up."""
    copied = tmp_path / "small"
    shutil.copytree(locked, copied, ignore=shutil.ignore_patterns("build"))
    time.sleep(0.1)  # so that a change after the build would show in the files' times
    own[0]("build", copied, "--offline")
    return copied


def built(kiln: Kiln, bundle: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    done = kiln("build", bundle, "--offline", "--json", *arguments)
    return done.json, done.stderr


def test_a_build_that_stands_is_taken_up(own: tuple[Kiln, Home], bundle: Path) -> None:
    record = json.loads((bundle / "build" / "image.json").read_text())
    described, said = built(own[0], bundle)
    assert SAME in said
    assert described == record
    assert "assemble" not in said


def test_the_first_build_does_not_say_that_something_changed(
    own: tuple[Kiln, Home], locked: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "first"
    shutil.copytree(locked, copied, ignore=shutil.ignore_patterns("build"))
    said = built(own[0], copied)[1]
    assert "compare with the latest build: none is known" in said
    assert CHANGED not in said


def test_taking_up_a_build_loads_no_stage_and_opens_no_blob(own: tuple[Kiln, Home], bundle: Path) -> None:
    code = (
        "import sys\nopened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "from builder.cli.main import main\n"
        "try: main(['build', sys.argv[1], '--offline'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print(sorted(path for path in opened if '/blobs/' in path))\n"
        "heavy = {'yaml', 'jsonschema', 'jinja2', 'docker', 'urllib3', 'packaging', 'requests', 'deflate'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "print(sorted(name for name in sys.modules if name.startswith(('builder.assemble', 'builder.check'))))"
    )
    argv = [sys.executable, "-c", code, str(bundle)]
    done = subprocess.run(argv, env=dict(own[0].environ), capture_output=True, text=True, check=True, cwd=ROOT)
    assert SAME in done.stderr
    assert done.stdout.splitlines()[1:] == ["[]", "[]", "[]"]


def test_code_that_changed_takes_no_parser_no_template_and_no_client(own: tuple[Kiln, Home], bundle: Path) -> None:
    with (bundle / "score.py").open("a") as script:
        script.write("# edited\n")
    code = (
        "import sys\nfrom builder.cli.main import main\n"
        "try: main(['build', sys.argv[1], '--offline'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print(sorted({'yaml', 'jsonschema', 'jinja2', 'docker', 'urllib3', 'requests'} & set(sys.modules)))"
    )
    argv = [sys.executable, "-c", code, str(bundle)]
    environ = {**own[0].environ, "KILN_JOBS": "2"}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True, cwd=ROOT)
    assert CHANGED in done.stderr
    assert done.stdout.splitlines()[1:] == ["[]"]


def _append(name: str) -> Callable[[Path], None]:
    """Return a change that was never made before."""

    def change(bundle: Path) -> None:
        with (bundle / name).open("a") as file:
            file.write(f"# {os.urandom(8).hex()}\n")

    return change


def _same_size_and_time(bundle: Path) -> None:
    path = bundle / "score.py"
    status, text = path.stat(), path.read_text()
    path.write_text(text.replace("load", "daol"))
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


INPUTS: dict[str, Callable[[Path], object]] = {
    "code": _append("score.py"),
    "definition": _append("bundle.yaml"),
    "a file beside it": lambda bundle: (bundle / "notes.txt").write_text("x"),
    "a file that is gone": lambda bundle: (bundle / "notes.md").unlink(missing_ok=True) or _append("score.py")(bundle),
    "a mode": lambda bundle: (bundle / "score.py").chmod(0o755),
    "a file replaced under its old size and time": _same_size_and_time,
}

PRODUCTS: dict[str, Callable[[Path], object]] = {
    "the Dockerfile is gone": lambda build: (build / "context" / "Dockerfile").unlink(),
    "the Dockerfile was edited": lambda build: (build / "context" / "Dockerfile").write_text("FROM scratch\n"),
    "a file was added to the context": lambda build: (build / "context" / "more").write_text("x"),
    "the layout is gone": lambda build: shutil.rmtree(build / "layout"),
    "the index was edited": lambda build: (build / "layout" / "index.json").write_text("{}"),
    "the record was edited": lambda build: (build / "image.json").write_text("{}"),
    "everything is gone": shutil.rmtree,
}


@pytest.mark.parametrize("what", INPUTS)
def test_a_changed_input_is_never_overlooked(own: tuple[Kiln, Home], bundle: Path, what: str) -> None:
    INPUTS[what](bundle)
    assert CHANGED in built(own[0], bundle)[1]


@pytest.mark.parametrize("what", PRODUCTS)
def test_a_damaged_product_is_made_again(own: tuple[Kiln, Home], bundle: Path, what: str) -> None:
    before = json.loads((bundle / "build" / "image.json").read_text())
    PRODUCTS[what](bundle / "build")
    described, said = built(own[0], bundle)
    assert CHANGED in said
    assert described["image_id"] == before["image_id"]
    assert "FROM" in (bundle / "build" / "context" / "Dockerfile").read_text().replace("FROM scratch\n", "")
    assert not (bundle / "build" / "context" / "more").exists()


def test_a_blob_the_store_lost_is_made_again(own: tuple[Kiln, Home], bundle: Path) -> None:
    kiln, home = own
    before = json.loads((bundle / "build" / "image.json").read_text())
    lost = before["layers"][-1]["digest"].removeprefix("sha256:")
    (home.blobs / lost).unlink()
    described, said = built(kiln, bundle)
    assert CHANGED in said
    assert described["image_id"] == before["image_id"]
    assert (home.blobs / lost).exists()


def _flip(path: Path) -> None:
    """Put other bytes of the same size in a file's place; links to it elsewhere keep theirs."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)


def _records(home: Home, kind: str) -> list[Path]:
    return list((home.path / "store" / "records" / kind).iterdir())


def _blobs_of(home: Home, kind: str) -> list[Path]:
    kept = [json.loads(path.read_bytes()).get("value") for path in _records(home, kind)]
    names = [value.get("blob") or value["digest"].removeprefix("sha256:") for value in kept if isinstance(value, dict)]
    return [home.blobs / name for name in names if (home.blobs / name).exists()]


DAMAGED: dict[str, Callable[[Home, Path], list[Path]]] = {
    "layers": lambda home, _: _blobs_of(home, "layers"),
    "base layers": lambda home, _: _blobs_of(home, "bases"),
    "bytecode": lambda home, _: _blobs_of(home, "bytecode"),
    "records of layers": lambda home, _: _records(home, "layers"),
    "records of bytecode": lambda home, _: _records(home, "bytecode"),
    "hashes of files": lambda home, _: _records(home, "files"),
    "verdicts on bundles": lambda home, _: _records(home, "bundle"),
    "verdicts on locks": lambda home, _: _records(home, "locks"),
    "Dockerfiles": lambda home, _: _records(home, "dockerfile"),
    "copies in contexts": lambda home, _: _records(home, "context"),
    "builds": lambda home, _: _records(home, "builds"),
    "plans": lambda home, _: _records(home, "plans"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_whatever_is_damaged_in_the_store_the_image_is_the_same(
    own: tuple[Kiln, Home], bundle: Path, kind: str
) -> None:
    kiln, home = own
    before = json.loads((bundle / "build" / "image.json").read_text())
    damaged = DAMAGED[kind](home, bundle)
    assert damaged
    for path in damaged:
        _flip(path)
    shutil.rmtree(bundle / "build")
    described, _ = built(kiln, bundle)
    assert described["layers"] == before["layers"]
    assert described["image_id"] == before["image_id"]
    for layer in described["layers"]:
        content = (
            bundle / "build" / "layout" / "blobs" / "sha256" / layer["digest"].removeprefix("sha256:")
        ).read_bytes()
        assert str(Digest.of(content)) == layer["digest"]


def test_what_a_check_has_to_say_is_said_again(own: tuple[Kiln, Home], bundle: Path) -> None:
    (bundle / "stray.ipynb").write_text('{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}')
    time.sleep(0.1)
    first = built(own[0], bundle)[1]
    again = built(own[0], bundle)[1]
    assert (CHANGED in first, SAME in again) == (True, True)
    told = [line for line in first.splitlines() if line.startswith(("warning:", "  1 note", "  2 notes"))]
    assert [line for line in again.splitlines() if line.startswith(("warning:", "  1 note", "  2 notes"))] == told


def test_the_plan_says_what_changed_and_what_is_reused(own: tuple[Kiln, Home], bundle: Path) -> None:
    kiln = own[0]
    [before] = kiln("plan", bundle, "--explain", "--json").json["platforms"]
    assert {line["outcome"] for line in before["layers"]} == {"reused"}
    _append("score.py")(bundle)
    [after] = kiln("plan", bundle, "--explain", "--json").json["platforms"]
    made = {line["what"]: line["because"] for line in after["layers"] if line["outcome"] == "made"}
    assert made == {
        "code: scoring script, bundle.json and locks": ["file score.py changed"],
        "image configuration": ["1 of its layers changed"],
    }
    table = kiln("plan", bundle, "--explain").stdout
    assert "made     code: scoring script, bundle.json and locks" in table
    assert "file score.py changed" in table


def test_timings_and_trace_tell_where_time_went(own: tuple[Kiln, Home], bundle: Path, tmp_path: Path) -> None:
    _append("score.py")(bundle)
    trace = tmp_path / "trace.json"
    said = built(own[0], bundle, "--timings", "--trace", str(trace))[1]
    rows = [line.split()[0] for line in said.splitlines() if line.endswith(" %")]
    assert rows[0] == "start"
    assert {"inventory", "assemble", "render", "all"} <= set(rows)
    events = json.loads(trace.read_text())["traceEvents"]
    spans = {event["cat"]: event for event in events if event["ph"] == "X"}
    assert {"command", "assemble", "layer"} <= set(spans)
    rows_of_threads = {event["tid"] for event in events if event["name"] == "thread_name"}
    assert {event["tid"] for event in spans.values()} <= rows_of_threads


def test_a_store_that_was_pruned_makes_the_same_image(own: tuple[Kiln, Home], bundle: Path) -> None:
    kiln, home = own
    before = json.loads((bundle / "build" / "image.json").read_text())["image_id"]
    shown = kiln("cache", "--json").json
    assert {"wheel", "layer", "record"} <= {kind["kind"] for kind in shown["kinds"]}
    keep = sum(kind["bytes"] for kind in shown["kinds"] if kind["kind"] in ("wheel", "Debian package"))
    would = kiln("cache", "prune", "--keep", f"{keep}", "--dry-run", "--json").json
    assert would["bytes"] > 0
    layers = [
        layer["digest"].removeprefix("sha256:")
        for layer in json.loads((bundle / "build" / "image.json").read_text())["layers"]
    ]
    for layer in layers[1:]:
        (home.blobs / layer).unlink(missing_ok=True)
    assert built(kiln, bundle)[0]["image_id"] == before


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ([], "nothing says what may go"),
        (["--older-than", "soon"], "not a quantity"),
        (["--keep", "10 parsecs"], "not a quantity"),
    ],
)
def test_pruning_wants_to_be_told_what(kiln: Kiln, arguments: list[str], fact: str) -> None:
    assert fact in kiln("cache", "prune", *arguments, code=2).stderr


def test_a_new_model_is_taken_into_the_lock_when_it_is_said(own: tuple[Kiln, Home], bundle: Path) -> None:
    kiln = own[0]
    requirements = (bundle / "requirements.lock").read_bytes()
    before = json.loads((bundle / "bundle.lock").read_text())
    (bundle / "model" / "weights.json").write_text('{"factor": 3}')
    assert "changed since the bundle was locked" in kiln("build", bundle, "--offline", code=LOCK_DRIFT).stderr
    done = kiln("build", bundle, "--offline", "--new-model", "--json")
    assert "the lock names the new model; every version stays" in done.stderr
    after = json.loads((bundle / "bundle.lock").read_text())
    assert after["platforms"] == before["platforms"]
    assert (bundle / "requirements.lock").read_bytes() == requirements
    kiln("lock", bundle)
    assert json.loads((bundle / "bundle.lock").read_text()) == after


def test_only_a_new_model_is_taken_in(own: tuple[Kiln, Home], bundle: Path) -> None:
    text = (bundle / "bundle.yaml").read_text()
    (bundle / "bundle.yaml").write_text(text.replace("requirements: []", "requirements: [six]"))
    (bundle / "model" / "weights.json").write_text('{"factor": 4}')
    said = own[0]("build", bundle, "--offline", "--new-model", code=LOCK_DRIFT).stderr
    assert "the requirements now ask for six, which was not locked" in said

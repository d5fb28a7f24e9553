from __future__ import annotations

import ast
import importlib.util
import marshal
import platform
import py_compile
import subprocess
import sys
from pathlib import Path
from types import CodeType

import pytest

from builder.assemble.bytecode import (
    BytecodeCache,
    Interpreter,
    batches,
    bytecode_path,
    compile_batch,
    sources_of,
)
from builder.assemble.content import MadeContent
from builder.errors import HostError
from builder.host.resources import resource_dir
from builder.oci.digest import Digest
from builder.oci.entry import Entry
from builder.store.blobs import BlobStore

THIS = Interpreter(argv=(sys.executable,), version=platform.python_version())
TAG = sys.implementation.cache_tag
ROOT = "opt/model/packages"


def module(path: str, text: str | bytes = "x = 1\n") -> Entry:
    data = text.encode() if isinstance(text, str) else text
    return Entry.file(f"{ROOT}/{path}", MadeContent(data, path))


def real_modules() -> list[Entry]:
    """Modules of the standard library with all that marshal can write."""
    folder = Path(ast.__file__).parent
    names = ["ast", "argparse", "dataclasses", "decimal", "enum", "inspect", "json/decoder", "os", "typing"]
    return [module(f"{name}.py", (folder / f"{name}.py").read_bytes()) for name in names]


def results(entries: list[Entry], folder: Path, interpreter: Interpreter = THIS) -> dict[str, bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    done = compile_batch(entries, interpreter, folder)
    data = done.path.read_bytes()
    return {path: data[offset : offset + size] for path, offset, size in done.files}


def test_bytecode_is_the_same_in_every_run_whatever_the_hash_seed(tmp_path: Path) -> None:
    # -I makes the interpreter ignore PYTHONHASHSEED, so every run has another seed.
    runs = [results(real_modules(), tmp_path / str(number)) for number in range(4)]
    assert len(runs[0]) == len(real_modules())
    assert all(run == runs[0] for run in runs)


def test_bytecode_does_not_depend_on_what_else_is_compiled(tmp_path: Path) -> None:
    entries = real_modules()
    together = results(entries, tmp_path / "together")
    backwards = results(entries[::-1], tmp_path / "backwards")
    alone = {}
    for entry in entries:
        alone |= results([entry], tmp_path / entry.path.replace("/", "-"))
    assert together == backwards == alone


def test_bytecode_does_not_depend_on_what_the_process_holds() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); {imports}"
        "import bytecode, hashlib;"
        "done = [bytecode.bytecode(open(path, 'rb').read(), '/x.py') for path in sys.argv[2:]];"
        "print(hashlib.sha256(b''.join(done)).hexdigest())"
    )
    folder = resource_dir("templates")
    files = [str(Path(ast.__file__).parent / f"{name}.py") for name in ("ast", "argparse", "inspect", "typing")]
    printed = {
        subprocess.run(
            [sys.executable, "-I", "-c", code.format(imports=imports), str(folder), *files],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for imports in ("", "import argparse, ast, inspect, typing, json, http.client, unittest.mock;")
    }
    assert len(printed) == 1


def test_bytecode_is_what_the_interpreter_itself_would_run(tmp_path: Path) -> None:
    [entry] = real_modules()[:1]
    pyc = results([entry], tmp_path)[entry.path]
    assert entry.content is not None
    source = b"".join(entry.content.chunks())
    code = marshal.loads(pyc[16:])
    assert isinstance(code, CodeType)
    assert code == compile(source, f"/{entry.path}", "exec", dont_inherit=True, optimize=0)
    assert code.co_filename == f"/{entry.path}"
    assert pyc[:4] == importlib.util.MAGIC_NUMBER
    assert pyc[8:16] == importlib.util.source_hash(source)


def test_bytecode_is_never_compared_with_its_source(tmp_path: Path) -> None:
    [pyc] = results([module("m.py", "value = 'compiled'\n")], tmp_path / "work").values()
    (tmp_path / "m.py").write_text("value = 'changed'\n")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / f"m.{TAG}.pyc").write_bytes(pyc)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import m; print(m.value)"
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "compiled\n"
    assert py_compile.PycInvalidationMode.UNCHECKED_HASH.value == 3
    assert pyc[4:8] == b"\x01\x00\x00\x00"


def test_files_that_do_not_compile_are_left_out(tmp_path: Path) -> None:
    bad = {
        "py2.py": "print 'hello'\n",
        "template.py": "class {{ name }}: pass\n",
        "latin.py": b"x = '\xe9'\n",
        "zero.py": b"x = 1\0\n",
        "codec.py": "# coding: no-such-codec\n",
        "deep.py": "(" * 5000 + ")" * 5000,
    }
    entries = [module(path, text) for path, text in bad.items()]
    assert list(results([*entries, module("good.py")], tmp_path)) == [f"{ROOT}/good.py"]


def test_warnings_of_the_compiler_are_not_shown(tmp_path: Path) -> None:
    assert len(results([module("w.py", "x = '\\d'\nx is 1\n")], tmp_path)) == 1


def test_modules_get_bytecode_and_nothing_else_does() -> None:
    entries = [
        module("b.py"),
        module("a/__init__.py"),
        module("a/tests/test_it.py"),
        module("a/test/x.py"),
        module("a/testing.py"),
        module("bin/command.py"),
        module("data.txt"),
        module("own.py"),
        module(f"__pycache__/own.{TAG}.pyc"),
        Entry.symlink(f"{ROOT}/link.py", "b.py"),
        Entry.directory(f"{ROOT}/odd.py"),
    ]
    assert [entry.path.removeprefix(f"{ROOT}/") for entry in sources_of(entries, TAG)] == [
        "a/__init__.py",
        "a/testing.py",
        "b.py",
    ]


def test_bytecode_stands_where_python_looks() -> None:
    assert bytecode_path("a/b/c.py", "cpython-311") == "a/b/__pycache__/c.cpython-311.pyc"
    assert bytecode_path("x/c.py", TAG) == importlib.util.cache_from_source("x/c.py")


def test_batches_hold_everything_once() -> None:
    entries = [module(f"m{number}.py", "#" * 1_000_000) for number in range(7)]
    cut = list(batches(entries))
    assert [entry for batch in cut for entry in batch] == entries
    assert len(cut) == 2


def test_an_interpreter_of_another_version_is_refused(tmp_path: Path) -> None:
    other = Interpreter(argv=(sys.executable,), version="3.9.1")
    with pytest.raises(HostError, match="not the base image's") as caught:
        compile_batch([module("a.py")], other, tmp_path)
    assert caught.value.faults[0].want == "cpython-39 3.9.1"


def test_an_interpreter_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="failed"):
        compile_batch([module("a.py")], Interpreter(argv=("/bin/false",), version="3.11.2"), tmp_path)


def test_versions_are_compared_whole() -> None:
    interpreter = Interpreter(argv=(), version="3.11.2")
    assert interpreter.serves("3.11")
    assert not interpreter.serves("3.1")
    assert (interpreter.tag, interpreter.identity) == ("cpython-311", "cpython-3.11.2")


def test_compiled_bytecode_is_remembered(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    cache = BytecodeCache(store, THIS)
    assert cache.get("key") is None
    done = compile_batch(real_modules(), THIS, tmp_path)
    made = cache.put("key", [done], title="x")
    assert not done.path.exists()
    again = BytecodeCache(store, THIS).get("key")
    assert again == made
    assert [entry.path for entry in made] == [bytecode_path(entry.path, TAG) for entry in real_modules()]
    assert all(
        entry.content is not None and len(b"".join(entry.content.chunks())) == entry.content.size for entry in made
    )
    assert BytecodeCache(store, Interpreter(argv=(), version="3.9.1")).get("key") is None


def test_damaged_bytecode_is_forgotten(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "store")
    BytecodeCache(store, THIS).put("key", [compile_batch([module("a.py")], THIS, tmp_path)], title="x")
    [blob] = (store.root / "blobs" / "sha256").iterdir()
    data = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(data[:-1] + b"?")
    assert BytecodeCache(store, THIS).get("key") is None
    assert not store.has(Digest.of(data))

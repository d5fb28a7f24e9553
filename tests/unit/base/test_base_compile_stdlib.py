import json
import subprocess
import sys
from pathlib import Path

from builder.base import compile_stdlib


def compile_all(sources: Path, out: Path) -> tuple[dict[str, bytes], list[str]]:
    jobs = [
        [str(path), str(out / f"{path.stem}.pyc"), f"/usr/lib/python3/{path.name}"]
        for path in sorted(sources.glob("*.py"))
    ]
    done = subprocess.run(
        [sys.executable, "-s", "-S", "-B", compile_stdlib.__file__],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=True,
    )
    written = json.loads(done.stdout)["done"]
    return {path.name: path.read_bytes() for path in out.iterdir()}, written


def test_bytecode_is_unchecked_names_image_paths_and_is_equal_wherever_it_is_made(tmp_path: Path) -> None:
    for name in ("one", "another/place"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "a.py").write_text(
            "X = {'a', 'b', 'c'}\ndef f(x):\n    return x in {'a', 'b', 'c'} or (1, 2, 'three')\n"
        )
        (folder / "b.py").write_text("from a import f\n\nclass C:\n    '''text'''\n    y = ('a', 'b')\n")
    first, _ = compile_all(tmp_path / "one", tmp_path / "out1")
    second, _ = compile_all(tmp_path / "another/place", tmp_path / "out2")
    assert first == second
    assert set(first) == {"a.pyc", "b.pyc"}
    for content in first.values():
        assert int.from_bytes(content[4:8], "little") == 0b01
        assert b"/usr/lib/python3/" in content
        assert str(tmp_path).encode() not in content


def test_a_file_that_is_not_valid_python_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("print 'two'\n")
    (tmp_path / "good.py").write_text("print('three')\n")
    files, written = compile_all(tmp_path, tmp_path / "out")
    assert set(files) == {"good.pyc"}
    assert [Path(path).name for path in written] == ["good.pyc"]

"""The structure of the code, held to the table in docs/explanation/architecture.md."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from builder import errors

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "builder"

# A part may import itself and what stands on a lower floor; never a neighbour of its own floor unless named here.
FLOORS = (
    ("errors", "oci"),
    ("host",),
    ("store", "bundle"),
    ("base", "lock"),
    ("plan",),
    ("render", "assemble", "check"),
    ("scaffold",),
    ("engine", "publish"),
    ("smoke", "compare"),
    ("release",),
    ("pipeline",),
    ("cli",),
)
NEIGHBOURS = {("oci", "errors"), ("lock", "base")}
PURE = ("oci", "plan", "render")
# What would make a pure part read the machine it runs on.
IMPURE_MODULES = {"os", "subprocess", "socket", "shutil", "tempfile", "time", "random", "urllib", "urllib3", "docker"}
# render/context.py is the small writer beside the pure renderer.
IMPURE_FILES = {"render/context.py"}


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "_resources" not in path.parts)


def _part(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _relative_imports(path: Path, name: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = name.rsplit(".", node.level)[0]
            module = f"{package}.{node.module}" if node.module else package
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def _floor(part: str) -> int:
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


def test_every_part_stands_on_a_floor() -> None:
    parts = {_part(path) for path in _modules()} - {"__init__", "runtime"}
    assert parts == {part for floor in FLOORS for part in floor}


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    part = _part(path)
    imported = {name.split(".")[1] for name in _imports(path) if name.startswith("builder.")}
    if part == "runtime":
        assert not imported, f"the runtime is baked into images and imports nothing of the builder: {imported}"
        return
    if part == "__init__":
        return
    for other in imported - {part, "__version__"}:
        assert other != "runtime", f"{path.name} imports the runtime, which only ever runs in images"
        lower = _floor(other) < _floor(part)
        assert lower or (part, other) in NEIGHBOURS, f"{part} may not import {other}"


@pytest.mark.parametrize("part", PURE)
def test_pure_parts_do_not_look_around(part: str) -> None:
    for path in sorted((PACKAGE / part).glob("*.py")):
        if str(path.relative_to(PACKAGE)) in IMPURE_FILES:
            continue
        touched = {name.split(".")[0] for name in _imports(path)} & IMPURE_MODULES
        assert not touched, f"{path.relative_to(PACKAGE)} is pure and yet imports {touched}"


def test_programs_are_started_in_one_place() -> None:
    allowed = {"host/process.py"}
    starters = {
        str(path.relative_to(PACKAGE))
        for path in _modules()
        if "subprocess" in _imports(path) and _part(path) != "runtime"
    }
    assert starters <= allowed


def test_every_module_imports_alone() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in _modules()
        if _part(path) != "runtime" and path.stem != "__main__"
    ]
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_no_import_goes_in_a_circle() -> None:
    graph = {}
    known = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in _modules()}
    for name, path in known.items():
        named = _imports(path) | _relative_imports(path, name)
        graph[name] = {target for target in named if target in known and target != name}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_every_error_has_its_own_exit_code() -> None:
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.KilnError) and value is not errors.KilnError
    ]
    codes = [cls.exit_code for cls in classes]
    assert len(set(codes)) == len(codes)
    assert all(2 <= code <= 30 for code in codes)


def test_files_stay_small_enough_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines for path in _modules() if (lines := len(path.read_text().splitlines())) > 450
    }
    assert not long

"""Make the environments the systems run in: one for each lock, with uv, kept between runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTHON = "3.11"


def find_cache() -> Path:
    """Return the folder everything is kept in between runs."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "modelkiln" / "benchmarks" / "serving"


def find_uv() -> str:
    """Return the program uv: the one beside this project's Python, else the one on the path."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        sys.exit("uv is needed: make setup")
    return found


def make_environment(lock: Path, name: str) -> Path:
    """Return the Python of an environment with exactly what the lock says; made again when the lock changes."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    place = find_cache() / "venvs" / f"{name}-{digest}"
    python = place / "bin" / "python"
    if not (place / ".complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        print(f"  installing {name} …", file=sys.stderr, flush=True)
        uv = find_uv()
        run(uv, "venv", "--quiet", "--python", PYTHON, str(place))
        run(uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), "-r", str(lock))
        (place / ".complete").touch()
    return python


def run(*command: str) -> None:
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} {command[1]} failed")


def make_all(names: set[str]) -> dict[str, Path]:
    """Return the Python of each environment, and under "server" that of the server in our own images."""
    pythons = {name: make_environment(HERE / "locks" / f"{name}.txt", name) for name in sorted(names | {"models"})}
    pythons["server"] = make_environment(ROOT / "builder" / "runtime" / "requirements.lock", "server")
    os.environ["BENCH_SERVER_PACKAGES"] = str(next((pythons["server"].parents[1] / "lib").glob("*/site-packages")))
    return pythons


def make_models(python: Path) -> Path:
    """Return the folder with the trained models."""
    script = HERE / "train.py"
    digest = hashlib.sha256(script.read_bytes()).hexdigest()[:12]
    place = find_cache() / f"models-{digest}"
    if not (place / "sample.json").exists():
        run(str(python), str(script), str(place))
    return place

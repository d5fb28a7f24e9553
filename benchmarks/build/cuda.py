"""A CUDA build of PyTorch: gigabytes of wheels, linked cold, and what it takes to read, inflate and hash them once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.build.kiln import KILN, Home
from benchmarks.build.measure import Board, run
from benchmarks.build.projects import Project

SYSTEM = "kiln"
FLOOR = "PyTorch with CUDA: read, inflate and hash its wheels once"
LINK = "PyTorch with CUDA: cold link"
WHOLE = "PyTorch with CUDA: cold build, the whole command"
RATIO = "PyTorch with CUDA: cold link, as a multiple of reading, inflating and hashing"
COMPILED = "PyTorch with CUDA: link, bytecode kept"
RATIO_COMPILED = "PyTorch with CUDA: link, bytecode kept, as a multiple of reading, inflating and hashing"
MEMORY = "PyTorch with CUDA: most memory, MB"
WHEELS = "PyTorch with CUDA: wheels, MB"

BUNDLE = """
    name: torch
    version: 1.0.0
    description: PyTorch with CUDA, for measuring builds.
    owner: benchmark@example.com
    model: {path: model, framework: custom}
    scoring: {script: score.py}
    environment: {python: "3.11", requirements: requirements.txt, platforms: [linux/amd64]}
    schema:
      request: {type: object, properties: {x: {type: number}}, required: [x], additionalProperties: false}
      response: {type: number}
    smoke:
      - {name: a number is scored, request: {x: 1.0}, expect: {status: 200}}
      - {name: nothing is refused, request: {}, expect: {status: 400}}
    """
SCORE = """
    def load(model_dir):
        return None


    def predict(model, records):
        return [record["x"] for record in records]
    """
PIECE = 1 << 20


class Plain(Project):
    """A project whose model is nothing in particular."""

    def place_model(self, number: int) -> None:
        self.model_folder.mkdir(parents=True, exist_ok=True)
        (self.model_folder / "weights.json").write_text(f"[{number}]\n")


class Torch:
    """The bundle, its home, and its wheels."""

    def __init__(self, home: Path, models: Path) -> None:
        self.home = Home(home / "cuda")
        files = {"bundle.yaml": BUNDLE, "score.py": SCORE}
        pins = ("torch==2.15.0",)
        self.project = Plain(folder=home / "projects/torch", models=models, code="score.py", files=files, pins=pins)

    def prepare(self) -> None:
        """Lock and fetch it once."""
        done = self.home.fetched / ".prepared"
        if not done.exists():
            self.project.reset()
            for verb in ("lock", "fetch"):
                run([KILN, verb, self.project.folder], environ={"KILN_HOME": str(self.home.fetched)})
            done.touch()

    def wheels(self) -> list[Path]:
        blobs = self.home.fetched / "store/blobs/sha256"
        lock = json.loads((self.project.folder / "bundle.lock").read_text())
        return [blobs / wheel["sha256"] for wheel in lock["platforms"][0]["wheels"]]

    def measure(self, board: Board) -> None:
        """Measure the floor and the link, one after the other, from the same state of the page cache."""
        self.prepare()
        wheels = self.wheels()
        for wheel in wheels:  # both find the wheels in memory, as far as they fit
            with wheel.open("rb") as file:
                while file.read(PIECE):
                    pass
        started = time.perf_counter()
        unpacked = inflate_all(wheels)
        floor = time.perf_counter() - started
        board.add(FLOOR, SYSTEM, floor)
        board.add(WHEELS, SYSTEM, sum(wheel.stat().st_size for wheel in wheels) / 1e6)
        board.add(WHEELS.replace("wheels", "unpacked"), SYSTEM, unpacked / 1e6)
        self.home.renew()
        link = self._build(board, WHOLE)
        board.add(LINK, SYSTEM, link)
        board.add(RATIO, SYSTEM, link / floor)
        for kind in ("layers", "builds"):
            shutil.rmtree(self.home.used / "store/records" / kind, ignore_errors=True)
        link = self._build(board, None)
        board.add(COMPILED, SYSTEM, link)
        board.add(RATIO_COMPILED, SYSTEM, link / floor)
        shutil.rmtree(self.home.used)
        shutil.rmtree(self.project.folder / "build", ignore_errors=True)

    def _build(self, board: Board, whole: str | None) -> float:
        """Build it as if it never was, and return the seconds of linking alone."""
        shutil.rmtree(self.project.folder / "build", ignore_errors=True)
        argv = [KILN, "build", str(self.project.folder), "--json"]
        ran = run(argv, environ={"KILN_HOME": str(self.home.used)}, watch=True)
        if whole:
            board.add(whole, SYSTEM, ran.seconds)
            board.add(MEMORY, SYSTEM, ran.memory / 1e6)
        return float(json.loads(ran.stdout)["timings"]["assemble"])


def inflate_all(wheels: list[Path]) -> int:
    """Read every member of every wheel, inflate it with the fastest library there is, and hash it; on all cores."""
    tasks = sorted(((info, wheel) for wheel in wheels for info in _members(wheel)), key=lambda task: -task[0].file_size)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(lambda task: _inflate(*task), tasks))


def _members(wheel: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.infolist()


def _inflate(info: zipfile.ZipInfo, wheel: Path) -> int:
    from isal import isal_zlib  # noqa: PLC0415 - of kiln's own dependencies

    seen, hasher = 0, hashlib.sha256()
    with wheel.open("rb") as file:
        file.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
        file.seek(info.header_offset + 30 + name + extra)
        left = info.compress_size
        inflater = isal_zlib.decompressobj(-15) if info.compress_type == zipfile.ZIP_DEFLATED else None
        while left:
            raw = file.read(min(PIECE, left))
            left -= len(raw)
            data = inflater.decompress(raw) if inflater else raw
            hasher.update(data)
            seen += len(data)
    assert seen == info.file_size, f"{wheel}: {info.filename}: {seen} of {info.file_size} bytes"
    return seen


if __name__ == "__main__":
    torch = Torch(Path(sys.argv[1]), Path(sys.argv[1]) / "models")
    found = Board()
    torch.measure(found)

"""How long it takes to get from an edit to an image, linked here and built by Docker from the same Dockerfile.

    tools/engine run .venv/bin/python benchmarks/build/linking.py [--runs 3]

Everything is measured in one run on one machine, alternating, so that the ratios mean something; absolute seconds are
this machine's. Wheels and Debian packages are in the store before the clock starts, for both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KILN = [sys.executable, "-m", "builder.cli"]


@dataclass
class Bench:
    """A bundle, a home for the store, and what was measured."""

    home: Path
    bundle: Path
    times: dict[str, list[float]] = field(default_factory=dict)

    def run(self, argv: list[str], **environ: str) -> str:
        done = subprocess.run(
            argv,
            cwd=ROOT,
            env={**os.environ, "KILN_HOME": str(self.home), **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join(argv)}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def kiln(self, *arguments: str) -> str:
        return self.run([*KILN, *arguments])

    def measure(self, name: str, act: Callable[[], object]) -> None:
        started = time.perf_counter()
        act()
        self.times.setdefault(name, []).append(time.perf_counter() - started)

    # --- what a person does

    def build(self) -> None:
        self.kiln("build", str(self.bundle), "--offline")

    def docker_build(self, *, buildkit: bool, cache: bool) -> None:
        options = [] if cache else ["--no-cache"]
        self.run(
            [_docker(), "build", "-q", "--network=none", "-t", "kiln-benchmark", *options, str(self.bundle / "build/context")],
            DOCKER_BUILDKIT="1" if buildkit else "0",
        )

    def forget_layers(self) -> None:
        """Leave wheels, packages and the base; forget every layer and all bytecode that was made from them."""
        store = self.home / "store"
        for kind in ("layers", "bytecode", "owners"):
            shutil.rmtree(store / "records" / kind, ignore_errors=True)

    def edit_code(self, number: int) -> None:
        script = self.bundle / "score.py"
        lines = [line for line in script.read_text().splitlines() if not line.startswith("# edit")]
        script.write_text("\n".join([*lines, f"# edit {number}", ""]))

    def load(self) -> None:
        self.run([sys.executable, "-c", _LOAD, str(self.bundle)])


_LOAD = """
import sys
from pathlib import Path
from builder import pipeline
from builder.engine.docker import DockerEngine
from builder.host.terminal import Terminal
from builder.oci.platform import Platform
from builder.store.images import read_layout
workshop = pipeline.open_workshop(Terminal(quiet=True))
with DockerEngine.connect() as engine:
    engine.load(read_layout(Path(sys.argv[1]) / "build/layout", Platform.host()), workshop.store, tags=("kiln-benchmark:linked",))
"""


def _docker() -> str:
    """Return a client that can drive the engine's own BuildKit."""
    return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="kiln-benchmark-") as folder:
        bundle = Path(folder) / "churn"
        shutil.copytree(ROOT / "examples/churn", bundle, ignore=shutil.ignore_patterns("build", "__pycache__"))
        bench = Bench(home=Path(folder) / "home", bundle=bundle)
        bench.kiln("fetch", str(bundle))
        bench.build()
        bench.load()
        for number in range(runs):
            bench.forget_layers()
            bench.measure("cold: linked, with bytecode", bench.build)
            bench.measure("cold: docker build, BuildKit", lambda: bench.docker_build(buildkit=True, cache=False))
            bench.measure("cold: docker build, classic", lambda: bench.docker_build(buildkit=False, cache=False))
            bench.measure("nothing changed: linked", bench.build)
            bench.docker_build(buildkit=True, cache=True)
            bench.measure("nothing changed: docker build, BuildKit", lambda: bench.docker_build(buildkit=True, cache=True))
            bench.edit_code(number)
            bench.measure("code changed: linked", bench.build)
            bench.measure("code changed: load into the engine", bench.load)
            bench.measure("code changed: docker build, BuildKit", lambda: bench.docker_build(buildkit=True, cache=True))
        layers = json.loads((bundle / "build/image.json").read_text())["layers"]
    print(f"{'':44} {'median':>8} {'min':>8} {'max':>8}   seconds, {runs} runs")
    for name, seconds in bench.times.items():
        print(f"{name:44} {statistics.median(seconds):8.2f} {min(seconds):8.2f} {max(seconds):8.2f}")
    changed = sum(layer["size"] for layer in layers if layer["holds"] in ("scoring code", "bundle.json"))
    print(f"\na code change moves at most {changed} bytes of {sum(layer['size'] for layer in layers)}")


if __name__ == "__main__":
    main()

"""Processor time of kiln's commands over all their processes: the least of several runs, in seconds.

tools/engine run .venv/bin/python -m benchmarks.build.commands examples/churn
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.build.__main__ import compile_kiln
from benchmarks.build.kiln import KILN

RUNS = 7
REST = 2.1
"""Seconds a file must have rested before a build with it is remembered, at the most."""


def measure(*words: str | Path) -> float:
    """Return the processor seconds of a command and everything it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    compile_kiln()
    with tempfile.TemporaryDirectory() as name:
        bundle = Path(shutil.copytree(sys.argv[1], Path(name) / "bundle", ignore=shutil.ignore_patterns("build")))
        [script] = bundle.glob("score.py")
        build = (KILN, "build", bundle, "--load")

        def edit() -> float:
            with script.open("a") as file:
                file.write(f"# {os.urandom(4).hex()}\n")
            return measure(*build)

        measure(KILN, "lock", bundle)
        measure(*build)
        time.sleep(REST)
        measure(*build)
        for title, run in {
            "python -c pass": lambda: measure(sys.executable, "-c", "pass"),
            "kiln --version": lambda: measure(KILN, "--version"),
            "kiln build --load, nothing changed": lambda: measure(*build),
            "kiln build --load, one line of code changed": edit,
        }.items():
            print(f"{min(run() for _ in range(RUNS)):.3f}  {title}")


if __name__ == "__main__":
    main()

"""How long it takes from an edit to an image that runs, and to one that is published: kiln, and what else there is.

    .venv/bin/python -m benchmarks.build --prepare    environments, base images, downloads (once; 15 minutes)
    .venv/bin/python -m benchmarks.build --quick      kiln, and what a careful person writes by hand (5 minutes)
    .venv/bin/python -m benchmarks.build              everything, and the tables in the documentation

Everything is measured in one run on one machine, with an engine and a registry of the run's own, systems taking turns,
so that ratios mean something; seconds are that machine's. Wheels and Debian packages are here before the clock starts.
It wants root, and Debian: the engine is started by tools/engine, base images are made by mmdebstrap.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.build import rounds, table
from benchmarks.build.cuda import Torch
from benchmarks.build.engine import Engine, Registry, open_engine, open_registry
from benchmarks.build.kiln import KILN, Generated, Home, Kiln, bundle_project
from benchmarks.build.measure import ROOT, Board, end_by, run
from benchmarks.build.peers import BentoML, MLflow, MLServer, Peer, Truss
from benchmarks.build.prepare import Shop
from benchmarks.build.projects import GIBIBYTE
from benchmarks.build.rounds import Rounds, scratch
from benchmarks.build.systems import hand_written

PAGE = ROOT / "docs/explanation/benchmarks-build.md"
ENGINE = Path("/var/tmp/kiln-benchmark-engine")
PEERS = (Truss, MLServer, BentoML, MLflow)


class Schedule:
    """Rounds in the order they are wanted; one that would end too late is left out, and so are those like it."""

    def __init__(self, minutes: float, home: Path, after: Callable[[], None]) -> None:
        self._end, self._home, self._after = time.monotonic() + 60 * minutes, home, after
        self._seconds: dict[str, float] = {}
        end_by(self._end)

    def take(self, name: str, act: Callable[[], None], *, seconds: float = 0, room: int = GIBIBYTE) -> None:
        """Do it if it will be over in time, as long as it took before or the seconds given, and the disk has room."""
        expected = self._seconds.get(name, seconds)
        if shutil.disk_usage(self._home).free < room:
            print(f"left out: {name}, for want of {room / GIBIBYTE:.0f} GiB on the disk", file=sys.stderr)
            return
        left = self._end - time.monotonic()
        if expected > left:
            print(f"left out: {name}, {expected:.0f} s with {left:.0f} s left", file=sys.stderr)
            return
        print(f"{name}", file=sys.stderr)
        started = time.monotonic()
        try:
            act()
        except (SystemExit, OSError, ValueError, LookupError, subprocess.SubprocessError) as failure:
            # One that cannot be run here is told, and ends nothing else.
            print(f"given up: {name}: {failure}", file=sys.stderr)
            self._seconds[name] = float("inf")
            self._after()
            return
        self._seconds[name] = time.monotonic() - started
        print(f"{name} took {self._seconds[name]:.0f} s", file=sys.stderr)
        self._after()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only kiln and the hand-written Dockerfile")
    parser.add_argument("--prepare", action="store_true", help="only what is made once")
    parser.add_argument(
        "--only", action="append", default=[], help="only systems whose name begins so; may be repeated"
    )
    parser.add_argument("--minutes", type=float, default=25, help="begin no round that would end later")
    parser.add_argument("--home", type=Path, default=Path.home() / ".cache/modelkiln-benchmark")
    parser.add_argument("--result", type=Path, help="where the figures go as JSON")
    parser.add_argument(
        "--page", type=Path, help="the page whose tables are renewed (a whole run: the documentation's)"
    )
    parser.add_argument("--stop", action="store_true", help="stop the engine afterwards, which drops its images")
    options = parser.parse_args()
    compile_kiln()
    shop, board = Shop(options.home.absolute()), Board()
    shop.home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        engine = stack.enter_context(open_engine(ENGINE, keep=not options.stop))
        shop.base_image(engine)
        everyone = Everyone(shop, engine, quick=options.quick, only=tuple(options.only))
        if options.prepare:
            return
        registry = stack.enter_context(open_registry(shop.home / "registry"))
        started = time.monotonic()
        result = options.result or ROOT / ".build/benchmark-build.json"
        page = options.page or (None if options.quick else PAGE)

        def save() -> None:
            about = describe(engine, time.monotonic() - started)
            result.parent.mkdir(parents=True, exist_ok=True)
            result.write_text(json.dumps({"about": about, **board.to_dict()}, indent=1) + "\n")
            if page:
                table.write(page, board, about)

        schedule = Schedule(options.minutes, shop.home, save)
        everyone.measure(board, registry, schedule)
        print(table.text(board, describe(engine, time.monotonic() - started)))


def compile_kiln() -> None:
    """Have kiln as an installer leaves it, with the bytecode of all its modules, whatever this shell forbids."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(ROOT / "builder", quiet=1)


class Everyone:
    """All systems, made ready."""

    def __init__(self, shop: Shop, engine: Engine, *, quick: bool, only: tuple[str, ...]) -> None:
        self._quick, self._only, self._engine = quick, only or ("",), engine
        home, models = Home(shop.home / "kiln"), shop.models
        self.kiln = Kiln(engine, bundle_project(scratch(shop.home, "forest"), models), home)
        self.kiln.prepare()
        self.hand = [
            hand_written(engine, scratch(shop.home, f"hand-{word}"), models, bytecode=word == "compiled", big=None)
            for word in ("plain", "compiled")
        ]
        self.big_kiln = Kiln(engine, bundle_project(scratch(shop.home, "heavy"), models, big=shop.gibibyte), home)
        self.big_kiln.project.reset()
        self.big_kiln.kiln("lock", self.big_kiln.project.folder, home=home.fetched)
        folder = scratch(shop.home, "hand-heavy")
        self.big_hand = hand_written(engine, folder, models, bytecode=False, big=shop.gibibyte)
        self.big_hand.tag += "-heavy"
        for hand in self.hand:
            hand.prepare()
        self.torch: Torch | None = None
        self.generated: list[Generated] = []
        self.peers: list[Peer] = []
        self.big_peers: list[Peer] = []
        if quick:
            return
        self.generated = [
            Generated(
                engine,
                Kiln(engine, bundle_project(scratch(shop.home, f"generated-{word}"), models), home),
                buildkit=word == "buildkit",
            )
            for word in ("buildkit", "classic")
        ]
        self.peers = [peer(shop, engine) for peer in PEERS]
        self.big_peers = [BentoML(shop, engine, big=True)]
        for one in self.peers:
            one.prepare()
        self.torch = Torch(shop.home, models)

    def measure(self, board: Board, registry: Registry, schedule: Schedule) -> None:
        """Measure in the order of what matters most when the time is short."""
        self._engine.forget_steps()
        core = [Rounds(one, board, registry) for one in (self.kiln, *self.hand)]
        big = [Rounds(one, board, registry, big=True) for one in (self.big_kiln, self.big_hand)]
        generated = [Rounds(one, board, registry, brief=True) for one in self.generated]
        peers = [Rounds(one, board, registry, brief=True) for one in self.peers]
        big_peers = [Rounds(one, board, registry, big=True) for one in self.big_peers]
        kiln, big_kiln = core[0], big[0]
        order = [*core, kiln, big_kiln, *peers, big[1], *generated, kiln, *core, *big_peers, big_kiln, *core, *peers]
        if self._quick:
            order = [*core, *big, *core, kiln, big_kiln, kiln]
        schedule.take("start", partial(measure_start, board))
        schedule.take("memory", partial(measure_memory, board, self.kiln), seconds=20)
        for one in order:
            if not one.system.name.startswith(self._only):
                continue
            is_big = one in (*big, *big_peers)
            name, room = ("1 GiB: ", 7) if is_big else ("", 3)
            schedule.take(name + one.system.name, one.next, seconds=40 + 40 * is_big, room=room * GIBIBYTE)
        if self.torch:
            torch = partial(self.torch.measure, board)
            schedule.take("PyTorch with CUDA", torch, seconds=180, room=12 * GIBIBYTE)


def measure_start(board: Board) -> None:
    for _ in range(9):
        board.add(rounds.START, "kiln", run([KILN, "--version"]).seconds)


def measure_memory(board: Board, kiln: Kiln) -> None:
    """Measure apart: watching a process costs a little of its speed."""
    kiln.project.reset()
    kiln.choose()
    kiln.forget()
    ran = run([KILN, "build", kiln.project.folder], environ={"KILN_HOME": str(kiln.home.used)}, watch=True)
    board.add(rounds.PEAK, "kiln", ran.memory / 1e6)


def describe(engine: Engine, seconds: float) -> dict[str, str]:
    """Say where and when it was measured. No name of the machine."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    kernel = ".".join(platform.release().split(".")[:2])
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {seconds / 60:.0f} minutes in one run",
        "machine": f"{os.cpu_count()} processors ({model}), {memory:.0f} GiB, Linux {kernel}",
        "load when it ended": " ".join(f"{value:.1f}" for value in os.getloadavg()),
        "engine": f"Docker {engine.docker('version', '--format', '{{.Server.Version}}').strip()}",
        "kiln": f"{run([KILN, '--version']).stdout.strip()}, Python {platform.python_version()}",
        "commit": run(["git", "rev-parse", "--short", "HEAD"]).stdout.strip(),
    }


if __name__ == "__main__":
    main()

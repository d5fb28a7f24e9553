"""One round: a system takes a project from nothing through every edit, and publishes after each."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.build.engine import Registry
from benchmarks.build.measure import Board
from benchmarks.build.systems import System

COLD = "cold build"
BARE = "cold build without bytecode"
AGAIN = "nothing changed"
CODE = "one line of code changed"
MODEL = "another model"
DEPENDENCY = "one small dependency added"
CHOOSE = "… choosing it (kiln lock), once"
SHARED = "another bundle, same dependencies"
PUSH = "first push"
PUSH_CODE = "push after the code changed"
PUSH_MODEL = "push after the model changed"
PUSH_DEPENDENCY = "push after the dependency was added"
PUSH_SHARED = "first push, another bundle's dependencies are there"
PUSH_ELSEWHERE = "… and were built and pushed on another machine"
DISK = "size on disk, MB"
COMPRESSED = "size in the registry, MB"
MEGABYTES = " (MB sent)"
START = "kiln --version"
PEAK = "most memory of a cold build, MB"
EQUAL = "two builds with caches dropped"


class Rounds:
    """The rounds of one system, with what has to be remembered from one to the next."""

    def __init__(
        self, system: System, board: Board, registry: Registry, *, big: bool = False, brief: bool = False
    ) -> None:
        self.system, self._board, self._registry = system, board, registry
        self._prefix = "1 GiB: " if big else ""
        self._is_big, self._is_brief = big, brief
        self.seconds = 0.0
        self._number = 0
        self._edits = 0
        self._first: tuple[str, list[str]] | None = None

    def next(self) -> None:
        """Measure everything once more. A brief round leaves out what is another bundle's."""
        started = time.monotonic()
        try:
            self._round()
        finally:
            self._tidy()
        self.seconds = time.monotonic() - started

    def _round(self) -> None:
        self._number += 1
        number, system = self._number, self.system
        if system.bare == "also" and not self._is_big:
            self._forget()
            self._timed(BARE, system.build_bare)
        self._forget()
        self._build(COLD)
        if system.bare == "always" and not self._is_big:
            self._board.add(BARE, system.name, self._board.values[COLD][system.name][-1])
        self._compare()
        self._build(AGAIN)
        if number == 1:
            system.place_base(self._registry)
        else:
            self._change_both()
        self._push(PUSH if number == 1 else PUSH_ELSEWHERE, self._repository(f"machine{number}"))
        self._edit_code()
        self._build(CODE)
        self._push(PUSH_CODE, self._repository(f"machine{number}"))
        self._edit_model()
        self._build(MODEL)
        if not self._is_brief:
            self._push(PUSH_MODEL, self._repository(f"machine{number}"))
        if self._is_big:
            return
        self._weigh(self._repository(f"machine{number}"))
        where = self._repository(f"machine{number}")
        if not self._is_brief:
            where = self._repository(f"other{number}")
            self._change_both()
            self._push(PUSH_SHARED, where)
        system.project.depend(number)
        self._timed(CHOOSE, system.choose)
        self._build(DEPENDENCY)
        self._push(PUSH_DEPENDENCY, where)

    def _forget(self) -> None:
        """Have everything as it is before anything is edited or built."""
        self.system.begin()
        self.system.project.reset()
        self.system.has_other_model = self._number > 1
        self.system.forget()

    def _tidy(self) -> None:
        """Make room for those that come next."""
        if self._is_big or self._is_brief:
            self.system.engine.remove(self.system.tag)
        if self._is_big:
            self._registry.drop_large()

    def _repository(self, name: str) -> str:
        return f"{re.sub('[^a-z0-9]+', '-', (self._prefix + self.system.name).lower())}/{name}"

    def _change_both(self) -> None:
        self._edits += 1
        self.system.move(self._edits)
        if self._is_big or self._is_brief:
            self.system.ready()
            self.system.build()
        else:
            self._build(SHARED)

    def _edit_code(self) -> None:
        self._edits += 1
        self.system.project.edit_code(self._edits)

    def _edit_model(self) -> None:
        self._edits += 1
        self.system.project.place_model(self._edits % 15 + 1)
        self.system.has_other_model = True

    def _build(self, scenario: str) -> None:
        if scenario != AGAIN:
            self.system.ready()
        self._timed(scenario, self.system.build)

    def _timed(self, scenario: str, act: Callable[[], None]) -> None:
        if scenario == CHOOSE and not self.system.chooses:
            return
        with self._board.timed(self._prefix + scenario, self.system.name):
            act()

    def _push(self, scenario: str, repository: str) -> None:
        if not self.system.publishes:
            return
        before = self._registry.received()
        self._timed(scenario, lambda: self.system.push(self._registry, repository))
        sent = self._registry.received() - before
        self._board.add(self._prefix + scenario + MEGABYTES, self.system.name, sent / 1e6)

    def _weigh(self, repository: str) -> None:
        if self._number > 1:
            return
        board, system = self._board, self.system
        board.add(DISK, system.name, system.engine.size(system.tag) / 1e6)
        if not system.publishes:
            return
        name = system.pushed_repository(repository)
        board.add(COMPRESSED, system.name, self._registry.compressed(name, system.pushed_tag()) / 1e6)

    def _compare(self) -> None:
        """Say whether this image is the one that was built of the same project the time before."""
        built = (self.system.engine.image_id(self.system.tag), self.system.engine.layers(self.system.tag))
        if self._first is None:
            self._first = built
            return
        same = sum(one == other for one, other in zip(self._first[1], built[1], strict=False))
        words = "the same image" if built[0] == self._first[0] else f"{same} of {len(built[1])} layers the same"
        self._board.say(self._prefix + EQUAL, self.system.name, words)


def scratch(home: Path, name: str) -> Path:
    """Return the folder of one system's project."""
    return home / "projects" / name

"""What a missing module most likely is, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.check import stdlib
from builder.check.distributions import (
    bound_of,
    known_distribution,
    likely_distribution,
    normalised,
    other_distributions,
    read_freeze,
    system_of,
)
from builder.check.moved_names import moved_to
from builder.check.places import BUNDLE_FILE
from builder.check.resolution import Resolution
from builder.check.subject import Subject

_MOST_FOLDERS = 2_000
_SKIPPED = frozenset({"build", "__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """The fact and the remedy. ``is_own`` tells that the module is the author's and only left out."""

    message: str
    remedy: str
    is_own: bool = False


def requirements_name(subject: Subject) -> str:
    """Return where the bundle lists its requirements."""
    return subject.bundle.environment.requirements_file or "environment.requirements"


class Advisor:
    """Says of a missing module what it is and what to do."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._python = subject.bundle.environment.python
        self._freeze: dict[str, str] | None = None

    def advise(self, module: str, resolution: Resolution, name: str | None = None) -> Advice:
        """Say what a module is and what to do; ``name`` is the first one that is taken of it."""
        failed = resolution.failed or module
        top = failed.partition(".")[0]
        if own := self._in_tree(module, failed) or self._of_another_python(failed):
            return own
        wanted = f"{module}.{name}" if name else module
        if resolution.distributions:
            return self._gone(wanted, failed, resolution)
        if moved := stdlib.moved_name(failed, self._python):
            return Advice(
                message=f"the standard library's {failed} was removed in Python 3.{moved[0]}", remedy=f"use {moved[1]}"
            )
        if stdlib.is_stdlib(top, self._python):
            return self._not_in_base(failed)
        if reason := stdlib.whereabouts(top, self._python):
            other = stdlib.instead(top)
            remedy = f"use {other}" if other else "take the import out"
            if "with Python" in reason or "in Python" in reason:
                remedy += ", or serve with a Python that has it"
            return Advice(message=f"the standard library's {top} {reason}", remedy=remedy)
        return self._not_locked(wanted, failed)

    def advise_any(self, modules: Sequence[str]) -> str:
        """Say how to get any of these modules: the one of the training environment, or the first."""
        names = [likely.name for module in modules if (likely := likely_distribution(module))]
        return self._add(next((name for name in names if name in self._frozen()), names[0]))

    def is_certain(self, module: str) -> bool:
        """Tell whether a module is missing whatever distributions are locked."""
        top = module.partition(".")[0]
        if stdlib.whereabouts(top, self._python) and "package" not in (stdlib.instead(top) or ""):
            return True
        return self._in_tree(module, top) is not None

    def _in_tree(self, module: str, failed: str) -> Advice | None:
        where = _find_in_tree(self._subject, module, failed)
        if where is None:
            return None
        if where.startswith("../"):
            return Advice(
                message=f"{failed} is {where}, which is outside the bundle",
                remedy="move it into the bundle and name it in scoring.sources",
                is_own=True,
            )
        if any(file.path == where or file.path.startswith(f"{where}/") for file in self._subject.inventory.code):
            folder = where.rpartition("/")[0]
            return Advice(
                message=f"{failed} is {where}, in a folder that is not on the import path",
                remedy=f"import it as {where.removesuffix('.py').replace('/', '.')}, or put {folder} on sys.path",
                is_own=True,
            )
        return Advice(
            message=f"{failed} is {where}, which is not in scoring.sources",
            remedy=f"add {where} to scoring.sources",
            is_own=True,
        )

    def _of_another_python(self, failed: str) -> Advice | None:
        ending = "/" + failed.replace(".", "/") + "."
        for file in self._subject.inventory.code:
            if ending in f"/{file.path}" and file.path.endswith((".so", ".pyd", ".dylib")):
                target = f"Python {self._python} on {self._subject.platform}"
                return Advice(
                    message=f"{file.path} is no extension module of {target}", remedy=f"build it for {target}"
                )
        return None

    def _gone(self, wanted: str, failed: str, resolution: Resolution) -> Advice:
        distributions = resolution.distributions
        versions = self._versions()
        names = [f"{name} {versions.get(name, '')}".strip() for name in sorted(distributions)]
        fact = f"{names[0]} has no {failed}" if len(names) == 1 else f"none of {', '.join(names)} has {failed}"
        if other := moved_to(failed):
            return Advice(message=fact, remedy=f"use {other}")
        likely = likely_distribution(wanted)
        # What brings the whole name is told by its first part, unless it is known to differ from what brings that.
        if likely and likely != likely_distribution(failed.rpartition(".")[0]) and likely.name not in versions:
            return Advice(message=fact, remedy=self._add(likely.name, guessed_for=wanted if likely.is_guess else ""))
        if resolution.is_namespace:
            remedy = f"correct the name, or add what brings {failed} to {requirements_name(self._subject)}"
            return Advice(message=fact, remedy=remedy)
        advice = [self._pin(name) for name in sorted(distributions) if name in self._frozen()]
        trained = f"; the training environment has {', '.join(advice)}" if advice else ""
        return Advice(message=fact, remedy=f"correct the name, or lock a version that has the module{trained}")

    def _not_in_base(self, failed: str) -> Advice:
        base = self._subject.bundle.environment.base
        top = failed.partition(".")[0]
        if "." in failed:
            fact = f"the standard library of Python {self._python} has no {failed}"
            return Advice(message=fact, remedy="correct the name")
        package = stdlib.debian_package(top, self._python)
        remedy = "take the import out, or name a base that has it"
        if package:
            remedy = f"take the import out, or add {package} to environment.system_packages"
        return Advice(message=f"base {base} does not have the standard library's {top}", remedy=remedy)

    def _not_locked(self, wanted: str, failed: str) -> Advice:
        likely = likely_distribution(wanted)
        above = failed.rpartition(".")[0]
        if above and likely and likely.name == normalised(failed.partition(".")[0]):
            # What stands above is there, and no distribution brings it: it is the bundle's own.
            return Advice(
                message=f"the bundle's {above} has no {failed}", remedy="correct the name, or write the module"
            )
        fact = f"nothing in the image provides {failed}"
        if likely is None:
            remedy = f"add the distribution that brings what is used of {wanted} to {requirements_name(self._subject)}"
            return Advice(message=fact, remedy=remedy)
        if system := system_of(likely.name):
            return Advice(message=f"{failed} exists only on {system}", remedy="take the import out")
        name = next((name for name in (likely.name, *other_distributions(wanted)) if name in self._frozen()), "")
        bound = bound_of(wanted)
        if not name or bound:
            guessed_for = wanted if likely.is_guess else ""
            return Advice(message=fact, remedy=self._add(f"{likely.name}{bound}", guessed_for=guessed_for))
        return Advice(message=fact, remedy=self._add(name))

    def _add(self, name: str, *, guessed_for: str = "") -> str:
        """``guessed_for`` is the module whose distribution's name is only a guess."""
        file = requirements_name(self._subject)
        if name in self._frozen():
            return f"add {self._pin(name)} to {file} (that is in the training environment), then run `kiln lock`"
        guess = f", if that is what brings {guessed_for}: the name is a guess, and anyone may have taken it;"
        return f"add {name} to {file}{guess if guessed_for else ','} then run `kiln lock`"

    def _pin(self, name: str) -> str:
        version = self._frozen().get(name)
        return f"{name}=={version}" if version else name

    def _versions(self) -> dict[str, str]:
        lock = self._subject.lock
        return {wheel.name: wheel.version for wheel in lock.on(self._subject.platform).wheels} if lock else {}

    def _frozen(self) -> dict[str, str]:
        if self._freeze is None:
            file = self._subject.bundle.model.training_environment
            try:
                text = (self._subject.bundle.root / file).read_text(errors="replace") if file else ""
            except OSError:
                text = ""
            self._freeze = read_freeze(text.splitlines())
        return self._freeze


def _find_in_tree(subject: Subject, module: str, failed: str) -> str | None:
    """Return where the author's folder has a module the image lacks, relative to the bundle."""
    root = subject.bundle.root
    script = subject.bundle.scoring.script or ""
    folder = script.rpartition("/")[0]
    relative = failed.replace(".", "/")
    for base in dict.fromkeys((folder, "")):
        if found := _at(root, f"{base}/{relative}" if base else relative):
            return found
    if "." in failed or failed != module.partition(".")[0]:
        return None
    for number, (here, folders, files) in enumerate(os.walk(root)):
        folders[:] = sorted(
            name for name in folders if name not in _SKIPPED and not name.startswith(".") and not _is_venv(here, name)
        )
        if f"{failed}.py" in files:
            return str(Path(here, f"{failed}.py").relative_to(root))
        if failed in folders and Path(here, failed, "__init__.py").is_file():
            return str(Path(here, failed).relative_to(root))
        if number > _MOST_FOLDERS:
            break
    found = _at(root.parent, relative)
    # Folders of bundles are often called after libraries, this one's own too.
    if found is None or known_distribution(failed) is not None or (root.parent / found / BUNDLE_FILE).exists():
        return None
    return None if (root.parent / found).samefile(root) else f"../{found}"


def _at(root: Path, relative: str) -> str | None:
    if (root / f"{relative}.py").is_file():
        return f"{relative}.py"
    folder = root / relative
    return relative if folder.is_dir() and any(folder.glob("*.py")) else None


def _is_venv(here: str, name: str) -> bool:
    return Path(here, name, "pyvenv.cfg").is_file()

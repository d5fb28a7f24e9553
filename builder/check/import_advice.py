"""What a missing module most likely is, and what to do about it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from builder.check import stdlib
from builder.check.distributions import (
    likely_distribution,
    moved_to,
    normalised,
    other_distributions,
    read_freeze,
)
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

    def advise(self, module: str, failed: str, distributions: frozenset[str]) -> Advice:
        """Say what a module is and what to do; ``failed`` is the part of its name that is nowhere.

        ``distributions`` have what stands above that part.
        """
        top = failed.partition(".")[0]
        if own := self._in_tree(module, failed) or self._of_another_python(failed):
            return own
        if distributions:
            return self._gone(failed, distributions)
        if stdlib.is_stdlib(top, self._python):
            return self._not_in_base(failed)
        if reason := stdlib.whereabouts(top, self._python):
            other = stdlib.instead(top)
            remedy = f"use {other}" if other else "take the import out"
            if "with Python" in reason or "in Python" in reason:
                remedy += ", or serve with a Python that has it"
            return Advice(message=f"the standard library's {top} {reason}", remedy=remedy)
        return self._not_locked(module, failed)

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

    def _gone(self, failed: str, distributions: frozenset[str]) -> Advice:
        versions = self._versions()
        names = ", ".join(f"{name} {versions.get(name, '')}".strip() for name in sorted(distributions))
        if other := moved_to(failed):
            return Advice(message=f"{names} has no {failed}", remedy=f"use {other}")
        advice = [self._pin(name) for name in sorted(distributions) if name in self._frozen()]
        trained = f"; the training environment has {', '.join(advice)}" if advice else ""
        likely = likely_distribution(failed)
        if likely not in distributions and "." in failed and likely != normalised(failed.partition(".")[0]):
            return Advice(message=f"{names} has no {failed}", remedy=self._add(likely))
        return Advice(
            message=f"{names} has no {failed}",
            remedy=f"correct the name, or lock a version that has the module{trained}",
        )

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

    def _not_locked(self, module: str, failed: str) -> Advice:
        likely = likely_distribution(module)
        above = failed.rpartition(".")[0]
        if above and likely == normalised(failed.partition(".")[0]):
            # What stands above is there, and no distribution brings it: it is the bundle's own.
            return Advice(
                message=f"the bundle's {above} has no {failed}", remedy="correct the name, or write the module"
            )
        for name in (likely, *other_distributions(module)):
            if name in self._frozen():
                likely = name
                break
        return Advice(message=f"nothing in the image provides {failed}", remedy=self._add(likely))

    def _add(self, name: str) -> str:
        trained = " (that is in the training environment)" if name in self._frozen() else ""
        return f"add {self._pin(name)} to {requirements_name(self._subject)}{trained}, then run `kiln lock`"

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
    return f"../{found}" if found else None


def _at(root: Path, relative: str) -> str | None:
    if (root / f"{relative}.py").is_file():
        return f"{relative}.py"
    folder = root / relative
    return relative if folder.is_dir() and any(folder.glob("*.py")) else None


def _is_venv(here: str, name: str) -> bool:
    return Path(here, name, "pyvenv.cfg").is_file()

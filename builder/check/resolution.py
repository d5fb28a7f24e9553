"""Where a module comes from in the image: the bundle's code, the standard library, or a locked wheel."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from builder.bundle.model import Contract
from builder.check.stdlib import is_file_in, is_stdlib
from builder.check.subject import Subject
from builder.check.wheel_index import WheelIndex, module_source

_MADE_AT_IMPORT = frozenset(
    {"collections.abc", "os.path", "sys.monitoring", "typing.io", "typing.re", "xml.parsers.expat"}
)
"""Modules of the standard library that have no file of their own and can be imported."""

_OF_THE_IMAGE = frozenset({"kiln_runtime", "kiln_runtime.request", "kiln_runtime.request.current_requests"})
"""What every image lends to the author's code beside Python's own modules (docs/reference/observability.md)."""

_LENT = {
    Contract.AZURE: frozenset(
        {"azureml", "azureml.contrib", "azureml.contrib.services", "azureml_inference_server_http"}
        | {"azureml_inference_server_http.api"}
        | {
            f"{package}.{module}"
            for package in ("azureml.contrib.services", "azureml_inference_server_http.api")
            for module in ("aml_request", "aml_response")
        }
    ),
    Contract.SAGEMAKER: frozenset(
        {"sagemaker_inference"}
        | {f"sagemaker_inference.{module}" for module in ("content_types", "decoder", "encoder", "errors")}
    ),
}
"""What scripts of a platform import there, and find in the image without the platform's packages."""

_MAGIC = re.compile(rb"sys\s*\.\s*modules|from sys import|__path__|meta_path")
"""A package that does this may have modules its files do not show."""


_BINDS_MORE = re.compile(rb"import \*|globals\(|setattr\(")
"""A module that does this may have names its text does not show."""


class Origin(StrEnum):
    """What a module belongs to."""

    BUNDLE = "bundle"
    STDLIB = "stdlib"
    WHEEL = "wheel"
    NOTHING = "nothing"
    UNKNOWN = "unknown"
    """It is neither the bundle's nor the standard library's, and the wheels are not at hand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """Where a module was found. ``failed`` is the first part of its name that is nowhere: ``numpy.cor``."""

    origin: Origin
    files: tuple[tuple[str, str], ...] = ()
    """Files of the bundle that importing it runs, each with the dotted name it is imported under."""
    distributions: frozenset[str] = frozenset()
    failed: str | None = None
    is_namespace: bool = False
    """True for a package without ``__init__``, which has nothing but its modules; of what was not found, when what
    stands above it is one."""


class Resolver:
    """Looks modules up as the worker in the image does: the script's folder, the code, the standard library, wheels."""

    def __init__(self, subject: Subject, wheels: Mapping[str, WheelIndex], roots: Sequence[str]) -> None:
        self._subject = subject
        self._python = subject.bundle.environment.python
        self._wheels = wheels
        self.roots = list(dict.fromkeys(roots))
        self._files = {file.path for file in subject.inventory.code}
        self._folders = {parent for path in self._files for parent in _parents(path)}

    def add_root(self, folder: str) -> None:
        """Search one more folder of the bundle, after the others."""
        if folder not in self.roots:
            self.roots.append(folder)

    def resolve(self, module: str) -> Resolution:
        """Look a dotted name up."""
        top = module.partition(".")[0]
        root = next((root for root in self.roots if self._is_regular(_join(root, top))), None)
        if root is not None:
            return self._in_bundle(module, [root])
        if is_stdlib(module, self._python):
            return self._in_stdlib(module)
        if self._wheels_with(top):
            return self._in_wheels(module)
        lent = _LENT.get(self._subject.bundle.scoring.contract, frozenset())
        if module in _OF_THE_IMAGE or module in lent:
            return Resolution(origin=Origin.STDLIB)
        if top == "distutils" and "setuptools" in self._wheels:
            return Resolution(origin=Origin.WHEEL, distributions=frozenset({"setuptools"}))
        portions = [root for root in self.roots if _join(root, top) in self._folders]
        if portions:
            return self._in_bundle(module, portions)
        if not self._subject.has_wheels:
            return Resolution(origin=Origin.UNKNOWN, failed=top)
        return Resolution(origin=Origin.NOTHING, failed=top)

    def is_in_stdlib_or_wheels(self, top: str) -> str | None:
        """Name what a top-level module of the bundle hides; None when it hides nothing."""
        if is_stdlib(top, self._python):
            return f"the standard library's {top}"
        for name, index in self._wheels.items():
            if top in index.packages or top in index.modules:
                return f"{top} of {name}"
        return None

    def top_level(self) -> Iterable[tuple[str, str]]:
        """Yield each top-level module of the bundle that is no namespace package, with its file."""
        for root in self.roots:
            prefix = f"{root}/" if root else ""
            for path in sorted(self._files):
                if not path.startswith(prefix):
                    continue
                name, slash, rest = path.removeprefix(prefix).partition("/")
                if not slash and name.endswith(".py"):
                    yield name.removesuffix(".py"), path
                elif rest == "__init__.py":
                    yield name, path

    def _in_bundle(self, module: str, roots: Sequence[str]) -> Resolution:
        parts = module.split(".")
        places = list(roots)
        files: list[tuple[str, str]] = []
        is_namespace = False
        for number, part in enumerate(parts):
            name = ".".join(parts[: number + 1])
            here = [_join(place, part) for place in places]
            regular = next((path for path in here if self._is_regular(path)), None)
            if regular is None:
                places = [path for path in here if path in self._folders]
                is_namespace = True
                if not places:
                    return Resolution(origin=Origin.NOTHING, files=tuple(files), failed=name)
                continue
            is_namespace = False
            if f"{regular}/__init__.py" in self._files:
                files.append((f"{regular}/__init__.py", name))
                places = [regular]
                continue
            if f"{regular}.py" in self._files:
                files.append((f"{regular}.py", name))
            if number + 1 < len(parts):
                return Resolution(origin=Origin.NOTHING, files=tuple(files), failed=f"{name}.{parts[number + 1]}")
        return Resolution(origin=Origin.BUNDLE, files=tuple(files), is_namespace=is_namespace)

    def _in_stdlib(self, module: str) -> Resolution:
        known = self._subject.base_modules
        top = module.partition(".")[0]
        found = Resolution(origin=Origin.STDLIB)
        if is_file_in(module, known) is False:
            if self._wheels_with(top):
                return self._in_wheels(module)
            if top == "distutils" and "setuptools" in self._wheels:
                return Resolution(origin=Origin.WHEEL, distributions=frozenset({"setuptools"}))
            return Resolution(origin=Origin.NOTHING, failed=top)
        if not known or module in known or module in _MADE_AT_IMPORT or "." not in module:
            return found
        parts = module.split(".")
        for number in range(2, len(parts) + 1):
            name = ".".join(parts[:number])
            above = ".".join(parts[: number - 1])
            if name in known or name in _MADE_AT_IMPORT:
                continue
            if any(other.startswith(f"{above}.") for other in known):
                return Resolution(origin=Origin.NOTHING, failed=name)
            return found  # what stands above is no package of files; it may have made the module itself
        return found

    def _in_wheels(self, module: str) -> Resolution:
        having = frozenset(name for name, index in self._wheels.items() if module in index.importable)
        if having:
            exactly = frozenset(name for name in having if module in self._wheels[name].modules)
            return Resolution(origin=Origin.WHEEL, distributions=exactly or having, is_namespace=not exactly)
        parts = module.split(".")
        for number in range(len(parts) - 1, 0, -1):
            above = ".".join(parts[:number])
            names = [name for name, index in self._wheels.items() if above in index.importable]
            if not names:
                continue
            if any(above in self._wheels[name].extensions for name in names) or self._is_magic(above):
                return Resolution(origin=Origin.WHEEL, distributions=frozenset(names))
            return Resolution(
                origin=Origin.NOTHING,
                distributions=frozenset(names),
                failed=".".join(parts[: number + 1]),
                is_namespace=not any(above in self._wheels[name].modules for name in names),
            )
        return Resolution(origin=Origin.NOTHING, failed=parts[0])

    def _is_magic(self, module: str) -> bool:
        """Tell whether a package of a wheel, or one above it, does what may bring modules its files do not show."""
        while module:
            for name, index in self._wheels.items():
                if module not in index.modules or name not in self._subject.wheels:
                    continue
                source = module_source(self._subject.wheels[name], module)
                if source is None or _MAGIC.search(source):
                    return True
            module = module.rpartition(".")[0]
        return False

    def lacks(self, module: str, name: str) -> bool:
        """Tell whether a module of a wheel surely has no such name: its text has no such word, nor makes any names."""
        sources = [
            module_source(self._subject.wheels[wheel], module)
            for wheel, index in self._wheels.items()
            if module in index.modules and wheel in self._subject.wheels
        ]
        word = re.compile(rb"\b%s\b" % re.escape(name).encode())
        return bool(sources) and not any(
            source is None or word.search(source) or _BINDS_MORE.search(source) for source in sources
        )

    def _wheels_with(self, top: str) -> bool:
        return any(top in index.top_level for index in self._wheels.values())

    def _is_regular(self, path: str) -> bool:
        if f"{path}/__init__.py" in self._files or f"{path}.py" in self._files:
            return True
        suffixes = self._subject.platform.machine, self._python.replace(".", "")
        endings = (".so", ".abi3.so", f".cpython-{suffixes[1]}-{suffixes[0]}-linux-gnu.so")
        return any(f"{path}{ending}" in self._files for ending in endings)


def _parents(path: str) -> Iterable[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name

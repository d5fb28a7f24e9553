"""Modules that are made when the author's code imports them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class Finder(MetaPathFinder, Loader):
    """Finds the modules of some names, each of which has a function that fills it."""

    def __init__(self, makers: Mapping[str, Callable[[ModuleType], None]], packages: Collection[str]) -> None:
        self._makers = makers
        self._packages = packages

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Say that a module is ours."""
        del path, target
        if fullname not in self._makers:
            return None
        return ModuleSpec(fullname, self, is_package=fullname in self._packages)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave it to Python."""
        del spec
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module."""
        self._makers[module.__name__](module)


def leave_empty(module: ModuleType) -> None:
    """Make a package that holds nothing but what is found by name."""
    module.__path__ = []

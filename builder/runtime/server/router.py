"""Which route a request is for: exact paths by one look-up, then patterns, each path found being remembered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from .protocol import Fail, Route

MOST_REMEMBERED = 256
Methods = dict[str, Route]
Found = tuple[Methods, Mapping[str, str]]
NOTHING: Mapping[str, str] = {}


class Router:
    """The routes of a service. The first to claim a method of a path has it."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._exact: dict[str, Found] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], Methods]] = {}
        self._remembered: dict[str, Found] = {}
        for route in self.routes:
            if "{" in route.pattern:
                _, methods = self._patterns.setdefault(route.pattern, (compile_pattern(route.pattern), {}))
            else:
                methods, _ = self._exact.setdefault(route.pattern, ({}, NOTHING))
            for method in route.methods:
                methods.setdefault(method, route)
        # what says more comes first: /{model}:predict before /{model}
        self._ordered = sorted(self._patterns, key=lambda pattern: -len(re.sub(r"\{\w+\}", "", pattern)))

    def find(self, path: str) -> Found | None:
        """Return the methods of a path and what its pattern matched; nothing when there is no such route."""
        found = self._exact.get(path) or self._remembered.get(path)
        if found is not None:
            return found
        for each in self._ordered:
            pattern, methods = self._patterns[each]
            match = pattern.fullmatch(path)
            if match is not None:
                found = methods, {name: unquote(text) for name, text in match.groupdict().items()}
                if len(self._remembered) >= MOST_REMEMBERED:
                    self._remembered.clear()
                self._remembered[path] = found
                return found
        return None

    def find_fail(self, path: str) -> Fail:
        """Return how the protocol nearest to a path that is no route words a failure: most leading segments shared."""
        wanted = path.split("/")
        nearest = max(self.routes, key=lambda route: _count_shared(wanted, route.pattern.split("/")))
        return nearest.fail


def _count_shared(wanted: list[str], pattern: list[str]) -> int:
    shared = 0
    for mine, theirs in zip(wanted, pattern, strict=False):
        if mine != theirs and "{" not in theirs:
            break
        shared += 1
    return shared


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the expression a pattern stands for."""
    parts = re.split(r"\{(\w+)\}", pattern)
    text = "".join(f"(?P<{part}>[^/]+?)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    return re.compile(text)

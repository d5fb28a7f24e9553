"""Calls of the standard library that make paths and texts, answered from their arguments alone."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from builder.check.walk.values import (
    UNKNOWN,
    Constant,
    Listing,
    PathObject,
    Value,
    is_assumed,
    text_of,
)

HOME = "/tmp"  # noqa: S108 - what HOME is in every image


def call_pure(name: str, arguments: Sequence[Value], keywords: Mapping[str, Value], *, folder: str) -> Value | None:
    """Return what a call answers, or None when it is not one of these. ``folder`` is the current one."""
    if name.startswith("pathlib."):
        return make_path(arguments, folder=folder, name=name)
    if name in {"os.getcwd", "os.curdir"}:
        return Constant(folder)
    if name == "builtins.str" and len(arguments) == 1:
        text = text_of(arguments[0])
        return Constant(text, is_assumed(*arguments)) if text is not None else UNKNOWN
    if name in _SEQUENCES:
        return _listing(name, arguments)
    if name not in _TEXTS:
        return None
    del keywords
    texts = [text_of(argument) for argument in _flat(arguments)]
    if any(text is None for text in texts):
        return UNKNOWN
    answer = _TEXTS[name]([text for text in texts if text is not None], folder)
    assumed = is_assumed(*arguments)
    if isinstance(answer, tuple):
        return Listing([Constant(text, assumed) for text in answer])
    return Constant(answer, assumed) if answer is not None else UNKNOWN


def make_path(arguments: Sequence[Value], *, folder: str, name: str = "pathlib.Path") -> Value:
    """Return what ``Path(…)`` makes, and ``Path.cwd()`` and ``Path.home()``."""
    match name.rpartition(".")[2]:
        case "cwd":
            return PathObject(folder)
        case "home":
            return PathObject("~")
        case "Path" | "PurePath" | "PosixPath" | "PurePosixPath":
            texts = [text_of(argument) for argument in arguments]
            known = [text for text in texts if text is not None]
            if len(known) < len(texts):
                return UNKNOWN
            return PathObject(str(PurePosixPath(*known)), is_assumed(*arguments))
        case _:
            return UNKNOWN


def join_path(left: Value, right: Value) -> Value:
    """Return what ``left / right`` is."""
    first, second = text_of(left), text_of(right)
    if first is None or second is None:
        return UNKNOWN
    return PathObject(str(PurePosixPath(first) / second), is_assumed(left, right))


def path_attribute(path: PathObject, name: str, *, folder: str) -> Value | None:
    """Return an attribute of a path, or None when it is a method or nothing."""
    pure = PurePosixPath(path.text)
    match name:
        case "parent":
            return PathObject(str(pure.parent), path.assumed)
        case "parents":
            return Listing([PathObject(str(parent), path.assumed) for parent in pure.parents])
        case "name" | "stem" | "suffix":
            return Constant(getattr(pure, name), path.assumed)
        case "parts":
            return Listing([Constant(part, path.assumed) for part in pure.parts])
        case _:
            del folder
            return None


def call_path_method(path: PathObject, name: str, arguments: Sequence[Value], *, folder: str) -> Value | None:
    """Return what a method of a path answers when it only makes another path or text; None for the others."""
    texts = [text_of(argument) for argument in arguments]
    known = [text for text in texts if text is not None]
    assumed = path.assumed or is_assumed(*arguments)
    pure = PurePosixPath(path.text)
    if name in {"resolve", "absolute"}:
        return PathObject(absolute(path.text, folder), assumed)
    if name in {"expanduser", "with_segments"}:
        return path
    if name in {"as_posix", "__str__", "__fspath__"}:
        return Constant(path.text, assumed)
    if name not in {"joinpath", "with_suffix", "with_name", "with_stem", "relative_to"}:
        return None
    if len(known) < len(texts) or not known:
        return UNKNOWN
    try:
        return PathObject(str(getattr(pure, name)(*known)), assumed)
    except (ValueError, TypeError):
        return UNKNOWN


def call_text_method(text: str, name: str, arguments: Sequence[Value], keywords: Mapping[str, Value]) -> Value:
    """Return what a method of a str answers, for those that are used to make paths."""
    values = [argument.value if isinstance(argument, Constant) else text_of(argument) for argument in arguments]
    named = {key: text_of(value) for key, value in keywords.items()}
    if name == "join" and len(arguments) == 1 and isinstance(arguments[0], Listing):
        parts = [text_of(item) for item in arguments[0].items or ()]
        known = [part for part in parts if part is not None]
        is_whole = arguments[0].items is not None and len(known) == len(parts)
        return Constant(text.join(known)) if is_whole else UNKNOWN
    if name not in _TEXT_METHODS or any(value is None for value in (*values, *named.values())):
        return UNKNOWN
    try:
        answer = getattr(text, name)(*values, **named)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError):
        return UNKNOWN
    if isinstance(answer, list | tuple):
        return Listing([Constant(part) for part in answer])
    return Constant(answer)


def absolute(text: str, folder: str) -> str:
    """Return a path from the root, without ``.`` and ``..``; ``~`` stays what it is."""
    if text.startswith("~"):
        return text
    return "/" + posixpath.normpath(posixpath.join(folder, text)).lstrip("/")


def _flat(arguments: Sequence[Value]) -> list[Value]:
    return list(arguments)


def _listing(name: str, arguments: Sequence[Value]) -> Value:
    if not arguments:
        return Listing([]) if name != "builtins.next" else UNKNOWN
    source = arguments[0]
    if isinstance(source, Listing) and source.items is None and name in _COPIES:
        return source
    if not isinstance(source, Listing) or source.items is None:
        return UNKNOWN
    items = list(source.items)
    match name:
        case "builtins.sorted" | "builtins.set" | "builtins.frozenset":
            texts = [text_of(item) for item in items]
            if any(text is None for text in texts):
                return Listing(items) if name != "builtins.sorted" else UNKNOWN
            return Listing(sorted(items, key=lambda item: text_of(item) or ""))
        case "builtins.list" | "builtins.tuple" | "builtins.iter":
            return Listing(items)
        case "builtins.reversed":
            return Listing(items[::-1])
        case "builtins.next":
            return items[0] if items else (arguments[1] if len(arguments) > 1 else UNKNOWN)
        case "builtins.len":
            return Constant(len(items))
        case "builtins.enumerate":
            return Listing([Listing([Constant(index), item]) for index, item in enumerate(items)])
        case _:
            return UNKNOWN


_COPIES = frozenset({"builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted", "builtins.iter"})
_SEQUENCES = frozenset(
    f"builtins.{name}"
    for name in ("list", "tuple", "set", "frozenset", "sorted", "reversed", "next", "iter", "len", "enumerate")
)
_TEXT_METHODS = frozenset(
    {
        "format", "replace", "strip", "lstrip", "rstrip", "lower", "upper", "title", "capitalize", "split", "rsplit",
        "partition", "rpartition", "removeprefix", "removesuffix", "startswith", "endswith", "zfill",
    }
)  # fmt: skip

_TEXTS: dict[str, Callable[[list[str], str], str | tuple[str, ...] | None]] = {
    "os.path.join": lambda texts, _: posixpath.join(*texts) if texts else None,
    "os.path.dirname": lambda texts, _: posixpath.dirname(texts[0]) if texts else None,
    "os.path.basename": lambda texts, _: posixpath.basename(texts[0]) if texts else None,
    "os.path.abspath": lambda texts, folder: absolute(texts[0], folder) if texts else None,
    "os.path.realpath": lambda texts, folder: absolute(texts[0], folder) if texts else None,
    "os.path.normpath": lambda texts, _: posixpath.normpath(texts[0]) if texts else None,
    "os.path.expanduser": lambda texts, _: texts[0] if texts else None,
    "os.path.expandvars": lambda texts, _: texts[0] if texts and "$" not in texts[0] else None,
    "os.path.split": lambda texts, _: posixpath.split(texts[0]) if texts else None,
    "os.path.splitext": lambda texts, _: posixpath.splitext(texts[0]) if texts else None,
    "os.fspath": lambda texts, _: texts[0] if texts else None,
}

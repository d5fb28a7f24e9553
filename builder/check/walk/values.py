"""What an expression of scoring code may be, as far as it can be told without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_ITEMS = 512
"""A list that grows longer is not followed."""
MOST_OPTIONS = 8
"""A value that may be more things than this is unknown."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing is known; nothing is ever said about it."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A str, bytes, number, bool or None. ``assumed``: only as long as whoever starts the container sets nothing."""

    value: Any
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class PathObject:
    """A ``pathlib`` path."""

    text: str
    assumed: bool = False


@dataclass(eq=False, slots=True)
class Listing:
    """A list, tuple or set; ``items`` None once it cannot be followed."""

    items: list[Value] | None


def make_listing(items: list[Value] | None) -> Listing:
    """Return a list of these, as long as they are not too many."""
    return Listing(items if items is not None and len(items) <= MOST_ITEMS else None)


@dataclass(eq=False, slots=True)
class Table:
    """A dict with known keys; ``items`` None once it cannot be followed."""

    items: dict[Any, Value] | None


@dataclass(frozen=True, slots=True)
class Library:
    """A name of the standard library or of a package: ``numpy.load``."""

    name: str


@dataclass(frozen=True, slots=True)
class Product:
    """What calling a library made: an instance of ``xgboost.Booster``, an open file."""

    name: str


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a value, not called yet."""

    receiver: Value
    name: str


@dataclass(eq=False, slots=True)
class Module:
    """A module of the bundle. ``path`` is that of its file, relative to the bundle; empty for a namespace package."""

    name: str
    path: str
    names: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Function:
    """A function or method of the bundle."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    module: Module
    receiver: Value | None = None
    around: Mapping[str, Value] = field(default_factory=dict)
    """The names of the function it is defined in."""


@dataclass(eq=False, slots=True)
class Class:
    """A class of the bundle."""

    node: ast.ClassDef
    module: Module
    names: dict[str, Value] = field(default_factory=dict)
    bases: tuple[Value, ...] = ()

    def find(self, name: str) -> Value | None:
        """Return an attribute of the class or of a base in the bundle."""
        if name in self.names:
            return self.names[name]
        found = (base.find(name) for base in self.bases if isinstance(base, Class))
        return next((value for value in found if value is not None), None)


@dataclass(eq=False, slots=True)
class Instance:
    """An instance of a class of the bundle."""

    kind: Class
    names: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class RequestText:
    """The body of a request as Azure's ``run`` gets it: text."""

    data: RequestData


@dataclass(eq=False, slots=True)
class RequestData:
    """What came with a request: a part of the request schema describes it."""

    part: Mapping[str, Any]
    root: Mapping[str, Any]
    may_be_batch: bool = False
    """True for a body that is one record, a list of them, or an object that holds such a list."""
    parts: dict[str, RequestData] = field(default_factory=dict)
    """What has been read of it, so that what code adds is found again; ``[]`` is any item."""


@dataclass(eq=False, slots=True)
class RequestFrame:
    """A data frame made of records; ``added`` are the columns the code made."""

    record: RequestData
    added: set[str] = field(default_factory=set)
    is_followed: bool = True
    """False once something may have been done to it that is not known."""


@dataclass(frozen=True, slots=True)
class Either:
    """One of several."""

    options: tuple[Value, ...]


Value = (
    Unknown
    | Constant
    | PathObject
    | Listing
    | Table
    | Library
    | Product
    | Method
    | Module
    | Function
    | Class
    | Instance
    | RequestText
    | RequestData
    | RequestFrame
    | Either
)

UNKNOWN = Unknown()
NONE = Constant(None)


def join_values(values: Iterable[Value]) -> Value:
    """Return the value that is one of these."""
    options: list[Value] = []
    for value in values:
        for option in options_of(value):
            if option not in options:
                options.append(option)
    if not options or len(options) > MOST_OPTIONS:
        return UNKNOWN
    return options[0] if len(options) == 1 else Either(tuple(options))


def options_of(value: Value) -> Iterator[Value]:
    """Yield what a value may be."""
    if isinstance(value, Either):
        yield from value.options
    else:
        yield value


def text_of(value: Value) -> str | None:
    """Return the text of a str or a path, or None."""
    if isinstance(value, PathObject):
        return value.text
    if isinstance(value, Constant) and isinstance(value.value, str):
        return value.value
    return None


def is_assumed(*values: Value) -> bool:
    """Tell whether any of the values holds only unless the environment says otherwise."""
    return any(isinstance(value, Constant | PathObject) and value.assumed for value in values)


def truth(value: Value) -> bool | None:
    """Return whether a value is true, or None when that cannot be told."""
    answers = {_truth(option) for option in options_of(value)}
    return answers.pop() if len(answers) == 1 else None


def _truth(value: Value) -> bool | None:
    match value:
        case Constant(assumed=False):
            return bool(value.value)
        case PathObject() | Function() | Class() | Module() | Instance():
            return True
        case Library(name="typing.TYPE_CHECKING"):
            return False
        case Listing(items=list() as items):
            return bool(items)
        case _:
            return None

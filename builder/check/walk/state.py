"""What a walk through scoring code knows while it goes, and what it notes for the rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from builder.check.image_files import CODE_DIR, MODEL_DIR, ImageFiles
from builder.check.schema_parts import FoundKey, Presence
from builder.check.walk.file_calls import Use
from builder.check.walk.values import Listing, Module, Value, options_of

MOST_STEPS = 25_000
"""Expressions looked at in one walk; what lies beyond is not judged."""
DEEPEST = 24
"""Calls within calls that are followed."""
_MOST_CALLERS = 3


class WalkEnded(Exception):  # noqa: N818 - it is no error: the code is longer than anyone's scoring script
    """The walk has taken as many steps as it may."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PathUse:
    """A path that code reads, writes or looks for, when it runs in the image."""

    use: Use
    value: Value
    call: str
    """As it is written: ``joblib.load``."""
    module: str
    line: int
    column: int
    folder: str | None
    """The current folder at that moment, or None when it cannot be told."""
    is_certain: bool
    """False below a condition that cannot be told."""
    is_guarded: bool
    """True inside a ``try`` that goes on when the file is missing."""
    callers: tuple[tuple[str, int], ...] = ()
    """Where the function around was called with arguments, and the one around that; innermost first."""
    options: Mapping[str, Value] | None = field(default=None, compare=False)
    """What the call was given by name; None when that cannot be told."""

    @property
    def called_from(self) -> str:
        """The calls that gave the function around what it uses, to end a message; empty when there are none."""
        places = [f"{path}:{line}" for path, line in dict.fromkeys(self.callers)][:_MOST_CALLERS]
        return f" (called from {', from '.join(places)})" if places else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyUse:
    """A key that code reads from what came with a request, by a subscript or ``get``."""

    key: str
    presence: Presence
    named: tuple[str, ...]
    """What the schema names there."""
    is_get: bool
    is_guarded: bool
    is_certain: bool
    """True when every request comes by here, and nothing can have added the key before."""
    module: str
    line: int
    column: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineUse:
    """A call, or a look at an attribute, that needs a module its own library does without."""

    call: str
    library: str
    modules: tuple[str, ...]
    """Any of these will do; the first is the one to add."""
    others: tuple[str, ...]
    module: str
    line: int
    column: int
    is_sure: bool
    """False where only its name tells what is called."""
    is_certain: bool
    is_guarded: bool
    """True inside a ``try`` that goes on when an import fails."""


@dataclass(eq=False, kw_only=True, slots=True)
class Frame:
    """The names of a function that is being walked, or of a module."""

    module: Module
    names: dict[str, Value]
    around: Mapping[str, Value] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    """Names declared ``global``."""
    returned: list[Value] = field(default_factory=list)
    left_by: type[ast.stmt] | None = None
    """The statement that ended the statements walked last: return, raise, break or continue."""
    hedges: int = 0
    """How often the walk may have left this function before its end."""


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class CallSite:
    """A call with what is given to it."""

    arguments: list[Value]
    keywords: dict[str, Value]
    node: ast.Call
    module: Module
    is_whole: bool = True
    """False when more may be given, by ``*`` or ``**``."""


@dataclass(eq=False, kw_only=True, slots=True)
class State:
    """One walk."""

    files: ImageFiles
    sources: Mapping[str, bytes]
    variables: Mapping[str, str]
    """Environment variables the image has."""
    roots: list[str]
    """Folders of the bundle on ``sys.path``, first one first; ``""`` is the bundle itself."""
    folder: str | None = CODE_DIR
    path_uses: list[PathUse] = field(default_factory=list)
    key_uses: list[KeyUse] = field(default_factory=list)
    engine_uses: list[EngineUse] = field(default_factory=list)
    tested_keys: set[str] = field(default_factory=set)
    """Keys the code asks for before it reads them: ``"x" in record``."""
    modules: dict[str, Module] = field(default_factory=dict)
    trees: dict[str, ast.Module | None] = field(default_factory=dict)
    calls: list[ast.AST] = field(default_factory=list)
    callers: tuple[tuple[str, int], ...] = ()
    """Where the function that is being walked was called, and so on, innermost first; up to one without arguments."""
    empty_globs: dict[Listing, PathUse] = field(default_factory=dict)
    """What patterns that match nothing gave."""
    steps: int = 0
    doubts: int = 0
    """How many conditions around could not be told."""
    guards: int = 0
    """How many ``try`` around go on when a file is missing."""
    key_guards: int = 0
    import_guards: int = 0
    hedges: int = 0
    """How many reasons there are that a request need not come by here, of which nothing but keys depends."""
    is_touched: bool = False
    """True once something unknown may have added keys to the request."""
    silences: int = 0
    """Above zero nothing is noted: the code runs only after a failure that is not known to happen."""

    def step(self) -> None:
        """Count one expression."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise WalkEnded

    def note_path(
        self,
        use: Use,
        value: Value,
        node: ast.expr,
        call: str,
        module: Module,
        *,
        options: Mapping[str, Value] | None = None,
    ) -> PathUse | None:
        """Note the use of a path."""
        if self.silences:
            return None
        noted = PathUse(
            use=use,
            value=value,
            call=call,
            module=module.path,
            line=node.lineno,
            column=node.col_offset + 1,
            folder=self.folder,
            is_certain=not self.doubts,
            is_guarded=bool(self.guards),
            callers=self.callers,
            options=options,
        )
        self.path_uses.append(noted)
        return noted

    def note_empty_glob(self, use: PathUse | None) -> Value:
        """Return what stands for the result of a glob that finds nothing, which code may yet ask about."""
        result = Listing(None)
        if use is not None:
            self.empty_globs[result] = use
        return result

    def forgive_empty(self, value: Value) -> None:
        """Forget a glob that finds nothing: the code asks whether it did, and goes on either way."""
        for option in options_of(value):
            use = self.empty_globs.pop(option, None) if isinstance(option, Listing) else None
            if use is not None:
                self.path_uses = [other for other in self.path_uses if other != use]

    def note_key(
        self, key: str, found: FoundKey, node: ast.expr, module: Module, *, is_get: bool, is_certain: bool
    ) -> None:
        """Note the use of a key of a request; whether it ``is_certain`` also depends on what is around."""
        if self.silences:
            return
        self.key_uses.append(
            KeyUse(
                key=key,
                presence=found.presence,
                named=found.named,
                is_get=is_get,
                is_guarded=bool(self.key_guards),
                is_certain=is_certain and not (self.doubts or self.hedges or self.is_touched),
                module=module.path,
                line=node.lineno,
                column=node.col_offset + 1,
            )
        )

    @contextmanager
    def called_from(self, node: ast.Call, module: Module) -> Iterator[None]:
        """Walk a function of the bundle that is called here."""
        before = self.callers
        self.callers = ((module.path, node.lineno), *before) if node.args or node.keywords else ()
        try:
            yield
        finally:
            self.callers = before

    @contextmanager
    def doubt(self) -> Iterator[None]:
        """Walk what may not run."""
        self.doubts += 1
        try:
            yield
        finally:
            self.doubts -= 1

    @contextmanager
    def hedge(self, *, when: bool = True) -> Iterator[None]:
        """Walk what not every request comes by; unlike ``doubt``, paths and names are taken as they are."""
        self.hedges += when
        try:
            yield
        finally:
            self.hedges -= when

    def leave(self, frame: Frame) -> None:
        """Note that the rest of a function is not walked for every request."""
        frame.hedges += 1
        self.hedges += 1

    def end(self, frame: Frame) -> None:
        """Leave a function for good."""
        self.hedges -= frame.hedges

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Walk without noting anything."""
        self.silences += 1
        try:
            yield
        finally:
            self.silences -= 1

    @contextmanager
    def guard(self, *, files: bool, keys: bool, imports: bool) -> Iterator[None]:
        """Walk the body of a ``try``."""
        self.guards += files
        self.key_guards += keys
        self.import_guards += imports
        try:
            with self.hedge():
                yield
        finally:
            self.guards -= files
            self.key_guards -= keys
            self.import_guards -= imports


def variables_of_image(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables whose values are known: the bundle's, and those every image has."""
    ours = {"AZUREML_MODEL_DIR": MODEL_DIR, "HOME": "/tmp", "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}  # noqa: S108
    return {**ours, **{name: str(value) for name, value in given.items()}, "AZUREML_MODEL_DIR": MODEL_DIR}
